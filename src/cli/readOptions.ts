/** Reads the options of one command; what cannot be read is a `badRequest` of one line. */

import { parseArgs, type ParseArgsConfig } from 'node:util';
import { KernelError, messageOf } from '../shared/errors.js';

type Options = NonNullable<ParseArgsConfig['options']>;
type Parsed<T extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true }>
>;

export const flag = { type: 'boolean', default: false } as const;
export const text = { type: 'string' } as const;
export const texts = { type: 'string', multiple: true, default: [] as string[] } as const;

/** @throws KernelError `badRequest` */
export function readOptions<T extends Options>(args: readonly string[], options: T): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // The first sentence says what is wrong; the others explain how Node reads options.
    const [sentence = ''] = messageOf(error).split(/\.\s/);
    throw new KernelError(
      'badRequest',
      sentence.replace(/^\w/, (letter) => letter.toLowerCase()),
      { cause: error },
    );
  }
}
