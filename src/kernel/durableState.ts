/**
 * What of this kernel outlives it: the journal of its agents and the snapshots of their attention state, in one
 * folder that one kernel at a time uses. A folder that cannot be used is no reason not to run: it is told once, and
 * the agents then end with the kernel.
 */

import type { Clock } from '../hal/clock.js';
import type { DurableFolder } from '../hal/durableFolder.js';
import { openStorage, type Storage } from '../hal/storage.js';
import { messageOf } from '../shared/errors.js';
import { AsyncDisposableStore } from '../shared/lifecycle.js';
import type { LogLevel } from '../shared/protocol.js';
import { AuditLog } from './audit/auditLog.js';
import { auditKey } from './audit/auditKey.js';
import type { Journal } from './journal/journal.js';
import { describeDamage, openJournal } from './journal/openJournal.js';
import { SnapshotStore, type SnapshotEntry } from './kv/store.js';

export interface DurableState extends AsyncDisposable {
  readonly journal: Journal;
  readonly audit: AuditLog;
  /** For what agents page out. */
  readonly blocks: { readonly folder: DurableFolder; readonly encryptionKey: Uint8Array | undefined };
  /** Without it, attention state is computed again. */
  readonly store: SnapshotStore | undefined;
}

export interface DurableStateOptions {
  /** Absolute path. */
  readonly dir: string;
  readonly snapshotBytes: number;
  /** What seals the audit log, in hex; without it a key is made that lies beside the log. */
  readonly auditKey: string | undefined;
  /** 32 bytes: what is kept is encrypted with it. */
  readonly encryptionKey?: Uint8Array | undefined;
  readonly stepsUntilRun: (entry: SnapshotEntry) => number;
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string) => void;
}

/** Undefined where the folder cannot be used: another kernel has it, the key is not its key, or the disk refuses. */
export async function openDurableState(options: DurableStateOptions): Promise<DurableState | undefined> {
  const parts = new AsyncDisposableStore();
  const { dir, clock, encryptionKey, log } = options;
  try {
    const storage = parts.use(await openStorage({ path: dir }));
    const opened = await openJournal({ folder: await storage.folder('journal'), clock, encryptionKey });
    const journal = parts.use(opened.journal);
    for (const damage of opened.recovery.damage) {
      log('warn', `${damage.file} of the journal has ${describeDamage(damage)}`);
    }
    const audit = parts.use(await openAudit(storage, options));
    const store = await openStore(storage, options);
    if (store !== undefined) parts.use(store);
    const blocks = { folder: await storage.folder('blocks'), encryptionKey };
    return { journal, audit, blocks, store, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
  } catch (error) {
    await parts[Symbol.asyncDispose]();
    log('warn', `agents end with this kernel, since nothing can be kept: ${messageOf(error)}`);
    return undefined;
  }
}

async function openAudit(
  storage: Storage,
  { clock, log, auditKey: given }: DurableStateOptions,
): Promise<AuditLog> {
  const opened = await AuditLog.open({
    ...{ folder: await storage.folder('audit'), clock, ...(await auditKey(storage, given)) },
    onTrouble: (message) => log('error', message),
  });
  const { fault } = opened;
  if (fault !== undefined) {
    log('error', `the audit log was tampered with: ${fault.file}:${fault.line}: ${fault.reason}`);
  }
  return opened.log;
}

/** Snapshots only save time: agents are kept without them as well. */
async function openStore(
  storage: Storage,
  { snapshotBytes, clock, encryptionKey, stepsUntilRun, log }: DurableStateOptions,
): Promise<SnapshotStore | undefined> {
  if (snapshotBytes === 0) return undefined;
  try {
    const folder = await storage.folder('snapshots');
    const { store, found } = await SnapshotStore.open({
      ...{ folder, clock, encryptionKey, stepsUntilRun },
      quotaBytes: snapshotBytes,
    });
    for (const { name, reason } of found.setAside) log('warn', `snapshot ${name} was set aside: ${reason}`);
    store.onDidSetAside(({ name, reason }) => log('warn', `snapshot ${name} was set aside: ${reason}`));
    return store;
  } catch (error) {
    log('warn', `no attention state is kept on disk: ${messageOf(error)}`);
    return undefined;
  }
}
