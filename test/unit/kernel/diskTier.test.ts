// The disk tier between scheduler, memory tier and store: what it keeps, when, what comes back, and what goes wrong.

import assert from 'node:assert/strict';
import type { Token } from '../../../src/hal/driver.js';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { DurableFolder } from '../../../src/hal/durableFolder.js';
import { createSimulatedDriver } from '../../../src/hal/simulated.js';
import { Agent } from '../../../src/kernel/agent/agent.js';
import { DiskTier } from '../../../src/kernel/diskTier.js';
import type { JournalRecord } from '../../../src/kernel/journal/records.js';
import { decodeSnapshot, encodeSnapshot } from '../../../src/kernel/kv/snapshot.js';
import { SnapshotStore } from '../../../src/kernel/kv/store.js';
import { SwapSpace } from '../../../src/kernel/kv/swapSpace.js';
import { parseStateFile } from '../../../src/kernel/kv/stateFile.js';
import { agentDefinitionSchema } from '../../../src/shared/agentDefinition.js';
import { minSnapshotTokens } from '../../../src/shared/limits.js';
import { UnreliableDisk } from '../hal/unreliableDisk.js';
import { buildFile, factsOf } from './kv/stateBuilder.js';

const facts = factsOf();
const clock = createManualClock(1_000);

interface Machine {
  readonly tier: DiskTier;
  readonly store: SnapshotStore;
  readonly swap: SwapSpace;
  readonly files: Map<string, Uint8Array>;
  readonly records: JournalRecord[];
  readonly log: string[];
  /** An agent with so many tokens in its slot. */
  readonly agent: (pid: number, resident: number) => Agent;
}

async function withTier(body: (machine: Machine) => Promise<void>, quotaBytes = 1e9): Promise<void> {
  const folder = await DurableFolder.open('/store', new UnreliableDisk().calls);
  const { store } = await SnapshotStore.open({ folder, clock, quotaBytes });
  const [records, log]: [JournalRecord[], string[]] = [[], []];
  const contents = new Map<string, Uint8Array>();
  const fileOf = (name: string): Uint8Array => {
    const content = contents.get(name);
    if (content === undefined) throw new Error(`there is no ${name}`);
    return content;
  };
  const files = {
    path: (name: string) => name,
    bytes: (name: string) => Promise.resolve(fileOf(name).length),
    read: (name: string) => Promise.resolve(fileOf(name)),
    write: (name: string, content: Uint8Array) => Promise.resolve(void contents.set(name, content)),
    link: (name: string, second: string) =>
      Promise.resolve().then(() => void contents.set(second, fileOf(name))),
    remove: (name: string) => Promise.resolve(void contents.delete(name)),
  };
  const driver = createSimulatedDriver({ respond: () => '', clock, costMs: () => 1 });
  const swap = new SwapSpace({ driver, files, quotaBytes: 1e9 });
  const tier = new DiskTier({
    ...{ store, files, facts, swap },
    quantisation: 'f16',
    codec: {
      encode: (file, options) => Promise.resolve(encodeSnapshot(file, options)),
      decode: (snapshot, expected) => Promise.resolve(decodeSnapshot(snapshot, expected)),
    },
    scheduler: {
      snapshot: (client, path) => {
        const cells = client.usage.residentTokens;
        if (cells === 0) return Promise.resolve(undefined);
        const file = buildFile({ cells, seed: cells });
        contents.set(path, file);
        return Promise.resolve([...parseStateFile(file).tokens] as Token[]);
      },
    },
    journal: { append: (record) => Promise.resolve(void records.push(record)) },
    log: (_, message) => log.push(message),
  });
  const agent = (pid: number, resident: number): Agent => {
    const definition = agentDefinitionSchema.parse({ name: 'coder' });
    const place = { workspaceRoot: '/', clock, kvBytesPerToken: 1, onChange: () => undefined };
    const made = new Agent({ pid, definition, task: 'x', ...place });
    made.usage.residentTokens = resident;
    return made;
  };
  await body({ tier, store, swap, files: contents, records, log, agent });
  await tier[Symbol.asyncDispose]();
}

const enough = minSnapshotTokens + 10;

