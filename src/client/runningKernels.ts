/**
 * The kernels that run for this user, as their descriptors tell. A descriptor whose kernel is dead is removed, with
 * its socket; nothing else in the folders is touched, and a file that is no descriptor is passed over.
 */

import { readFile, readdir, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { KernelError } from '../shared/errors.js';
import { kernelDescriptorSchema, type KernelDescriptor } from '../shared/protocol.js';
import { connectTo } from './attach.js';

/** In the order they were started. */
export async function runningKernels(folders: readonly string[]): Promise<KernelDescriptor[]> {
  const found = await Promise.all(folders.map((folder) => kernelsIn(folder)));
  return found.flat().sort((one, other) => one.startedAt - other.startedAt);
}

async function kernelsIn(folder: string): Promise<KernelDescriptor[]> {
  const names = await readdir(folder).catch(() => []);
  const found = await Promise.all(
    names
      .map((name) => /^([1-9]\d{0,9})\.json$/.exec(name)?.[1])
      .filter((digits) => digits !== undefined)
      .map((digits) => kernelOf(folder, Number(digits))),
  );
  return found.filter((descriptor) => descriptor !== undefined);
}

async function kernelOf(folder: string, osPid: number): Promise<KernelDescriptor | undefined> {
  const descriptor = await readDescriptor(join(folder, `${osPid}.json`));
  const isOurs = descriptor?.osPid === osPid;
  const isRunning = isAlive(osPid) && (!isOurs || (await isListening(descriptor)));
  if (!isRunning) await cleanUp(folder, osPid, isOurs ? descriptor.socket : undefined);
  return isRunning && isOurs ? descriptor : undefined;
}

async function readDescriptor(path: string): Promise<KernelDescriptor | undefined> {
  try {
    return kernelDescriptorSchema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** The kernel runs as this user, so a process that we may not signal has only got its number. */
function isAlive(osPid: number): boolean {
  try {
    return process.kill(osPid, 0);
  } catch {
    return false;
  }
}

/** A number that another program has got since is told by the socket, which nobody listens on any more. */
async function isListening(descriptor: KernelDescriptor): Promise<boolean> {
  try {
    (await connectTo(descriptor)).destroy();
    return true;
  } catch (error) {
    return !(error instanceof KernelError && error.code === 'kernelStopped');
  }
}

async function cleanUp(folder: string, osPid: number, socket: string | undefined): Promise<void> {
  const quietly = (removal: Promise<void>): Promise<void> => removal.catch(() => undefined);
  await quietly(rm(join(folder, `${osPid}.json`), { force: true }));
  await quietly(rm(join(folder, `${osPid}.sock`), { force: true }));
  if (socket === undefined || !isInTemporaryFolder(socket)) return;
  await quietly(rm(socket, { force: true }));
  await quietly(rmdir(dirname(socket)));
}

/** Where a kernel puts its socket when the folder's own path is too long for one. */
const isInTemporaryFolder = (socket: string): boolean =>
  dirname(dirname(socket)) === tmpdir() && basename(dirname(socket)).startsWith('amk-control-');
