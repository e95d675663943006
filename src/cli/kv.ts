/**
 * `amk kv`: what is kept of agents on the disk, and what becomes of it. It reads no store itself: a program beside
 * this one does, which knows the formats. Nothing is removed that a person did not say yes to.
 */

import { join, resolve } from 'node:path';
import { withStateTool, type CallState } from '../client/stateTool.js';
import { KernelError } from '../shared/errors.js';
import type { StateStore } from '../shared/stateCalls.js';
import { defaultEngineSettings } from '../shared/settings.js';
import { formatBytes } from './agentRows.js';
import type { KvCommand } from './kvCommandLine.js';
import { detailText, findingsText, listingText, totalsOf, type Page } from './kvView.js';
import { exitStatus } from './report.js';

export interface KvHost {
  /** Bundle of the state tool. */
  readonly toolPath: string;
  /** Real path of a folder; rejects with `badRequest` when it is none. */
  readonly realFolder: (path: string) => Promise<string>;
  /** Where `amk run` keeps the agents of a workspace. */
  readonly stateFolder: (workspace: string) => string;
  readonly stateKey: () => Promise<string | undefined>;
  readonly writeResult: (text: string) => Promise<void>;
  readonly writeProgress: (text: string) => void;
  readonly page: Page;
  /** Asks a person; undefined where there is none. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export async function kv(command: KvCommand, host: KvHost): Promise<number> {
  const dir =
    command.state === undefined
      ? host.stateFolder(await host.realFolder(command.workspace))
      : await storeFolder(await host.realFolder(command.state), host);
  const encryptionKey = await host.stateKey();
  const store = { dir, ...(encryptionKey !== undefined && { encryptionKey }) };
  return await withStateTool(host.toolPath, (call) => perform(command, { host, call, store }));
}

interface Parts {
  readonly host: KvHost;
  readonly call: CallState;
  readonly store: StateStore;
}

/** `--state` names a store, whatever keeps it. A folder that holds none is a mistake, not an empty store. */
async function storeFolder(dir: string, { realFolder }: KvHost): Promise<string> {
  await realFolder(join(dir, 'journal')).catch((cause: unknown) => {
    throw new KernelError('badRequest', `${dir} is no folder that a kernel keeps agents in`, { cause });
  });
  return dir;
}

async function perform(command: KvCommand, { host, call, store }: Parts): Promise<number> {
  const print = (document: unknown, text: () => string): Promise<void> =>
    host.writeResult(command.json ? `${JSON.stringify(document, null, 2)}\n` : text());
  switch (command.action) {
    case 'ls': {
      const listing = await call('list', store);
      // The quota of another store is its owner's setting, which is not known here.
      const quotaBytes = command.state === undefined ? defaultEngineSettings.snapshotMegabytes * 1e6 : null;
      const totals = totalsOf(listing, quotaBytes);
      await print({ ...listing, totals }, () =>
        listingText(listing, totals, { ...host.page, now: host.now() }),
      );
      return exitStatus.ok;
    }
    case 'show': {
      const detail = await call('show', { ...store, key: command.key });
      await print(detail, () => detailText(detail, { ...host.page, now: host.now() }));
      return exitStatus.ok;
    }
    case 'verify': {
      const findings = await call('verify', store);
      await print({ dir: store.dir, findings }, () => findingsText(findings, host.page));
      const isGood = findings.every(({ verdict }) => verdict !== 'damaged');
      return isGood ? exitStatus.ok : exitStatus.notAnswered;
    }
    case 'rm':
      return await remove(command, { host, call, store });
    case 'export': {
      const path = resolve(command.file);
      const { bytes } = await call('export', { ...store, key: command.key, path });
      await print({ path, bytes }, () => `${path}: ${formatBytes(bytes)}, not encrypted\n`);
      return exitStatus.ok;
    }
    default:
      return command satisfies never;
  }
}

async function remove(
  { keys, yes, json }: Extract<KvCommand, { action: 'rm' }>,
  { host, call, store: { dir } }: Parts,
): Promise<number> {
  if (!yes) {
    const { confirm } = host;
    if (confirm === undefined) {
      throw new KernelError('badRequest', 'nobody can be asked here; --yes removes without asking');
    }
    const what = keys === 'all' ? 'all attention state' : `the attention state ${keys.join(', ')}`;
    if (!(await confirm(`Remove ${what} in ${dir}? Agents compute it again when they go on. [y/N] `))) {
      host.writeProgress('Nothing was removed.\n');
      return exitStatus.notAnswered;
    }
  }
  const removed = await call('remove', { dir, keys: keys === 'all' ? 'all' : [...keys] });
  const { bytes, keys: gone } = removed;
  const count = gone.length === 1 ? '1 snapshot' : `${gone.length} snapshots`;
  await host.writeResult(
    json ? `${JSON.stringify(removed, null, 2)}\n` : `Removed ${count}, ${formatBytes(bytes)}.\n`,
  );
  return exitStatus.ok;
}
