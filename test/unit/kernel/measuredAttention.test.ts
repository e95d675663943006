// Attention for the pager: what cannot be measured is a reason and never an error, and no copy of a state stays behind.
import assert from 'node:assert/strict';
import type { Token } from '../../../src/hal/driver.js';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { BlockTable } from '../../../src/kernel/context/blockTable.js';
import {
  createAttentionMeter,
  type AttentionMeter,
  type MeasuredAttentionParts,
} from '../../../src/kernel/measuredAttention.js';
import { KernelError } from '../../../src/shared/errors.js';

const text = 'What is the tax of an order?';
const tokens = Array.from(text, (_, index) => index as Token);
const table = new BlockTable({
  messages: [{ role: 'user', content: text }],
  ...{ task: 5, blockLength: 100, countTokens: () => 1 },
});
table.extend();
const shown = { table, reentries: [] };
const subject = {
  pid: 1,
  task: '',
  messages: [],
  taskMessage: 0,
  workspaceRoot: '/',
  owner: 'a',
  canRecall: false,
};

function meterOf(own: Partial<MeasuredAttentionParts>): { meter: AttentionMeter; removed: string[] } {
  const removed: string[] = [];
  const meter = createAttentionMeter({
    probe: {
      read: () =>
        Promise.resolve({ received: new Float32Array(tokens.length).fill(0.1), probedTokens: 2, ms: 1 }),
      ...{ prepare: () => undefined, unavailable: undefined, lastFailure: 'it died' },
    },
    driver: { detokenize: (some) => some.map((token) => text[token] ?? '').join('') },
    scheduler: { snapshot: () => Promise.resolve(tokens) },
    swap: { of: () => undefined },
    files: {
      path: (name) => `/${name}`,
      link: () => Promise.resolve(),
      remove: (name) => Promise.resolve(void removed.push(name)),
    },
    ...{ clock: createManualClock(), clientOf: () => undefined as never },
    ...own,
  });
  return { meter, removed };
}

suite('measured attention', () => {
  test('a block has what its tokens received, and the copy is gone', async () => {
    const { meter, removed } = meterOf({});
    const received = await meter.measureAttention(subject, shown);
    assert.ok(typeof received !== 'string');
    assert.deepEqual([...received.keys()], [1]);
    assert.ok(Math.abs((received.get(1) ?? 0) - 1) < 1e-6);
    assert.equal(removed.length, 1);
  });

  test('without state, or a reading, or an agent there is a reason', async () => {
    const none = { snapshot: () => Promise.resolve(undefined) };
    const stateless = meterOf({ scheduler: none }).meter;
    assert.match(
      JSON.stringify(await stateless.measureAttention(subject, shown)),
      /nothing that it computed/,
    );
    const probe = { read: () => Promise.resolve(undefined), prepare: () => undefined };
    const failing = { ...probe, unavailable: undefined, lastFailure: 'it died' };
    assert.equal(await meterOf({ probe: failing }).meter.measureAttention(subject, shown), 'it died');
    const clientOf = (): never => {
      throw new KernelError('notFound', 'there is no agent 1');
    };
    assert.equal(await meterOf({ clientOf }).meter.measureAttention(subject, shown), 'there is no agent 1');
  });

  test('a device that is busy for longer than the budget is not waited for', async () => {
    const { meter, removed } = meterOf({ scheduler: { snapshot: () => new Promise(() => undefined) } });
    assert.match(JSON.stringify(await meter.measureAttention(subject, shown)), /no time to copy/);
    assert.equal(removed.length, 0);
  });
});
