/**
 * What of this kernel outlives it: the journal of its agents and the snapshots of their attention state, in one
 * folder that one kernel at a time uses. A folder that cannot be used is no reason not to run: it is told once, and
 * the agents then end with the kernel.
 */

import type { Clock } from '../hal/clock.js';
import { openStorage, type Storage } from '../hal/storage.js';
import { messageOf } from '../shared/errors.js';
import { AsyncDisposableStore } from '../shared/lifecycle.js';
import type { LogLevel } from '../shared/protocol.js';
import type { Journal } from './journal/journal.js';
import { openJournal, type JournalDamage } from './journal/openJournal.js';
import { SnapshotStore } from './kv/store.js';

export interface DurableState extends AsyncDisposable {
  readonly journal: Journal;
  /** Without it, attention state is computed again. */
  readonly store: SnapshotStore | undefined;
}

export interface DurableStateOptions {
  /** Absolute path. */
  readonly dir: string;
  readonly snapshotBytes: number;
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string) => void;
}

/** Undefined where the folder cannot be used: another kernel has it, or the disk refuses. */
export async function openDurableState(options: DurableStateOptions): Promise<DurableState | undefined> {
  const parts = new AsyncDisposableStore();
  const { dir, clock, log } = options;
  try {
    const storage = parts.use(await openStorage({ path: dir }));
    const opened = await openJournal({ folder: await storage.folder('journal'), clock });
    const journal = parts.use(opened.journal);
    for (const damage of opened.recovery.damage) log('warn', describeDamage(damage));
    const store = await openStore(storage, options);
    if (store !== undefined) parts.use(store);
    return { journal, store, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
  } catch (error) {
    await parts[Symbol.asyncDispose]();
    log('warn', `agents end with this kernel, since nothing can be kept: ${messageOf(error)}`);
    return undefined;
  }
}

/** Snapshots only save time: agents are kept without them as well. */
async function openStore(
  storage: Storage,
  { snapshotBytes, clock, log }: DurableStateOptions,
): Promise<SnapshotStore | undefined> {
  if (snapshotBytes === 0) return undefined;
  try {
    const folder = await storage.folder('snapshots');
    const { store, found } = await SnapshotStore.open({ folder, clock, quotaBytes: snapshotBytes });
    for (const { name, reason } of found.setAside) log('warn', `snapshot ${name} was set aside: ${reason}`);
    store.onDidSetAside(({ name, reason }) => log('warn', `snapshot ${name} was set aside: ${reason}`));
    return store;
  } catch (error) {
    log('warn', `no attention state is kept on disk: ${messageOf(error)}`);
    return undefined;
  }
}

function describeDamage({ kind, file, lostBytes, lostPids }: JournalDamage): string {
  const behind = lostPids.length === 0 ? '' : `; agents ${lostPids.join(', ')} are older than they were`;
  return `${file} of the journal has a ${kind} part of ${lostBytes} bytes${behind}`;
}
