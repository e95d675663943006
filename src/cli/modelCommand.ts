/** The part of `amk`'s command line that is about model files. Pure, as all of it is. */

import { KernelError } from '../shared/errors.js';
import { flag, readOptions, text } from './readOptions.js';

export interface ModelPullCommand {
  readonly kind: 'modelPull';
  readonly uri: string;
  /** Undefined: the user's folder of models. */
  readonly folder: string | undefined;
  readonly sha256: string | undefined;
  readonly json: boolean;
}

const options = { dir: text, sha256: text, json: flag, help: { ...flag, short: 'h' } } as const;

/** @throws KernelError `badRequest` */
export function parseModel(args: readonly string[]): ModelPullCommand | { kind: 'help'; topic: 'model' } {
  const { values, positionals } = readOptions(args, options);
  if (values.help) return { kind: 'help', topic: 'model' };
  const [verb, uri, ...rest] = positionals;
  if (verb !== 'pull') {
    throw new KernelError(
      'badRequest',
      verb === undefined ? 'amk model pull URI' : `unknown: amk model ${verb}`,
    );
  }
  if (uri === undefined) throw new KernelError('badRequest', 'there is no model to pull');
  if (rest.length > 0) throw new KernelError('badRequest', 'pull one model at a time');
  if (!/^(?:hf:|huggingface:|https?:\/\/)./.test(uri)) {
    throw new KernelError(
      'badRequest',
      `"${uri}" is not hf:USER/MODEL:QUANT, hf:USER/MODEL/FILE.gguf or an address`,
    );
  }
  const sha256 = values.sha256?.toLowerCase();
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256)) {
    throw new KernelError('badRequest', '--sha256 is 64 hexadecimal digits');
  }
  return { kind: 'modelPull', uri, folder: values.dir, sha256, json: values.json };
}
