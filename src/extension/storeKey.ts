/**
 * The key of an external vector store: asked for by a command, kept by the editor's secret storage, and given to the
 * kernel where the settings name such a store. It is never shown, logged or written anywhere else.
 */

import { KernelError } from '../shared/errors.js';
import { storeKeySchema } from '../shared/storeKey.js';
import type { Secrets } from './stateKey.js';

/** The editor's, or a test's. */
export interface RemovableSecrets extends Secrets {
  delete(name: string): Thenable<void>;
}

export const storeKeySecret = 'storeKey';

/** @throws KernelError `badRequest` when what is there cannot be one */
export async function storeKeyOf(secrets: Secrets): Promise<string | undefined> {
  const kept = await secrets.get(storeKeySecret);
  if (kept === undefined || storeKeySchema.safeParse(kept).success) return kept;
  throw new KernelError('badRequest', 'the key of the vector store is unusable; set it again');
}

/** Why a text is no key; empty text is none, and none is wanted. */
export function faultOfStoreKey(text: string): string | undefined {
  const key = text.trim();
  if (key === '') return undefined;
  return storeKeySchema.safeParse(key).error?.issues[0]?.message;
}

/** An empty text removes it. @throws KernelError `badRequest` */
export async function keepStoreKey(secrets: RemovableSecrets, text: string): Promise<void> {
  const fault = faultOfStoreKey(text);
  if (fault !== undefined) throw new KernelError('badRequest', fault);
  const key = text.trim();
  if (key === '') await secrets.delete(storeKeySecret);
  else await secrets.store(storeKeySecret, key);
}
