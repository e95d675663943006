/**
 * The file system, and the only code that touches it beside the boot files. A tool's path is resolved with its links
 * first, judged by the caller, and then opened; what is opened is proved to lie where it was judged, whatever was
 * swapped in between. Only ordinary files and folders are opened, sizes are known before anything is read, and a
 * file is replaced whole or not at all. It must never follow a link that was not part of the resolved path.
 *
 * A right is a right to a name. So a file that an editor saved anew under its name, while a person was thinking,
 * is the same to us; and a hard link is as good as any other name, since no file system tells where the other
 * names are. A change is never written through one: the name gets a new file, the other names keep the old.
 */

import { constants, type Dirent, type Stats } from 'node:fs';
import {
  access,
  lstat,
  open,
  opendir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import { KernelError, messageOf } from '../shared/errors.js';
import { formatBytes } from './byteSize.js';
import { namesBelow, outside, relativeTo } from './workspacePath.js';

export interface ResolvedPath {
  /** As the tool wrote it, for messages. */
  readonly asked: string;
  /** Absolute, without links. */
  readonly real: string;
  /** {@link real}, relative to the workspace root, with `/`; `.` is the root. */
  readonly relative: string;
  readonly kind: 'file' | 'folder';
}

export interface FolderEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link' | 'other';
}

export interface Executable {
  /** The file found under the name; a link where it is one, since some programs look at the name they are called by. */
  readonly path: string;
  /** The same file without links, as a person is shown it. */
  readonly real: string;
}

/** One folder and what lies in it. All errors are KernelErrors whose message a model can be told. */
export interface Workspace {
  /** Real path of the folder. */
  readonly root: string;
  /** Looks where a path leads, links followed; reads nothing but names. */
  resolve(path: string): Promise<ResolvedPath>;
  readFile(target: ResolvedPath, maxBytes: number): Promise<Uint8Array>;
  /** Sorted by name. */
  readFolder(target: ResolvedPath, maxEntries: number): Promise<FolderEntry[]>;
  /** Replaces the content at once and keeps the mode, unless the file is no longer what `expected` says. */
  replaceFile(target: ResolvedPath, bytes: Uint8Array, expected: Uint8Array): Promise<void>;
}

export interface Disk {
  /** Where the folder really is. @throws KernelError `badRequest` when there is no such folder. */
  realFolder(path: string): Promise<string>;
  /** @throws KernelError `badRequest` when there is no such folder. */
  openWorkspace(root: string): Promise<Workspace>;
  /** A file of this program itself. */
  readOwnFile(path: string): Promise<Uint8Array>;
}

export function createDisk(): Disk {
  return {
    realFolder,
    openWorkspace: async (root) => openWorkspace(resolve(root), await realFolder(root)),
    readOwnFile: (path) => readFile(path),
  };
}

async function realFolder(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (error) {
    throw new KernelError('badRequest', `the folder ${path} does not exist`, { cause: error });
  }
  throw new KernelError('badRequest', `${path} is not a folder`);
}

/** The first of the paths that this user can execute. */
export async function findExecutable(paths: readonly string[]): Promise<Executable | undefined> {
  for (const path of paths) {
    try {
      const real = await realpath(path);
      await access(real, constants.X_OK);
      if ((await stat(real)).isFile()) return { path, real };
    } catch {
      // Not here: the next one may be.
    }
  }
  return undefined;
}

