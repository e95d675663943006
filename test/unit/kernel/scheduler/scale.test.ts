// The scheduler under more agents than any person will start, on a measured device in virtual time.
import assert from 'node:assert/strict';
import { deviceProfiles } from '../../../../src/hal/deviceProfiles.js';
import {
  simulate,
  type SimulationFigures,
  type SimulationOptions,
} from '../../../../src/kernel/scheduler/simulation.js';

const base: SimulationOptions = {
  agents: 20_000,
  users: 10,
  slots: 8,
  steps: 2_000,
  seed: 1,
  device: deviceProfiles.embedded,
  swapBytes: 64 * 1024 * 1024,
  realTime: () => 0,
};

const median = (samples: readonly number[]): number =>
  [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0;

/** Jain's index: 1 when all are equal. */
function jainIndex(shares: readonly number[]): number {
  const sum = shares.reduce((total, share) => total + share, 0);
  return sum ** 2 / (shares.length * shares.reduce((total, share) => total + share ** 2, 0));
}

function checkOrderAndSwaps({ steps, inversions, swaps, waits }: SimulationFigures): void {
  assert.ok(waits.overBound <= 1, `somebody waited ${waits.overBound} of its ageing bound`);
  assert.equal(inversions, 0);
  assert.ok(
    (swaps.saves + swaps.loads) / steps < 0.5,
    `${swaps.saves + swaps.loads} moves in ${steps} steps`,
  );
  assert.ok(swaps.timeShare < 0.05, `${swaps.timeShare} of the time went into moving state`);
}

suite('20,000 agents', () => {
  let figures: SimulationFigures;

  suiteSetup(async function () {
    this.timeout(60_000);
    figures = await simulate({ ...base, realTime: () => performance.now() });
  });

  test('share by user, whose numbers of agents differ', () => {
    assert.ok(jainIndex(figures.shares.users) > 0.99, `${jainIndex(figures.shares.users)}`);
  });

  test('wait no longer than their bounds, in the right order, without thrashing', () => {
    checkOrderAndSwaps(figures);
  });

  test('who are interactive have the device at the next step', () => {
    const longest = Math.max(...figures.waits.interactiveMs);
    assert.ok(figures.waits.interactiveMs.length > 20, `${figures.waits.interactiveMs.length} waits`);
    assert.ok(longest <= 200, `${longest} ms`);
  });

  test('cost little to choose from', () => {
    // A pick takes about 6 µs; the limit allows for a machine that is busy.
    const us = median(figures.cost.pickUs);
    assert.ok(us <= 100, `${us} µs`);
  });
});

suite('agents in a long simulation', () => {
  test('give the same trace for the same seed, and another for another', async () => {
    const options = { ...base, agents: 500, steps: 1_000 };
    const [first, again, other] = [
      await simulate(options),
      await simulate(options),
      await simulate({ ...options, seed: 2 }),
    ];
    assert.equal(again.trace, first.trace);
    assert.notEqual(other.trace, first.trace);
    assert.match(first.trace, /^[0-9a-f]{64}$/);
  });

  for (const slots of [1, 8]) {
    test(`all get their shares of ${slots} slots`, async function () {
      this.timeout(30_000);
      const figures = await simulate({ ...base, agents: 16, users: 2, slots, steps: 30_000 });
      checkOrderAndSwaps(figures);
      assert.ok(jainIndex(figures.shares.users) > 0.99, `users ${jainIndex(figures.shares.users)}`);
      assert.ok(jainIndex(figures.shares.agents) > 0.95, `agents ${jainIndex(figures.shares.agents)}`);
    });
  }
});
