// A disk in memory that loses power. It keeps apart what a program sees and what would be there after a power cut: an
// unsynchronised write may be lost, kept or kept in parts; an unsynchronised name may be lost or undone, each by
// itself. It can be stopped before any call, be full, and fail calls on demand. Deterministic for a given seed.

import { basename, dirname } from 'node:path';
import type { FileCalls, FileFacts, OpenFile, OpenMode } from '../../../src/hal/fileCalls.js';

/** Thrown by every call from the power cut on. */
class PowerCut extends Error {}

export type CallName = keyof FileCalls | keyof OpenFile;

type Change =
  { readonly at: number; readonly bytes: Uint8Array } | { readonly size: number; readonly bytes?: undefined };

interface Inode {
  content: Uint8Array;
  durable: Uint8Array;
  unsynced: Change[];
  modifiedMs: number;
}

/** One change of names; a rename is one change of two. */
interface NameChange {
  readonly removed: string | undefined;
  readonly added: readonly [path: string, inode: Inode] | undefined;
}

const sectorBytes = 64;

export class UnreliableDisk {
  readonly calls: FileCalls;
  /** Calls made so far. */
  count = 0;
  /** The power goes before the call with this number. */
  cutBefore = Infinity;
  capacityBytes = Infinity;
  readonly log: CallName[] = [];
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  readonly #unsyncedNames = new Map<string, NameChange[]>();
  readonly #failures: { readonly call: CallName; readonly code: string; times: number }[] = [];

  constructor() {
    this.calls = {
      makeFolder: () => this.#call('makeFolder', () => undefined),
      list: (folder) => this.#call('list', () => this.#list(folder)),
      open: (path, mode) => this.#call('open', () => this.#open(path, mode)),
      rename: (from, to) =>
        this.#call('rename', () => {
          this.#changeNames(dirname(to), { removed: from, added: [to, this.#inode(from)] });
        }),
      remove: (path) =>
        this.#call('remove', () => {
          this.#inode(path);
          this.#changeNames(dirname(path), { removed: path, added: undefined });
        }),
      setModified: (path, modifiedMs) =>
        this.#call('setModified', () => {
          this.#inode(path).modifiedMs = modifiedMs;
        }),
      syncFolder: (path) => this.#call('syncFolder', () => this.#syncFolder(path)),
      freeBytes: () => this.#call('freeBytes', () => this.capacityBytes - this.usedBytes),
    };
  }

  get usedBytes(): number {
    return [...this.#names.values()].reduce((sum, { content }) => sum + content.length, 0);
  }

  /** The next calls of this name fail. */
  fail(call: CallName, code: string, times = 1): void {
    this.#failures.push({ call, code, times });
  }

  read(path: string): Uint8Array {
    return this.#inode(path).content;
  }

  /** Puts a file there that survives. */
  plant(path: string, content: Uint8Array): void {
    const inode = { content, durable: content, unsynced: [], modifiedMs: 0 };
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** The disk as it may be found when the power is back; `random` gives numbers from 0 to 1. */
  restart(random: () => number): UnreliableDisk {
    const next = new UnreliableDisk();
    const names = new Map(this.#durableNames);
    for (const changes of this.#unsyncedNames.values()) {
      for (const change of changes) if (random() < 0.5) applyChange(names, change);
    }
    const copies = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      const content = contentAfterCut(inode, random);
      const copy = copies.get(inode) ?? {
        content,
        durable: content,
        unsynced: [],
        modifiedMs: inode.modifiedMs,
      };
      copies.set(inode, copy);
      next.#names.set(path, copy);
      next.#durableNames.set(path, copy);
    }
    return next;
  }

  async #call<T>(name: CallName, work: () => T): Promise<T> {
    // As on a real disk, nothing is done before the caller goes on.
    await Promise.resolve();
    if (this.count >= this.cutBefore) throw new PowerCut('the power is gone');
    this.count += 1;
    this.log.push(name);
    const failure = this.#failures.find((each) => each.call === name && each.times > 0);
    if (failure !== undefined) {
      failure.times -= 1;
      throw systemError(failure.code);
    }
    return work();
  }

  #list(folder: string): FileFacts[] {
    return [...this.#names]
      .filter(([path]) => dirname(path) === folder)
      .map(([path, { content, modifiedMs }]) => ({
        name: basename(path),
        bytes: content.length,
        modifiedMs,
      }));
  }

  #open(path: string, mode: OpenMode): OpenFile {
    if (mode === 'create') {
      if (this.#names.has(path)) throw systemError('EEXIST');
      const inode = { content: new Uint8Array(), durable: new Uint8Array(), unsynced: [], modifiedMs: 0 };
      this.#changeNames(dirname(path), { removed: undefined, added: [path, inode] });
      return this.#fileOf(inode);
    }
    return this.#fileOf(this.#inode(path));
  }

  #fileOf(inode: Inode): OpenFile {
    return {
      size: () => this.#call('size', () => inode.content.length),
      read: (into, position) =>
        this.#call('read', () => {
          const part = inode.content.subarray(position, position + into.length);
          into.set(part);
          return part.length;
        }),
      write: (bytes) => this.#call('write', () => this.#write(inode, bytes)),
      truncate: (size) =>
        this.#call('truncate', () => {
          inode.content = changed(inode.content, { size });
          inode.unsynced.push({ size });
        }),
      sync: () =>
        this.#call('sync', () => {
          inode.durable = inode.content;
          inode.unsynced = [];
        }),
      close: () => this.#call('close', () => undefined),
    };
  }

  #write(inode: Inode, bytes: Uint8Array): number {
    const room = this.capacityBytes - this.usedBytes;
    const part = Uint8Array.from(bytes.subarray(0, Math.max(0, Math.min(bytes.length, room))));
    if (part.length === 0) throw systemError('ENOSPC');
    const change = { at: inode.content.length, bytes: part };
    inode.content = changed(inode.content, change);
    inode.unsynced.push(change);
    return part.length;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return inode;
  }

  #changeNames(folder: string, change: NameChange): void {
    applyChange(this.#names, change);
    const changes = this.#unsyncedNames.get(folder) ?? [];
    this.#unsyncedNames.set(folder, [...changes, change]);
  }

  #syncFolder(folder: string): void {
    for (const change of this.#unsyncedNames.get(folder) ?? []) applyChange(this.#durableNames, change);
    this.#unsyncedNames.delete(folder);
  }
}

