/**
 * The folder in which a running kernel leaves what others need to find it. It belongs to one user and is closed to
 * all others, or it is not used. Files appear there whole; what this process left is gone when it disposes or exits.
 * After a kill it stays: whoever looks for kernels cleans up behind the dead.
 */

import { randomUUID } from 'node:crypto';
import { rmSync, rmdirSync } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { KernelError } from '../shared/errors.js';
import type { Disposable } from '../shared/lifecycle.js';

/** A socket's address holds so much of a path on every system: macOS has the least, 104 with the zero at its end. */
const maxSocketPathBytes = 103;

const isWindows = process.platform === 'win32';

export interface RuntimeFolder extends Disposable {
  /** Address for a listening socket that only this user can reach once `closeToOthers` was called on it. */
  socketPath(name: string): Promise<string>;
  closeToOthers(socketPath: string): Promise<void>;
  /** Writes a file that only this user can read. */
  publish(name: string, text: string): Promise<void>;
}

/**
 * Makes the folder where it is missing.
 * @throws KernelError `denied` when it is another user's, and what the system says when it cannot be made
 */
export async function openRuntimeFolder(folder: string): Promise<RuntimeFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  if (!isWindows) await makePrivate(folder);
  const left: (() => void)[] = [];
  let disposed = false;
  /** Notes how to undo what is about to be done; when it is too late for that, nothing is done. */
  const leave = (undo: () => void): void => {
    if (disposed) throw new KernelError('cancelled', `${folder} is given up`);
    left.push(undo);
  };
  const dispose = (): void => {
    disposed = true;
    process.off('exit', dispose);
    for (let undo = left.pop(); undo !== undefined; undo = left.pop()) undo();
  };
  process.once('exit', dispose);
  return {
    async socketPath(name) {
      if (isWindows) return `\\\\.\\pipe\\agentic-microkernel-${name}-${randomUUID()}`;
      const path = join(folder, name);
      const isTooLong = Buffer.byteLength(path) > maxSocketPathBytes;
      const chosen = isTooLong ? join(await mkdtemp(join(tmpdir(), 'amk-control-')), name) : path;
      if (isTooLong) leave(() => tryTo(() => rmdirSync(dirname(chosen))));
      leave(() => tryTo(() => rmSync(chosen, { force: true })));
      // One that a dead process of the same number left.
      await rm(chosen, { force: true });
      return chosen;
    },
    closeToOthers: async (path) => (isWindows ? undefined : chmod(path, 0o600)),
    async publish(name, text) {
      const path = join(folder, name);
      const unfinished = join(folder, `.${name}-${randomUUID()}`);
      leave(() => tryTo(() => rmSync(path, { force: true })));
      try {
        await writeFile(unfinished, text, { mode: 0o600, flag: 'wx' });
        if (disposed) throw new KernelError('cancelled', `${folder} is given up`);
        await rename(unfinished, path);
      } catch (error) {
        await rm(unfinished, { force: true });
        throw error;
      }
    },
    dispose,
  };
}

async function makePrivate(folder: string): Promise<void> {
  const facts = await lstat(folder);
  if (!facts.isDirectory() || facts.uid !== process.getuid?.()) {
    throw new KernelError('denied', `${folder} is not a folder of this user`);
  }
  if ((facts.mode & 0o077) !== 0) await chmod(folder, 0o700);
}

/** Cleaning up must not stop whoever ends. */
function tryTo(action: () => void): void {
  try {
    action();
  } catch {
    // The folder may be gone, or its disk.
  }
}
