// A folder as a kernel leaves it that was killed: two agents that had not ended, one of them with a snapshot.

import { join } from 'node:path';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { openDurableState, type DurableState } from '../../../src/kernel/durableState.js';
import { kindOfState, encodeSnapshot } from '../../../src/kernel/kv/snapshot.js';
import { parseStateFile } from '../../../src/kernel/kv/stateFile.js';
import { said, spawned } from './journal/agents.js';
import { buildFile, factsOf } from './kv/stateBuilder.js';

export const encryptionKey = '5'.repeat(64);

export interface KeptState {
  readonly dir: string;
  readonly keys: readonly [string, string];
  /** As the kernel holds it. */
  readonly durable: DurableState;
}

/** Two snapshots: of agent 1, and of one that nobody knows any more. Agent 2 has none. */
export async function keepState(root: string, isEncrypted = false): Promise<KeptState> {
  const dir = join(root, 'store');
  const messages: string[] = [];
  const durable = await openDurableState({
    dir,
    snapshotBytes: 1e9,
    encryptionKey: isEncrypted ? Buffer.from(encryptionKey, 'hex') : undefined,
    auditKey: undefined,
    stepsUntilRun: () => Infinity,
    clock: createManualClock(1_000_000),
    log: (_, message) => messages.push(message),
  });
  if (durable?.store === undefined) throw new Error(messages.join('; '));
  const { journal, store } = durable;
  const keys: string[] = [];
  for (const seed of [1, 2]) {
    const file = buildFile({ seed, cells: 70 });
    const { tokens } = parseStateFile(file);
    const facts = factsOf();
    const snapshot = encodeSnapshot(file, { quantisation: 'k8v4', facts });
    const about = { model: kindOfState(facts), tokens: [...tokens], quantisation: 'k8v4' };
    keys.push((await store.put(snapshot, { ...about, agent: 'scout' })).key);
  }
  const [key = '', other = ''] = keys;
  for (const pid of [1, 2]) await journal.append(spawned(pid));
  await journal.append(said(1, 'I look.'));
  await journal.append({ type: 'snapshotTaken', pid: 1, key, tokens: 70 });
  return { dir, keys: [key, other], durable };
}