suite('the disk tier', () => {
  test('keeps what is worth it at the end of a turn, and tells the journal when it is there', () =>
    withTier(async ({ tier, store, records, files, agent }) => {
      const [small, large] = [agent(1, minSnapshotTokens - 1), agent(2, enough)];
      tier.turnEnded(small);
      tier.turnEnded(large);
      await tier.keep(large);
      assert.deepEqual(
        store.list().map(({ tokens, agent: name }) => [tokens, name]),
        [[enough, 'coder']],
      );
      const [{ key } = { key: '' }] = store.list();
      assert.deepEqual(records, [{ type: 'snapshotTaken', pid: 2, key, tokens: enough }]);
      assert.deepEqual([tier.keeps(small), tier.keeps(large), files.size], [false, true, 0]);
    }));

  test('one that grew takes the place of the one before, which goes after it is there', () =>
    withTier(async ({ tier, store, records, agent }) => {
      const one = agent(1, enough);
      await tier.keep(one);
      one.usage.residentTokens = enough + 1;
      tier.turnEnded(one);
      assert.equal(store.list().length, 1, 'one token more is not worth another');
      one.usage.residentTokens = 4 * enough;
      await tier.keep(one);
      assert.deepEqual(
        store.list().map(({ tokens }) => tokens),
        [4 * enough],
      );
      assert.equal(records.length, 2);
    }));

  test('what comes back lies in the memory tier, with the tokens it is of', () =>
    withTier(async ({ tier, swap, log, agent }) => {
      const one = agent(1, enough);
      await tier.keep(one);
      await tier.restore(one);
      assert.equal(swap.of(one), undefined, 'who has a slot needs nothing');
      one.usage.residentTokens = 0;
      await tier.restore(one);
      assert.deepEqual(swap.of(one)?.tokens, [
        ...parseStateFile(buildFile({ cells: enough, seed: enough })).tokens,
      ]);
      assert.match(log.at(-1) ?? '', /goes on from a snapshot of/);
    }));

  test('a snapshot that cannot be used is told once, and its agent computes again', () =>
    withTier(async ({ tier, swap, log, agent }) => {
      const one = agent(1, 0);
      tier.adopt(one, { key: 'f'.repeat(64), tokens: 100 });
      await tier.restore(one);
      await tier.restore(one);
      assert.deepEqual([swap.of(one), tier.keeps(one), log.length], [undefined, false, 1]);
      assert.match(log[0] ?? '', /the snapshot of agent 1 cannot be used/);
    }));

  test('what the memory tier drops is kept from its file', () =>
    withTier(async ({ tier, store, files, agent }) => {
      const one = agent(1, 0);
      const file = buildFile({ cells: enough, seed: 3 });
      files.set('parked', file);
      const tokens = [...parseStateFile(file).tokens] as Token[];
      await tier.demote({ name: 'parked', owner: one, tokens, bytes: file.length });
      files.delete('parked');
      await tier.keep(one);
      assert.equal(store.list()[0]?.tokens, enough);
      await tier.demote({ name: 'gone', owner: agent(2, 0), tokens, bytes: 1 });
      assert.equal(store.list().length, 1);
    }));

  test('an agent that needs nothing any more leaves nothing, nor does one that nobody knows', () =>
    withTier(async ({ tier, store, agent }) => {
      const [one, two] = [agent(1, enough), agent(2, enough + 1)];
      await tier.keep(one);
      await tier.keep(two);
      tier.forget(one);
      const [kept] = store.list().filter(({ tokens }) => tokens === enough + 1);
      await tier.removeOthers(new Set(kept === undefined ? [] : [kept.key]));
      assert.deepEqual(store.list(), [kept]);
    }));

  test('where there is no room nothing is kept, and it is told', () =>
    withTier(async ({ tier, store, log, agent }) => {
      await tier.keep(agent(1, enough));
      assert.deepEqual(store.list(), []);
      assert.match(log[0] ?? '', /no snapshot of agent 1: .* does not fit/);
    }, 1_000));

  test('the store learns how soon an owner runs: one that is paused makes room', () =>
    withTier(async ({ tier, store, agent }) => {
      const [one, two] = [agent(1, enough), agent(2, enough + 1)];
      await tier.keep(one);
      await tier.keep(two);
      const steps = (tokens: number): number | undefined =>
        tier.stepsUntilRun(store.list().find((each) => each.tokens === tokens)?.key ?? '');
      one.pause();
      assert.deepEqual([steps(enough), steps(enough + 1)], [Infinity, 1]);
      assert.equal(tier.stepsUntilRun('nobody'), undefined);
    }));
});
