/**
 * The key that what is kept of agents is encrypted with: made once, kept by the editor's secret storage, and given to
 * the kernel alone. It is never shown, logged or written anywhere else, and never made anew over one that is there.
 */

import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KernelError } from '../shared/errors.js';
import { stateKeySchema } from '../shared/stateKey.js';

/** The editor's, or a test's. */
export interface Secrets {
  get(name: string): Thenable<string | undefined>;
  store(name: string, value: string): Thenable<void>;
}

const secretName = 'stateKey';
/** Two windows may make one at the same time: the one that is there after this holds for both. */
const settleMs = 200;

/** @throws KernelError `stateInvalid` when what is there is no key */
export async function stateKeyOf(secrets: Secrets, settle = () => sleep(settleMs)): Promise<string> {
  if ((await secrets.get(secretName)) === undefined) {
    await secrets.store(secretName, randomBytes(32).toString('hex'));
    await settle();
  }
  const key = stateKeySchema.safeParse(await secrets.get(secretName));
  if (key.success) return key.data;
  throw new KernelError('stateInvalid', 'the secret storage of the editor holds no usable key');
}