function openWorkspace(asGiven: string, root: string): Workspace {
  return {
    root,
    resolve: async (path) => {
      const lexical = join(root, ...namesBelow(path, [root, asGiven]));
      return await explained(path, async () => {
        const real = await follow(lexical, root, path);
        const relative = relativeTo(root, real);
        if (relative === undefined) throw outside(path);
        return { asked: path, real, relative, kind: kindOf(await lstat(real), path) };
      });
    },
    readFile: (target, maxBytes) =>
      explained(target.asked, async () => {
        if (target.kind === 'folder') throw isAFolder(target.asked);
        await using handle = await openExactly(target.real, constants.O_RDONLY, target.asked);
        return await readAll(handle, target.asked, maxBytes);
      }),
    readFolder: (target, maxEntries) =>
      explained(target.asked, async () => {
        if (target.kind === 'file')
          throw new KernelError('badRequest', `${target.asked} is a file, not a folder`);
        return await insideFolder(target.real, target.asked, (folder) => list(folder, target, maxEntries));
      }),
    replaceFile: (target, bytes, expected) =>
      explained(target.asked, async () => {
        if (target.kind === 'folder') throw isAFolder(target.asked);
        await insideFolder(dirname(target.real), target.asked, (folder) =>
          replace(folder, target, bytes, expected),
        );
      }),
  };
}

/** The path without links. What is missing outside is as much outside as what is there, and is told alike. */
async function follow(path: string, root: string, asked: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (relativeTo(root, await nearestFolder(path, root)) === undefined) throw outside(asked);
    throw error;
  }
}

async function nearestFolder(path: string, root: string): Promise<string> {
  if (path === root) return root;
  const parent = dirname(path);
  return await realpath(parent).catch(() => nearestFolder(parent, root));
}

function kindOf(stats: Stats, asked: string): ResolvedPath['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'folder';
  throw notRegular(asked);
}

const isAFolder = (asked: string): KernelError => new KernelError('badRequest', `${asked} is a folder`);

/** A FIFO would block, a device may do anything when it is opened. */
const notRegular = (asked: string): KernelError =>
  new KernelError('badRequest', `${asked} is not a regular file`);

const moved = (asked: string): KernelError =>
  new KernelError('badRequest', `${asked} was moved while it was opened`);

const faults: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  ENAMETOOLONG: 'does not exist',
  EISDIR: 'is a folder',
  EACCES: 'is not accessible to this user',
  EPERM: 'is not accessible to this user',
  EROFS: 'is on a read-only file system',
  ENOSPC: 'does not fit on the disk',
  ELOOP: 'is a link that leads in a circle',
};

/** Says an operating system's error in words about the path that the tool asked for. */
async function explained<T>(asked: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof KernelError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const fault = faults[code] ?? `cannot be used: ${messageOf(error)}`;
    throw new KernelError(fault === faults['ENOENT'] ? 'notFound' : 'badRequest', `${asked} ${fault}`, {
      cause: error,
    });
  }
}

/** Never waits for a FIFO, never follows a last link, never gets a terminal. What a platform lacks counts as 0. */
const safely = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** Opens without following a last link. A link there, or where a folder was, came after the path was resolved. */
async function openNamed(path: string, flags: number, asked: string): Promise<FileHandle> {
  try {
    return await open(path, flags | safely);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw ['ELOOP', 'ENOTDIR'].includes(code) ? moved(asked) : error;
  }
}

