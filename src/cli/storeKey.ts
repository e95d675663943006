/**
 * The key of an external vector store, as `AMK_STORE_KEY` says. It is taken out of the environment, so that no other
 * program gets it that way.
 */

import { KernelError } from '../shared/errors.js';
import { storeKeySchema } from '../shared/storeKey.js';

/** The key, where there is one. @throws KernelError `badRequest`, without the key */
export function takeStoreKey(env: Record<string, string | undefined>): string | undefined {
  const value = env['AMK_STORE_KEY']?.trim();
  delete env['AMK_STORE_KEY'];
  if (value === undefined || value === '') return undefined;
  const { data, error } = storeKeySchema.safeParse(value);
  if (data !== undefined) return data;
  throw new KernelError('badRequest', `AMK_STORE_KEY is unusable: ${error.issues[0]?.message ?? ''}`);
}
