// Who leaves when room is needed: the policy alone.

import assert from 'node:assert/strict';
import {
  chooseVictims,
  compareWorth,
  priorityAt,
  usualRetention,
  type Evictable,
} from '../../../../src/kernel/kv/retention.js';
import { seededRandom } from '../../hal/unreliableDisk.js';

const one = (key: string, facts: Partial<Evictable> = {}): Evictable => ({
  key,
  bytes: 10,
  retention: usualRetention,
  lastUsed: 0,
  stepsUntilRun: Infinity,
  ...facts,
});
const keysOf = (victims: readonly Evictable[] | undefined): string[] | undefined =>
  victims?.map(({ key }) => key);

suite('retention', () => {
  test('a priority holds for its duration since the last use, then it is at most the usual one', () => {
    const high = one('high', { retention: { priority: 90, durationMs: 100 }, lastUsed: 1000 });
    assert.deepEqual(
      [1000, 1100, 1101].map((now) => priorityAt(high, now)),
      [90, 90, 35],
    );
    const low = one('low', { retention: { priority: 5, durationMs: 100 }, lastUsed: 1000 });
    assert.equal(priorityAt(low, 5000), 5);
    assert.equal(priorityAt(one('ever', { retention: { priority: 90, durationMs: null } }), 1e12), 90);
  });

  test('first goes the lowest priority, then who runs latest, then who was used longest ago', () => {
    const resident = [
      one('vip', { retention: { priority: 80, durationMs: null } }),
      one('soon', { stepsUntilRun: 1 }),
      one('later', { stepsUntilRun: 9 }),
      one('never, new', { lastUsed: 20 }),
      one('never, old', { lastUsed: 10 }),
      one('spare', { retention: { priority: 0, durationMs: null }, stepsUntilRun: 0, lastUsed: 99 }),
    ];
    const victims = chooseVictims({ resident, quotaBytes: 0, now: 100 });
    assert.deepEqual(keysOf(victims), ['spare', 'never, old', 'never, new', 'later', 'soon', 'vip']);
  });

  test('no more go than must', () => {
    const resident = [one('a', { lastUsed: 1 }), one('b', { lastUsed: 2 }), one('c', { lastUsed: 3 })];
    const newcomer = one('n', { lastUsed: 4 });
    const choose = (quotaBytes: number): string[] | undefined =>
      keysOf(chooseVictims({ resident, newcomer, quotaBytes, now: 5 }));
    assert.deepEqual(choose(40), []);
    assert.deepEqual(choose(39), ['a']);
    assert.deepEqual(choose(30), ['a']);
    assert.deepEqual(choose(10), ['a', 'b', 'c']);
    assert.equal(choose(9), undefined);
  });

  test('a newcomer drives out nothing that is worth more than itself', () => {
    const resident = [
      one('a', { stepsUntilRun: 2 }),
      one('b', { retention: { priority: 60, durationMs: null } }),
    ];
    const choose = (newcomer: Evictable): string[] | undefined =>
      keysOf(chooseVictims({ resident, newcomer, quotaBytes: 20, now: 5 }));
    assert.equal(choose(one('n', { stepsUntilRun: 3, lastUsed: 5 })), undefined);
    assert.deepEqual(choose(one('n', { stepsUntilRun: 2, lastUsed: 5 })), ['a']);
    assert.deepEqual(choose(one('n', { stepsUntilRun: 1 })), ['a']);
    assert.equal(choose(one('n', { stepsUntilRun: 1, bytes: 20 })), undefined);
  });

  test('for any residents: the quota holds, and nobody who stays is worth less than one who goes', () => {
    const random = seededRandom(1);
    const pick = (below: number): number => Math.floor(random() * below);
    for (let trial = 0; trial < 500; trial++) {
      const resident = Array.from({ length: pick(20) }, (_, index) =>
        one(String(index), {
          bytes: pick(50),
          retention: { priority: pick(3) * 30, durationMs: pick(2) === 0 ? null : pick(100) },
          lastUsed: pick(100),
          stepsUntilRun: pick(4) === 0 ? Infinity : pick(5),
        }),
      );
      const [quotaBytes, now] = [pick(400), 100];
      const victims = chooseVictims({ resident, quotaBytes, now });
      assert.ok(victims !== undefined);
      const stay = resident.filter((each) => !victims.includes(each));
      assert.ok(stay.reduce((sum, { bytes }) => sum + bytes, 0) <= quotaBytes);
      for (const gone of victims) for (const kept of stay) assert.ok(compareWorth(gone, kept, now) <= 0);
    }
  });
});