/** Opens what has exactly this real path at this moment. */
async function openExactly(real: string, flags: number, asked: string): Promise<FileHandle> {
  const handle = await openNamed(real, flags, asked);
  try {
    if (!(await isAt(handle, real))) throw moved(asked);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Whether an open handle is what the real path names, no folder on the way having become a link. */
async function isAt(handle: FileHandle, real: string): Promise<boolean> {
  if (process.platform === 'linux') return (await readlink(`/proc/self/fd/${handle.fd}`)) === real;
  if ((await realpath(real)) !== real) return false;
  const [named, opened] = await Promise.all([lstat(real, { bigint: true }), handle.stat({ bigint: true })]);
  return named.ino === opened.ino && named.dev === opened.dev;
}

/** Works inside the folder that a real path names; on Linux it stays that folder, whatever is swapped meanwhile. */
async function insideFolder<T>(
  real: string,
  asked: string,
  work: (folder: string) => Promise<T>,
): Promise<T> {
  if (process.platform === 'linux') {
    await using handle = await openExactly(real, constants.O_RDONLY | constants.O_DIRECTORY, asked);
    return await work(`/proc/self/fd/${handle.fd}`);
  }
  if ((await realpath(real)) !== real) throw moved(asked);
  const result = await work(real);
  if ((await realpath(real)) !== real) throw moved(asked);
  return result;
}

async function readAll(handle: FileHandle, asked: string, maxBytes: number): Promise<Uint8Array> {
  const stats = await handle.stat();
  if (stats.isDirectory()) throw isAFolder(asked);
  if (!stats.isFile()) throw notRegular(asked);
  if (stats.size > maxBytes) throw tooLarge(asked, stats.size, maxBytes);
  // One byte more than is there: a file that grows meanwhile is read on to its new end, up to the limit.
  let buffer = Buffer.allocUnsafeSlow(stats.size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (length > maxBytes) throw tooLarge(asked, length, maxBytes);
    if (bytesRead === 0) return buffer.subarray(0, length);
    if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(maxBytes + 1, 2 * length + 1));
  }
}

function tooLarge(asked: string, bytes: number, maxBytes: number): KernelError {
  return new KernelError(
    'limitReached',
    `${asked} is too large: ${formatBytes(bytes)} of at most ${formatBytes(maxBytes)}`,
  );
}

async function list(folder: string, target: ResolvedPath, maxEntries: number): Promise<FolderEntry[]> {
  const entries: FolderEntry[] = [];
  for await (const entry of await opendir(folder, { bufferSize: 256 })) {
    if (entries.length === maxEntries) {
      throw new KernelError('limitReached', `${target.asked} holds more than ${maxEntries} entries`);
    }
    entries.push({ name: entry.name, kind: kindOfEntry(entry) });
  }
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function kindOfEntry(entry: Dirent): FolderEntry['kind'] {
  if (entry.isFile()) return 'file';
  if (entry.isDirectory()) return 'folder';
  return entry.isSymbolicLink() ? 'link' : 'other';
}

/** Writes a file beside the old one and renames it over, so that every reader sees one or the other, whole. */
async function replace(
  folder: string,
  target: ResolvedPath,
  bytes: Uint8Array,
  expected: Uint8Array,
): Promise<void> {
  const path = join(folder, basename(target.real));
  const old = await assertUnchanged(path, target.asked, expected);
  const fresh = join(folder, `.${randomUUID()}.tmp`);
  try {
    await writeFresh(fresh, bytes, old);
    // Once more, as late as can be: writing took time.
    await assertUnchanged(path, target.asked, expected);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

async function writeFresh(path: string, bytes: Uint8Array, old: Stats): Promise<void> {
  const create = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  await using handle = await open(path, create | safely, 0o600);
  await handle.writeFile(bytes);
  const { uid, gid } = await handle.stat();
  if (uid !== old.uid || gid !== old.gid) {
    // Only root may give a file away. Anyone else who may change the file gets it as their own.
    await handle.chown(old.uid, old.gid).catch(() => undefined);
  }
  await handle.chmod(old.mode & 0o777);
  await handle.sync();
}

/** Opens for writing too, so that a read-only file is refused although its folder would let it be replaced. */
async function assertUnchanged(path: string, asked: string, expected: Uint8Array): Promise<Stats> {
  await using handle = await openNamed(path, constants.O_RDWR, asked);
  const content = await readAll(handle, asked, expected.length).catch((error: unknown) => {
    if (error instanceof KernelError && error.code === 'limitReached') return undefined;
    throw error;
  });
  if (content === undefined || Buffer.compare(content, expected) !== 0) {
    throw new KernelError('badRequest', `${asked} changed meanwhile`);
  }
  return await handle.stat();
}

/** Makes the rename last through a power cut. Windows has no such call for folders and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  await using handle = await open(folder, constants.O_RDONLY);
  await handle.sync();
}
