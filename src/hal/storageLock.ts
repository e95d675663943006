/**
 * One kernel a store. The lock is a file that names the process that holds it; it is free when that process is gone,
 * however it went. A lock is taken over by renaming a new one on top of it, so that there is never a moment without
 * one, and who took it over looks again before believing it. It never breaks the lock of a process that runs.
 */

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KernelError } from '../shared/errors.js';
import type { FileCalls } from './fileCalls.js';
import { hasCode } from './fileErrors.js';
import { readWhole, writeAll } from './openFile.js';
import type { ProcessIdentity, Processes } from './processIdentity.js';

/** Of two that take over the same lock, the slower overwrites the faster within this time. */
const settleMs = 100;
/** Making the file and writing into it are two calls; whoever is between them gets this long. */
const writingMs = 200;
const maxTries = 10;

export interface LockParts {
  readonly calls: FileCalls;
  readonly processes: Processes;
}

/**
 * Takes the lock until it is disposed.
 * @param owner what is locked, for the message
 * @throws KernelError `storeLocked` that names the process that holds it
 */
export async function takeLock(path: string, owner: string, parts: LockParts): Promise<AsyncDisposable> {
  const own = JSON.stringify({ ...(await parts.processes.self()), token: randomUUID() });
  for (let tries = 0; tries < maxTries; tries++) {
    if (await create(path, own, parts.calls)) return held(path, own, parts.calls);
    const found = await read(path, parts.calls);
    if (found === undefined) continue;
    const holder = parseHolder(found);
    if (holder !== undefined && (await parts.processes.isRunning(holder))) {
      throw new KernelError('storeLocked', `${owner} is in use by process ${holder.pid}`);
    }
    // Nobody has written into it, or not all of it: it may be in the making.
    if (holder === undefined) await sleep(writingMs);
    if (await takeOver(path, { found, own }, parts.calls)) return held(path, own, parts.calls);
  }
  throw new KernelError('storeLocked', `${owner} is being opened by several processes at once`);
}

/** The process that holds the lock, if one does. */
export async function lockHolder(path: string, { calls, processes }: LockParts): Promise<number | undefined> {
  const holder = parseHolder((await read(path, calls)) ?? '');
  return holder !== undefined && (await processes.isRunning(holder)) ? holder.pid : undefined;
}

async function takeOver(
  path: string,
  { found, own }: { readonly found: string; readonly own: string },
  calls: FileCalls,
): Promise<boolean> {
  const fresh = `${path}.${randomUUID()}`;
  await create(fresh, own, calls);
  // As late as can be: judging whether a process runs took time.
  if ((await read(path, calls)) !== found) {
    await calls.remove(fresh);
    return false;
  }
  try {
    await calls.rename(fresh, path);
  } catch (error) {
    // Who got the lock meanwhile has cleared away what the others left.
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
  await sleep(settleMs);
  return (await read(path, calls)) === own;
}

function held(path: string, own: string, calls: FileCalls): AsyncDisposable {
  return {
    [Symbol.asyncDispose]: async () => {
      if ((await read(path, calls)) === own) await calls.remove(path);
    },
  };
}

/** @returns whether there was no such file */
async function create(path: string, text: string, calls: FileCalls): Promise<boolean> {
  try {
    const file = await calls.open(path, 'create');
    try {
      await writeAll(file, Buffer.from(text));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function read(path: string, calls: FileCalls): Promise<string | undefined> {
  try {
    return Buffer.from(await readWhole(path, calls)).toString();
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function parseHolder(text: string): ProcessIdentity | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('started' in value)) {
      return undefined;
    }
    const { pid, started } = value;
    return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 0 && typeof started === 'string'
      ? { pid, started }
      : undefined;
  } catch {
    return undefined;
  }
}
