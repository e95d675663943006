// Rates over the last seconds, from counters that only grow.

import assert from 'node:assert/strict';
import { AgentRates } from '../../../src/shared/agentRates.js';

const at = (deviceMs: number, generatedTokens: number) => new Map([[1, { deviceMs, generatedTokens }]]);

suite('rates of an agent', () => {
  test('there are none before there is something to compare with', () => {
    const rates = new AgentRates<number>();
    assert.equal(rates.of(1), undefined);
    rates.record(at(500, 10), 0);
    assert.equal(rates.of(1), undefined);
    rates.record(at(500, 10), 0);
    assert.equal(rates.of(1), undefined, 'no time has passed');
  });

  test('are differences over the time between', () => {
    const rates = new AgentRates<number>();
    rates.record(at(500, 10), 1_000);
    rates.record(at(750, 30), 2_000);
    assert.deepEqual(rates.of(1), { deviceShare: 0.25, generatedPerSecond: 20 });
    assert.equal(rates.of(2), undefined);
  });

  test('forget what is older than two seconds, so that a change shows soon', () => {
    const rates = new AgentRates<number>();
    for (let second = 0; second <= 10; second++) rates.record(at(second * 1000, second), second * 1000);
    for (let second = 11; second <= 12; second++) rates.record(at(10_000, 10), second * 1000);
    assert.deepEqual(rates.of(1), { deviceShare: 0, generatedPerSecond: 0 });
  });

  test('span two looks even when these are further apart', () => {
    const rates = new AgentRates<number>();
    for (const second of [0, 10, 20]) rates.record(at(second * 100, second), second * 1000);
    assert.deepEqual(rates.of(1), { deviceShare: 0.1, generatedPerSecond: 1 });
  });

  test('an agent that began in between began from nothing', () => {
    const rates = new AgentRates<number>();
    rates.record(new Map(), 0);
    rates.record(at(400, 40), 1_000);
    assert.deepEqual(rates.of(1), { deviceShare: 0.4, generatedPerSecond: 40 });
  });

  test('a share is never more than the whole', () => {
    const rates = new AgentRates<number>();
    rates.record(at(0, 0), 0);
    rates.record(at(300, 1), 200);
    assert.equal(rates.of(1)?.deviceShare, 1);
  });

  test('a counter that was set back counts as one that stood still', () => {
    const rates = new AgentRates<number>();
    rates.record(at(900, 90), 0);
    rates.record(at(100, 10), 1_000);
    assert.deepEqual(rates.of(1), { deviceShare: 0, generatedPerSecond: 0 });
  });
});
