import assert from 'node:assert/strict';
import { Budget, exhaustionOf } from '../../../../src/kernel/scheduler/budget.js';

suite('budget', () => {
  test('without limits is never used up', () => {
    const budget = new Budget('agent scout');
    budget.charge({ tokens: 1_000_000, deviceMs: 1e9 });
    assert.equal(budget.exhaustion, undefined);
    assert.deepEqual(budget.left, { tokens: Infinity, deviceMs: Infinity });
    assert.deepEqual(budget.spent, { tokens: 1_000_000, deviceMs: 1e9 });
  });

  test('says which limit is used up', () => {
    const budget = new Budget('agent scout', { tokens: 100, deviceMs: 2_500 });
    budget.charge({ tokens: 99, deviceMs: 2_400 });
    assert.equal(budget.exhaustion, undefined);
    assert.deepEqual(budget.left, { tokens: 1, deviceMs: 100 });
    budget.charge({ deviceMs: 200 });
    assert.equal(budget.exhaustion, 'agent scout has used its 2.5 s of device time');
    budget.charge({ tokens: 1 });
    assert.equal(budget.exhaustion, 'agent scout has generated its 100 tokens');
    assert.deepEqual(budget.left, { tokens: 0, deviceMs: 0 });
  });

  test('of nothing is used up from the start', () => {
    assert.match(
      new Budget('user alice', { deviceMs: 0 }).exhaustion ?? '',
      /^user alice has used its 0\.0 s/,
    );
  });

  test('a limit that is raised gives room again, one that is lowered takes it', () => {
    const budget = new Budget('user alice', { tokens: 10 });
    budget.charge({ tokens: 10 });
    budget.setLimits({ tokens: 20 });
    assert.equal(budget.exhaustion, undefined);
    budget.setLimits({ tokens: 5 });
    assert.notEqual(budget.exhaustion, undefined);
  });

  test('an agent stops at its own budget and at its user’s', () => {
    const [agent, user] = [
      new Budget('agent scout', { tokens: 10 }),
      new Budget('user alice', { tokens: 15 }),
    ];
    for (const budget of [agent, user]) budget.charge({ tokens: 9 });
    assert.equal(exhaustionOf([agent, user]), undefined);
    user.charge({ tokens: 6 });
    assert.match(exhaustionOf([agent, user]) ?? '', /^user alice/);
    agent.charge({ tokens: 1 });
    assert.match(exhaustionOf([agent, user]) ?? '', /^agent scout/);
  });

  test('time that goes backwards is no refund, and no number is a bug', () => {
    const budget = new Budget('agent scout', { deviceMs: 10 });
    budget.charge({ deviceMs: 5 });
    budget.charge({ deviceMs: -100 });
    assert.equal(budget.spent.deviceMs, 5);
    for (const wrong of [{ deviceMs: NaN }, { tokens: -1 }, { tokens: 0.5 }, { tokens: NaN }]) {
      assert.throws(() => budget.charge(wrong), { code: 'bug' });
    }
    assert.throws(() => new Budget('agent scout', { tokens: -1 }), { code: 'bug' });
    assert.throws(() => budget.setLimits({ deviceMs: NaN }), { code: 'bug' });
  });
});
