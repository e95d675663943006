/**
 * The kernel's own durable files: one private folder that one kernel at a time may use, with folders in it for the
 * parts of the kernel. It promises that what was acknowledged outlives a power cut, and that a second kernel is
 * refused by name. It knows nothing of what the files hold.
 */

import { join } from 'node:path';
import { DurableFolder, assertName } from './durableFolder.js';
import { systemFileCalls, type FileCalls } from './fileCalls.js';
import { hasCode, storageError } from './fileErrors.js';
import { systemProcesses, type Processes } from './processIdentity.js';
import { lockHolder, takeLock } from './storageLock.js';

export interface StorageOptions {
  /** Absolute path; made when missing. */
  readonly path: string;
  /** For tests, which stop the world between two calls. */
  readonly calls?: FileCalls;
  readonly processes?: Processes;
}

/** Disposing it gives the lock back; whatever was opened in it must be closed before. */
export interface Storage extends AsyncDisposable {
  readonly path: string;
  /** A folder of its own for a part of the kernel; each is opened once. */
  folder(name: string): Promise<DurableFolder>;
  /** What this user may still write to the disk. */
  freeBytes(): Promise<number>;
}

const lockName = 'lock';

/** @throws KernelError `storeLocked` that names the process that uses it; `storageFailed`, `storageFull` */
export async function openStorage(options: StorageOptions): Promise<Storage> {
  const { path, calls = systemFileCalls, processes = systemProcesses } = options;
  const name = `the store ${path}`;
  const explained = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw storageError(error, name);
    }
  };
  const lock = await explained(async () => {
    await calls.makeFolder(path);
    await calls.syncFolder(join(path, '..'));
    const taken = await takeLock(join(path, lockName), name, { calls, processes });
    for (const file of await calls.list(path)) {
      if (file.name.startsWith(`${lockName}.`)) await calls.remove(join(path, file.name));
    }
    return taken;
  });
  return {
    path,
    folder: async (part) => {
      assertName(part);
      return await DurableFolder.open(join(path, part), calls);
    },
    freeBytes: () => explained(() => calls.freeBytes(path)),
    [Symbol.asyncDispose]: () => explained(async () => await lock[Symbol.asyncDispose]()),
  };
}

/** The folder of a kernel's part, for whoever only looks; and who uses the storage meanwhile. */
export interface StorageView {
  readonly usedBy: number | undefined;
  folder(name: string): Pick<DurableFolder, 'path' | 'list' | 'read'>;
}

/** Looks at a storage, also while a kernel uses it. Undefined where there is none. @throws KernelError `storageFailed` */
export async function viewStorage(path: string): Promise<StorageView | undefined> {
  const parts = { calls: systemFileCalls, processes: systemProcesses };
  try {
    await systemFileCalls.list(path);
    const usedBy = await lockHolder(join(path, lockName), parts);
    return { usedBy, folder: (name) => DurableFolder.toRead(join(path, name), systemFileCalls) };
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw storageError(error, `the store ${path}`);
  }
}
