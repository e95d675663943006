// The policy: shares by weight, latency by class, and nothing gained by leaving and coming back.
import assert from 'node:assert/strict';
import { RunQueue, createEntity, type Entity } from '../../../../src/kernel/scheduler/runQueue.js';
import { weightOf } from '../../../../src/kernel/scheduler/weight.js';

/** Runs `steps` steps of `stepMs`, each shared by the first `seats` picks, and returns what everybody received. */
function simulate(
  queue: RunQueue,
  steps: number,
  options: { seats: number; stepMs: number },
): Map<Entity, number> {
  const received = new Map<Entity, number>();
  for (let step = 0; step < steps; step++) {
    const picked = queue.pick(options.seats);
    for (const entity of picked) {
      const share = options.stepMs / picked.length;
      queue.charge(entity, share);
      received.set(entity, (received.get(entity) ?? 0) + share);
    }
  }
  return received;
}

function queued(...entities: Entity[]): RunQueue {
  const queue = new RunQueue();
  for (const entity of entities) queue.add(entity);
  return queue;
}

suite('run queue', () => {
  test('equal agents all run in every step', () => {
    const entities = [1, 2, 3, 4].map((id) => createEntity(id, 'normal', 0));
    const queue = queued(...entities);
    for (let step = 0; step < 1000; step++) {
      const picked = queue.pick(8);
      assert.equal(picked.length, 4);
      for (const entity of picked) queue.charge(entity, 7 / 3);
    }
  });

  test('equal agents of little weight still run together after an hour in the queue', () => {
    const entities = [1, 2, 3, 4, 5, 6, 7].map((id) => createEntity(id, 'batch', 19));
    const queue = queued(...entities);
    for (const entity of entities) queue.charge(entity, 3_600_000 / 7);
    for (let step = 0, random = 1; step < 20_000; step++) {
      assert.equal(queue.pick(7).length, 7);
      random = (random * 48_271) % 2_147_483_647;
      for (const entity of entities) queue.charge(entity, (15 + (random % 1000) / 100) / 7);
    }
  });

  test('shares follow the weights 1:2:4 within 5 %', () => {
    for (const priority of ['interactive', 'normal', 'batch'] as const) {
      // Nice 0, -3 and -6 weigh 1, 1.94 and 3.81.
      const entities = [0, -3, -6].map((nice, index) => createEntity(index + 1, priority, nice));
      const queue = queued(...entities);
      // A burst is spent once, at the start; what follows is the steady state.
      simulate(queue, 10_000, { seats: 4, stepMs: 5 });
      const received = simulate(queue, 40_000, { seats: 4, stepMs: 5 });
      const total = [...received.values()].reduce((sum, value) => sum + value, 0);
      const weights = entities.reduce((sum, { nice }) => sum + weightOf(nice), 0);
      for (const entity of entities) {
        const share = (received.get(entity) ?? 0) / total;
        const fair = weightOf(entity.nice) / weights;
        assert.ok(
          Math.abs(share / fair - 1) < 0.05,
          `${priority} nice ${entity.nice}: ${share} instead of ${fair}`,
        );
      }
    }
  });

  test('somebody can always run', () => {
    const entities = [-20, 0, 19].map((nice, index) => createEntity(index + 1, 'batch', nice));
    const queue = queued(...entities);
    for (let step = 0; step < 10_000; step++) {
      const picked = queue.pick(1);
      assert.equal(picked.length, 1);
      queue.charge(picked[0]!, 1 + (step % 7));
    }
  });

  test('an interactive newcomer goes before agents that compute', () => {
    const queue = queued(...[1, 2, 3].map((id) => createEntity(id, 'batch', 0)));
    simulate(queue, 100, { seats: 4, stepMs: 10 });
    const newcomer = createEntity(9, 'interactive', 0);
    queue.add(newcomer);
    assert.equal(queue.pick(1)[0], newcomer);
  });

  test('an interactive agent that never stops ends at its fair share', () => {
    const greedy = createEntity(1, 'interactive', 0);
    const others = [2, 3].map((id) => createEntity(id, 'batch', 0));
    const received = simulate(queued(greedy, ...others), 30_000, { seats: 1, stepMs: 5 });
    const total = 30_000 * 5;
    assert.ok(Math.abs((received.get(greedy) ?? 0) / total - 1 / 3) < 0.02);
  });

  test('leaving and coming back does not shed debt', () => {
    const hopper = createEntity(1, 'interactive', 0);
    const steady = createEntity(2, 'interactive', 0);
    const queue = queued(hopper, steady);
    let received = 0;
    for (let step = 0; step < 20_000; step++) {
      const [picked] = queue.pick(1);
      queue.charge(picked!, 5);
      if (picked !== hopper) continue;
      received += 5;
      queue.remove(hopper);
      queue.add(hopper);
    }
    assert.ok(received / (20_000 * 5) < 0.53, `received ${received}`);
  });

  test('sleeping earns no credit', () => {
    const sleeper = createEntity(1, 'batch', 0);
    const worker = createEntity(2, 'batch', 0);
    const queue = queued(worker);
    simulate(queue, 1000, { seats: 1, stepMs: 10 });
    queue.add(sleeper);
    const received = simulate(queue, 1000, { seats: 1, stepMs: 10 });
    assert.ok(Math.abs((received.get(sleeper) ?? 0) - (received.get(worker) ?? 0)) <= 1100);
  });

  test('renice changes shares from then on', () => {
    const [a, b] = [createEntity(1, 'normal', 0), createEntity(2, 'normal', 0)];
    const queue = queued(a, b);
    simulate(queue, 1000, { seats: 1, stepMs: 5 });
    queue.retune(a, 'normal', -5);
    const received = simulate(queue, 20_000, { seats: 1, stepMs: 5 });
    const ratio = (received.get(a) ?? 0) / (received.get(b) ?? 1);
    assert.ok(Math.abs(ratio / weightOf(-5) - 1) < 0.05, `ratio ${ratio}`);
  });

  test('removing the last one and adding again keeps virtual time going forward', () => {
    const entity = createEntity(1, 'normal', 0);
    const queue = queued(entity);
    queue.charge(entity, 1000);
    queue.remove(entity);
    assert.equal(queue.size, 0);
    const newcomer = createEntity(2, 'normal', 0);
    queue.add(newcomer);
    assert.equal(newcomer.vruntime, 1000);
  });

  test('a pick leaves the queue as it was', () => {
    const queue = new RunQueue();
    for (let id = 1; id <= 100_000; id++) queue.add(createEntity(id, 'normal', (id % 40) - 20));
    const first = queue.pick(8);
    assert.deepEqual(queue.pick(8), first);
  });
});

suite('weights', () => {
  test('one nice level is a factor of about 1.25', () => {
    for (let nice = -20; nice < 19; nice++) {
      const ratio = weightOf(nice) / weightOf(nice + 1);
      assert.ok(ratio > 1.15 && ratio < 1.32, `nice ${nice}: ${ratio}`);
    }
  });

  test('a nice value out of range is a bug', () => {
    assert.throws(() => weightOf(20), { code: 'bug' });
    assert.throws(() => weightOf(-21), { code: 'bug' });
  });
});
