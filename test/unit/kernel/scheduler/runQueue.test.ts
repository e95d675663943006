// The policy: shares by weight, latency by class, and nothing gained by leaving and coming back.
import assert from 'node:assert/strict';
import { RunQueue, createEntity, type Entity } from '../../../../src/kernel/scheduler/runQueue.js';
import { classTraits, weightOf } from '../../../../src/kernel/scheduler/weight.js';
import { priorityClasses } from '../../../../src/shared/agentDefinition.js';
import { randomNumbers } from '../../../../src/kernel/scheduler/simulatedAgent.js';

/** Runs `steps` steps of `stepMs`, each shared by the first `seats` picks, and returns what everybody received. */
function simulate(
  queue: RunQueue,
  steps: number,
  options: { seats: number; stepMs: number },
): Map<Entity, number> {
  const received = new Map<Entity, number>();
  for (let step = 0; step < steps; step++) {
    const picked = pick(queue, options.seats);
    for (const entity of picked) {
      const share = options.stepMs / picked.length;
      queue.charge(entity, share);
      received.set(entity, (received.get(entity) ?? 0) + share);
    }
  }
  return received;
}

function pick(queue: RunQueue, count: number): Entity[] {
  return [...queue.inOrder()].slice(0, count);
}

function toggle(queue: RunQueue, entity: Entity): void {
  if (queue.has(entity)) queue.remove(entity);
  else queue.add(entity);
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
      const picked = pick(queue, 8);
      assert.equal(picked.length, 4);
      for (const entity of picked) queue.charge(entity, 7 / 3);
    }
  });

  test('equal agents of little weight still run together after an hour in the queue', () => {
    const entities = [1, 2, 3, 4, 5, 6, 7].map((id) => createEntity(id, 'batch', 19));
    const queue = queued(...entities);
    for (const entity of entities) queue.charge(entity, 3_600_000 / 7);
    for (let step = 0, random = 1; step < 20_000; step++) {
      assert.equal(pick(queue, 7).length, 7);
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
      const picked = pick(queue, 1);
      assert.equal(picked.length, 1);
      queue.charge(picked[0]!, 1 + (step % 7));
    }
  });

  test('an interactive newcomer goes before agents that compute', () => {
    const queue = queued(...[1, 2, 3].map((id) => createEntity(id, 'batch', 0)));
    simulate(queue, 100, { seats: 4, stepMs: 10 });
    const newcomer = createEntity(9, 'interactive', 0);
    queue.add(newcomer);
    assert.equal(pick(queue, 1)[0], newcomer);
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
      const [picked] = pick(queue, 1);
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
    queue.retune(a, 'normal', weightOf(-5));
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
    for (let id = 1; id <= 10_000; id++) queue.add(createEntity(id, 'normal', (id % 40) - 20));
    const first = pick(queue, 8);
    assert.deepEqual(pick(queue, 8), first);
  });

  test('who leaves ahead of its share keeps counting until the others caught up', () => {
    const [leaver, other] = [createEntity(1, 'interactive', 0), createEntity(2, 'batch', 0)];
    const queue = queued(leaver, other);
    queue.charge(leaver, 100);
    queue.remove(leaver);
    assert.deepEqual([queue.size, queue.virtualTime, queue.members.count], [1, 50, 2]);
    queue.charge(other, 100);
    assert.deepEqual([queue.virtualTime, queue.members.count], [100, 1]);
  });

  test('short-lived newcomers cannot keep an agent waiting', () => {
    const patient = createEntity(1, 'batch', 0);
    const queue = queued(patient);
    let waited = 0;
    for (let id = 2; pick(queue, 1)[0] !== patient || id === 2; id++) {
      const newcomer = createEntity(id, 'interactive', 0);
      queue.add(newcomer);
      if (pick(queue, 1)[0] === patient) break;
      queue.charge(newcomer, 10);
      queue.remove(newcomer);
      waited += 10;
      assert.ok(waited < 5_000, 'still waiting');
    }
    assert.ok(waited > 0);
  });

  test('an empty queue keeps nobody, however far ahead it left', () => {
    const forgotten: Entity[] = [];
    const queue = new RunQueue(0, (entity: Entity) => forgotten.push(entity));
    const [a, b] = [createEntity(1, 'interactive', 0), createEntity(2, 'batch', 0)];
    queue.add(a);
    queue.add(b);
    queue.charge(a, 300);
    queue.remove(a);
    assert.deepEqual(forgotten, []);
    queue.remove(b);
    assert.deepEqual(forgotten, [b, a]);
    assert.deepEqual([queue.members.count, queue.virtualTime], [0, 300]);
  });

  test('who was kept waiting finds its credit again, up to a request, however long it slept', () => {
    const run = (owedMs: number): number => {
      const [patient, other] = [createEntity(1, 'normal', 0), createEntity(2, 'interactive', 0)];
      const queue = queued(patient, other);
      queue.charge(other, owedMs);
      queue.remove(patient);
      for (let step = 0; step < 1_000; step++) queue.charge(other, 10);
      const now = queue.virtualTime;
      queue.add(patient);
      return now - patient.vruntime;
    };
    assert.deepEqual([run(0), run(40), run(99), run(500)], [0, 40, 99, 100]);
  });

  test('an agent of many short turns gets what one of a long turn gets', () => {
    const [short, long] = [createEntity(1, 'batch', 0), createEntity(2, 'batch', 0)];
    const queue = queued(short, long);
    const received = new Map([short, long].map((entity) => [entity, 0]));
    for (let step = 0; step < 20_000; step++) {
      const [first] = pick(queue, 1);
      queue.charge(first!, 5 + (step % 7));
      received.set(first!, received.get(first!)! + 5 + (step % 7));
      queue.remove(short);
      queue.add(short);
    }
    assert.ok(Math.abs(received.get(short)! / received.get(long)! - 1) < 0.03);
  });

  test('device time that comes after the leave is debt too', () => {
    const [cancelled, other] = [createEntity(1, 'batch', 0), createEntity(2, 'batch', 0)];
    const queue = queued(cancelled, other);
    queue.remove(cancelled);
    const usedMs = 2 * classTraits.batch.burstMs + 80;
    queue.charge(cancelled, usedMs);
    queue.add(cancelled);
    assert.deepEqual(pick(queue, 2), [other]);
    assert.equal(queue.virtualTime, usedMs / 2);
  });
});