/** What became of each unsynchronised change; the worst cases and some between. */
export const outcomes: readonly (() => () => number)[] = [
  () => () => 0.99, // everything lost
  () => () => 0.01, // everything kept
  ...[1, 2, 3, 4, 5, 6].map((seed) => () => seededRandom(seed)),
];

export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface CutTrial {
  /** Runs on a fresh disk before anything can go wrong. */
  readonly prepare?: (disk: UnreliableDisk) => Promise<void>;
  /** What the power is cut in. */
  readonly act: (disk: UnreliableDisk) => Promise<void>;
  /** Looks at what is left. */
  readonly check: (disk: UnreliableDisk) => Promise<void>;
  /** How many of the {@link outcomes} are looked at, all unless told. */
  readonly outcomeCount?: number;
}

/** Cuts the power before every call of `act`, with every outcome. @returns how many restarts were looked at */
export async function cutEverywhere({ prepare, act, check, outcomeCount }: CutTrial): Promise<number> {
  let restarts = 0;
  for (let cut = 0; ; cut++) {
    const disk = new UnreliableDisk();
    await prepare?.(disk);
    disk.cutBefore = disk.count + cut;
    const wasCut = await isCut(() => act(disk));
    for (const outcome of outcomes.slice(0, outcomeCount)) {
      await check(disk.restart(outcome()));
      restarts += 1;
    }
    if (!wasCut) return restarts;
  }
}

/** Kills the program, not the power, before every call of `act`, and then runs a trial on what it left. */
export async function killEverywhere(
  prepare: CutTrial['act'],
  act: CutTrial['act'],
  then: CutTrial,
): Promise<number> {
  let restarts = 0;
  for (let kill = 0; ; kill++) {
    const run = { wasKilled: false };
    restarts += await cutEverywhere({
      ...then,
      outcomeCount: 4,
      prepare: async (disk) => {
        await prepare(disk);
        disk.cutBefore = disk.count + kill;
        run.wasKilled = await isCut(() => act(disk));
        disk.cutBefore = Infinity;
      },
    });
    if (!run.wasKilled) return restarts;
  }
}

/** Whether the power went before the work was done. */
async function isCut(work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (!isPowerCut(error)) throw error;
    return true;
  }
}

export function isPowerCut(error: unknown): boolean {
  return error instanceof PowerCut || (error instanceof Error && isPowerCutCause(error));
}

function isPowerCutCause(error: Error): boolean {
  return error.cause !== undefined && isPowerCut(error.cause);
}

function applyChange(names: Map<string, Inode>, { removed, added }: NameChange): void {
  if (removed !== undefined) names.delete(removed);
  if (added !== undefined) names.set(...added);
}

function contentAfterCut({ durable, unsynced }: Inode, random: () => number): Uint8Array {
  let content = durable;
  for (const change of unsynced) {
    const fate = random();
    if (fate > 0.6) continue;
    if (change.bytes === undefined || fate < 0.3) content = changed(content, change);
    else content = torn(content, change, random);
  }
  return content;
}

/** Each sector of the write arrived or not; where it did not, zeros are. */
function torn(
  content: Uint8Array,
  change: { at: number; bytes: Uint8Array },
  random: () => number,
): Uint8Array {
  const bytes = Uint8Array.from(change.bytes);
  for (let at = 0; at < bytes.length; at += sectorBytes) {
    if (random() < 0.5) bytes.fill(0, at, Math.min(at + sectorBytes, bytes.length));
  }
  const length = Math.ceil(bytes.length * random());
  return changed(content, { at: change.at, bytes: bytes.subarray(0, length) });
}

function changed(content: Uint8Array, change: Change): Uint8Array {
  if (change.bytes === undefined) {
    const cut = new Uint8Array(change.size);
    cut.set(content.subarray(0, change.size));
    return cut;
  }
  const { at, bytes } = change;
  const longer = new Uint8Array(Math.max(content.length, at + bytes.length));
  longer.set(content);
  longer.set(bytes, at);
  return longer;
}

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made up`), { code });
}
