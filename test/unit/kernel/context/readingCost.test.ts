// What a reading will take, from what others took.
import assert from 'node:assert/strict';
import { ReadingCost } from '../../../../src/kernel/context/readingCost.js';

suite('cost of a reading', () => {
  test('nothing known admits everything', () => {
    assert.ok(new ReadingCost().admits(1_000_000, 1));
  });

  test('both parts of the cost are told apart', () => {
    const cost = new ReadingCost();
    for (const tokens of [100, 500, 1000]) cost.learn(tokens, 20 + tokens / 50);
    assert.ok(Math.abs(cost.estimateMs(5000) - 120) < 1e-6);
    assert.ok(cost.admits(5000, 121));
    assert.ok(!cost.admits(5000, 119));
  });

  test('readings that were faster for more tokens do not make it negative, nor does one size alone', () => {
    const cost = new ReadingCost();
    cost.learn(1000, 50);
    assert.equal(cost.estimateMs(100_000), 50);
    cost.learn(2000, 10);
    assert.equal(cost.estimateMs(100_000), 30);
    assert.equal(cost.estimateMs(0), 30);
  });

  test('an accident is forgotten after it was refused', () => {
    const cost = new ReadingCost();
    cost.learn(1000, 9000);
    assert.ok(!cost.admits(1000, 100));
    assert.ok(cost.admits(1000, 100));
  });

  test('old readings are forgotten for new ones', () => {
    const cost = new ReadingCost();
    cost.learn(1000, 9000);
    for (let count = 0; count < 8; count++) cost.learn(1000, 10);
    assert.equal(cost.estimateMs(1000), 10);
  });
});