suite('a run queue that somebody tries to cheat', () => {
  test('a clock that goes backwards charges nothing, and no number is a bug', () => {
    const entity = createEntity(1, 'normal', 0);
    const queue = queued(entity);
    queue.charge(entity, -50);
    assert.equal(entity.vruntime, 0);
    assert.throws(() => queue.charge(entity, NaN), { code: 'bug' });
    assert.throws(() => queue.charge(entity, Infinity), { code: 'bug' });
    assert.throws(() => queue.retune(entity, 'normal', 0), { code: 'bug' });
    assert.throws(() => queue.retune(entity, 'normal', NaN), { code: 'bug' });
    assert.deepEqual(pick(queue, 1), [entity]);
  });

  test('a debt made at a great weight is not paid with a small one', () => {
    const [cheat, honest] = [createEntity(1, 'interactive', -20), createEntity(2, 'interactive', 0)];
    const queue = queued(cheat, honest);
    queue.charge(cheat, 1_000);
    const aheadMs = (): number => (cheat.vruntime - queue.virtualTime) * cheat.weight;
    const before = aheadMs();
    for (const nice of [19, 0, -20, 5]) {
      queue.retune(cheat, 'interactive', weightOf(nice));
      assert.ok(Math.abs(aheadMs() - before) < 1e-6, `nice ${nice}: ${aheadMs()} instead of ${before}`);
    }
  });

  test('turning between classes and weights gains no device time', () => {
    const run = (isCheating: boolean): number => {
      const [cheat, ...others] = [1, 2, 3].map((id) => createEntity(id, 'normal', 0));
      const queue = queued(cheat!, ...others);
      const random = randomNumbers(5);
      let received = 0;
      for (let step = 0; step < 30_000; step++) {
        const [picked] = pick(queue, 1);
        queue.charge(picked!, 5);
        if (picked !== cheat) continue;
        received += 5;
        if (isCheating) queue.retune(cheat!, random() < 0.5 ? 'batch' : 'interactive', 1);
      }
      return received / (30_000 * 5);
    };
    assert.ok(Math.abs(run(true) - run(false)) < 0.02, `${run(true)} instead of ${run(false)}`);
  });

  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    test(`whatever happens, virtual time goes back by credit alone and somebody can run (seed ${seed})`, () => {
      const random = randomNumbers(seed);
      const choose = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
      const queue = new RunQueue();
      const entities = Array.from({ length: 12 }, (_, index) =>
        createEntity(index + 1, choose(priorityClasses), Math.floor(random() * 40) - 20),
      );
      for (let step = 0; step < 4_000; step++) {
        const [before, entity, dice] = [queue.virtualTime, choose(entities), random()];
        if (dice < 0.5) queue.charge(pick(queue, 1)[0] ?? entity, random() * 40);
        else if (dice < 0.6) queue.charge(entity, random() * 40);
        else if (dice < 0.8) toggle(queue, entity);
        else queue.retune(entity, choose(priorityClasses), weightOf(Math.floor(random() * 40) - 20));
        const credit = (before - entity.vruntime) * entity.weight;
        const back = queue.members.count === 0 ? 0 : Math.max(0, credit) / queue.members.weight;
        assert.ok(credit <= 1_000 + 1e-6 || dice < 0.6 || dice > 0.8 || !queue.has(entity));
        assert.ok(
          queue.virtualTime >= before - (dice < 0.5 ? 0 : back) - 1e-9 * Math.max(1, before),
          `${before} → ${queue.virtualTime}`,
        );
        assert.equal(queue.size, entities.filter((each) => queue.has(each)).length);
        assert.equal(pick(queue, 1).length, Math.min(1, queue.size));
        checkOrder(queue, entities);
      }
    });
  }
});

/** What is read in order are the eligible, sorted, and whoever is not ahead by more than its burst is eligible. */
function checkOrder(queue: RunQueue, entities: readonly Entity[]): void {
  const inOrder = [...queue.inOrder()];
  const sorted = [...inOrder].sort((a, b) => a.deadline - b.deadline || a.id - b.id);
  assert.deepEqual(inOrder, sorted);
  const { virtualTime } = queue;
  for (const entity of entities) {
    assert.equal(queue.isEligible(entity), inOrder.includes(entity));
    if (!queue.has(entity)) continue;
    const aheadMs = (entity.vruntime - virtualTime) * entity.weight - classTraits[entity.class].burstMs;
    assert.ok(entity.deadline > entity.vruntime);
    if (aheadMs < -1e-3) assert.ok(inOrder.includes(entity));
  }
}

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
    assert.throws(() => weightOf(0.5), { code: 'bug' });
    assert.throws(() => weightOf(NaN), { code: 'bug' });
  });
});
