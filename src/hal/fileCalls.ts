/**
 * The system calls that durable files are made of, one method a call, so that whoever tests durability can stop the
 * world between any two of them. What a call promises is what the operating system promises: a write may be lost or
 * torn until the file is synchronised, and a name may be lost or undone until its folder is. No logic lives here.
 */

import { constants } from 'node:fs';
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  statfs,
  unlink,
  utimes,
  type FileHandle,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from './fileErrors.js';

export interface FileFacts {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly modifiedMs: number;
}

export interface OpenFile {
  size(): Promise<number>;
  /** @returns how many bytes were read; 0 at the end */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Writes at the end. @returns how many bytes were written, at least one */
  write(bytes: Uint8Array): Promise<number>;
  truncate(bytes: number): Promise<void>;
  /** Content and what is needed to read it back outlive a power cut from here on. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** `create`: a new file, which must not be there yet. `append`: an existing one, written at its end. */
export type OpenMode = 'create' | 'append' | 'read';

/** Errors are those of node:fs, with their `code`. */
export interface FileCalls {
  /** With its parents; nobody but this user may look into it. */
  makeFolder(path: string): Promise<void>;
  /** Ordinary files only. */
  list(folder: string): Promise<readonly FileFacts[]>;
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  /** Replaces what is there under the new name. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  setModified(path: string, modifiedMs: number): Promise<void>;
  /** Names in the folder outlive a power cut from here on; does nothing where a system cannot or need not. */
  syncFolder(path: string): Promise<void>;
  freeBytes(path: string): Promise<number>;
}

const isWindows = process.platform === 'win32';

const flagsOf: Readonly<Record<OpenMode, number>> = {
  create: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
  append: constants.O_WRONLY | constants.O_APPEND,
  read: constants.O_RDONLY,
};
/** Never through a link: nobody but us has a reason to put anything there. Windows has no such flag. */
const noFollow = isWindows ? 0 : constants.O_NOFOLLOW;

export const systemFileCalls: FileCalls = {
  makeFolder: async (path) => {
    await mkdir(path, { recursive: true, mode: 0o700 });
    if (!isWindows) await chmod(path, 0o700);
  },
  list: listFiles,
  open: async (path, mode) => fileOf(await open(path, flagsOf[mode] | noFollow, 0o600)),
  rename: (from, to) => whileBusy(() => rename(from, to)),
  remove: (path) => whileBusy(() => unlink(path)),
  setModified: (path, modifiedMs) => utimes(path, modifiedMs / 1000, modifiedMs / 1000),
  syncFolder,
  freeBytes: async (path) => {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  },
};

function fileOf(handle: FileHandle): OpenFile {
  return {
    size: async () => (await handle.stat()).size,
    read: async (into, position) => (await handle.read(into, 0, into.length, position)).bytesRead,
    write: async (bytes) => (await handle.write(bytes)).bytesWritten,
    truncate: (bytes) => handle.truncate(bytes),
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

async function listFiles(folder: string): Promise<FileFacts[]> {
  const files: FileFacts[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const { size, mtimeMs } = await lstat(join(folder, entry.name));
    files.push({ name: entry.name, bytes: size, modifiedMs: mtimeMs });
  }
  return files;
}

/** What file systems without this call answer, and what is no fault of the disk. */
const cannotSyncFolders = ['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'EACCES'] as const;

async function syncFolder(path: string): Promise<void> {
  if (isWindows) return;
  await using handle = await open(path, constants.O_RDONLY);
  await handle.sync().catch((error: unknown) => {
    if (!hasCode(error, ...cannotSyncFolders)) throw error;
  });
}

const busyTries = 20;
const busyPauseMs = 25;

/** On Windows a virus scanner or indexer may hold a file for a moment; nothing may be renamed or removed meanwhile. */
async function whileBusy(call: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await call();
      return;
    } catch (error) {
      if (!isWindows || tries === busyTries || !hasCode(error, 'EPERM', 'EACCES', 'EBUSY')) throw error;
      await sleep(busyPauseMs);
    }
  }
}
