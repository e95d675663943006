/**
 * A private folder for files that need not outlive the process, in memory where the system has a file system there.
 * What a killed process left behind is removed by the next one. Nothing that must survive is ever written here.
 */

import {
  access,
  constants,
  link,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processExists } from './processIdentity.js';

export interface Scratch extends AsyncDisposable {
  /** Bytes that were free when the folder was made. */
  readonly freeBytes: number;
  /** Where a file of this name lies. Names are the caller's own, never input. */
  path(name: string): string;
  bytes(name: string): Promise<number>;
  read(name: string): Promise<Uint8Array>;
  write(name: string, content: Uint8Array): Promise<void>;
  /** A second name for the file, which lives as long as one of its names does. */
  link(name: string, second: string): Promise<void>;
  /** Removes the file; one that does not exist is removed already. */
  remove(name: string): Promise<void>;
}

const prefix = 'amk-state-';

/** @param roots folders to try, the first that can be written to is used */
export async function createScratch(roots: readonly string[] = ['/dev/shm', tmpdir()]): Promise<Scratch> {
  const root = await firstWritable(roots);
  await removeLeftovers(root);
  const folder = await mkdtemp(join(root, `${prefix}${process.pid}-`));
  const { bavail, bsize } = await statfs(folder);
  const path = (name: string): string => join(folder, name);
  return {
    freeBytes: bavail * bsize,
    path,
    bytes: async (name) => (await stat(path(name))).size,
    read: (name) => readFile(path(name)),
    write: (name, content) => writeFile(path(name), content, { flag: 'wx' }),
    link: (name, second) => link(path(name), path(second)),
    remove: (name) => rm(path(name), { force: true }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

async function firstWritable(roots: readonly string[]): Promise<string> {
  for (const root of roots) {
    const isWritable = await access(root, constants.W_OK).then(
      () => true,
      () => false,
    );
    if (isWritable) return root;
  }
  return tmpdir();
}

async function removeLeftovers(root: string): Promise<void> {
  const names = await readdir(root).catch(() => []);
  for (const name of names) {
    const pid = Number(new RegExp(`^${prefix}(\\d+)-`).exec(name)?.[1]);
    if (Number.isNaN(pid) || processExists(pid)) continue;
    // Another user's leftovers are theirs to remove.
    await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined);
  }
}
