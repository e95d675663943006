/**
 * The key that the command line's kernels encrypt with, as `AMK_STATE_KEY` says: 64 digits from 0 to f, or the path of
 * a file that holds them. It is taken out of the environment, so that no other program gets it that way.
 */

import { KernelError, messageOf } from '../shared/errors.js';
import { stateKeySchema } from '../shared/stateKey.js';

const variable = 'AMK_STATE_KEY';

/**
 * The key, where there is one.
 * @throws KernelError `badRequest`; no message holds any of the key
 */
export async function takeStateKey(
  env: Record<string, string | undefined>,
  readText: (path: string) => Promise<string>,
): Promise<string | undefined> {
  const value = env[variable];
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- setting it to undefined would leave the word there
  delete env[variable];
  if (value === undefined || value === '') return undefined;
  const given = stateKeySchema.safeParse(value.trim().toLowerCase());
  if (given.success) return given.data;
  // What is all digits was meant to be a key: it must not be shown as a path.
  if (/^[0-9a-f]{16,}$/i.test(value.trim())) {
    throw new KernelError('badRequest', `${variable} has ${value.trim().length} digits; a key has 64`);
  }
  const text = await readText(value).catch((error: unknown) => {
    throw new KernelError('badRequest', `${variable} names a file that cannot be read: ${messageOf(error)}`);
  });
  const inFile = stateKeySchema.safeParse(text.trim().toLowerCase());
  if (inFile.success) return inFile.data;
  throw new KernelError('badRequest', `the file ${value} of ${variable} does not hold 64 digits from 0 to f`);
}
