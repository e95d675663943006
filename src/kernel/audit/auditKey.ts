/** The key that seals the audit log: the client's, or one that lies beside the log and is made with it. */

import { randomBytes } from 'node:crypto';
import type { DurableFolder } from '../../hal/durableFolder.js';
import { KernelError } from '../../shared/errors.js';
import type { Seal } from './seal.js';

export const keyFolder = 'audit-key';
export const keyName = 'key';
const keyBytes = 32;

interface Folders {
  folder(name: string): Promise<DurableFolder>;
}

/** @throws KernelError `stateInvalid` when what lies there is no key: a new one would hide that */
export async function auditKey(
  folders: Folders,
  given: string | undefined,
): Promise<{ readonly key: Uint8Array; readonly keyPlace: Seal['key'] }> {
  if (given !== undefined) return { key: Buffer.from(given, 'hex'), keyPlace: 'given' };
  const folder = await folders.folder(keyFolder);
  if (!(await folder.list()).some(({ name }) => name === keyName)) {
    await folder.writeAtomically(keyName, randomBytes(keyBytes));
  }
  const key = await folder.read(keyName);
  if (key.length === keyBytes) return { key, keyPlace: 'beside' };
  throw new KernelError('stateInvalid', `${keyName} in ${folder.path} is no key of an audit log`);
}
