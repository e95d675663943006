// The hierarchy: users share by weight, a user's agents share its part, and latency goes across both.
import assert from 'node:assert/strict';
import { FairQueue } from '../../../../src/kernel/scheduler/fairQueue.js';
import { RunQueue, createEntity, type Entity } from '../../../../src/kernel/scheduler/runQueue.js';
import { classTraits, weightOf } from '../../../../src/kernel/scheduler/weight.js';
import { priorityClasses, type PriorityClass } from '../../../../src/shared/agentDefinition.js';
import { randomNumbers } from '../../../../src/kernel/scheduler/simulatedAgent.js';

interface Shape {
  readonly steps: number;
  readonly seats: number;
  readonly stepMs: number;
}

let lastId = 0;
const agent = (user: string, priority: PriorityClass = 'batch', nice = 0): Entity =>
  createEntity(++lastId, priority, nice, user);
const agents = (count: number, user: string, priority: PriorityClass = 'batch'): Entity[] =>
  Array.from({ length: count }, () => agent(user, priority));

function queued(...entities: readonly Entity[]): FairQueue {
  const queue = new FairQueue();
  for (const entity of entities) queue.add(entity);
  return queue;
}

/** Device time by user, of steps that the first of the queue share. */
function receivedBy(queue: FairQueue, { steps, seats, stepMs }: Shape): Map<string, number> {
  const received = new Map<string, number>();
  for (let step = 0; step < steps; step++) {
    const picked = queue.pick(seats);
    for (const entity of picked) {
      const ms = stepMs / picked.length;
      queue.charge(entity, ms);
      received.set(entity.user, (received.get(entity.user) ?? 0) + ms);
    }
  }
  return received;
}

function toggle(queue: FairQueue | RunQueue, entity: Entity): void {
  if (queue.has(entity)) queue.remove(entity);
  else queue.add(entity);
}

const partOf = (received: ReadonlyMap<string, number>, user: string): number =>
  (received.get(user) ?? 0) / [...received.values()].reduce((sum, ms) => sum + ms, 0);

suite('fair queue', () => {
  test('with one user it is the run queue', () => {
    const random = randomNumbers(3);
    const make = (): Entity[] =>
      Array.from({ length: 20 }, (_, id) =>
        createEntity(id + 1, priorityClasses[id % 3]!, ((id * 7) % 40) - 20),
      );
    const [ours, theirs] = [make(), make()];
    const [fair, flat] = [new FairQueue(), new RunQueue()];
    for (let step = 0; step < 5_000; step++) {
      const index = Math.floor(random() * ours.length);
      const [a, b] = [ours[index]!, theirs[index]!];
      if (random() < 0.1) {
        toggle(fair, a);
        toggle(flat, b);
      } else {
        const ms = random() * 20;
        const [first] = fair.pick(1);
        if (first !== undefined) {
          fair.charge(first, ms);
          flat.charge(theirs[first.id - 1]!, ms);
        }
      }
      assert.deepEqual(
        [...fair.inOrder()].map(({ id }) => id),
        [...flat.inOrder()].map(({ id }) => id),
      );
      for (const entity of ours)
        assert.equal(fair.isEligible(entity), flat.isEligible(theirs[entity.id - 1]!));
    }
  });

  test('a user with a thousand agents gets no more than a user with one', () => {
    for (const seats of [1, 8]) {
      const queue = queued(...agents(1_000, 'crowd'), agent('single'));
      const received = receivedBy(queue, { steps: 10_000, seats, stepMs: 10 });
      assert.ok(Math.abs(partOf(received, 'crowd') - 0.5) < 0.01, `${partOf(received, 'crowd')} of ${seats}`);
    }
  });

  test('users share by their weights whatever the nice values of their agents', () => {
    const queue = queued(
      agent('small', 'batch', -20),
      agent('large', 'batch', 19),
      agent('large', 'batch', 0),
    );
    queue.setUserWeight('large', 3);
    const received = receivedBy(queue, { steps: 20_000, seats: 2, stepMs: 5 });
    assert.ok(Math.abs(partOf(received, 'large') - 0.75) < 0.02, `${partOf(received, 'large')}`);
  });

  test('a user weight that changes holds from then on', () => {
    const queue = queued(agent('a'), agent('b'));
    receivedBy(queue, { steps: 1_000, seats: 1, stepMs: 5 });
    queue.setUserWeight('b', 4);
    const received = receivedBy(queue, { steps: 20_000, seats: 1, stepMs: 5 });
    assert.ok(Math.abs(partOf(received, 'b') - 0.8) < 0.02, `${partOf(received, 'b')}`);
    assert.throws(() => queue.setUserWeight('b', 0), { code: 'bug' });
    assert.throws(() => queue.setUserWeight('b', NaN), { code: 'bug' });
  });

  test('agents of a user share its part by nice value', () => {
    const [low, high] = [agent('a'), agent('a', 'batch', -6)];
    const queue = queued(low, high, agent('b'));
    const received = new Map<Entity, number>();
    for (let step = 0; step < 40_000; step++) {
      const [first] = queue.pick(1);
      queue.charge(first!, 5);
      received.set(first!, (received.get(first!) ?? 0) + 5);
    }
    const ratio = (received.get(high) ?? 0) / (received.get(low) ?? 1);
    assert.ok(Math.abs(ratio / weightOf(-6) - 1) < 0.05, `${ratio}`);
  });

  test('interactive work of one user goes before batch work of another', () => {
    const queue = queued(...agents(5, 'a'), ...agents(5, 'b'));
    receivedBy(queue, { steps: 501, seats: 4, stepMs: 10 });
    for (const user of ['a', 'b']) {
      const newcomer = agent(user, 'interactive');
      queue.add(newcomer);
      assert.equal(queue.pick(1)[0], newcomer);
      queue.remove(newcomer);
    }
  });

  test('interactive work of every user goes before batch work of any', () => {
    const chats = ['a', 'b', 'c'].map((user) => agent(user, 'interactive'));
    const queue = queued(...agents(9, 'a'), ...chats, ...agents(9, 'c'));
    assert.deepEqual(new Set(queue.pick(3)), new Set(chats));
  });

  test('no user is ahead of its share by more than its burst and a step', () => {
    const [greedy, ...others] = [agent('greedy', 'interactive'), agent('b'), agent('c')];
    const queue = queued(greedy, ...others, ...agents(3, 'greedy', 'normal'));
    const received = new Map<string, number>();
    for (let step = 1; step <= 20_000; step++) {
      const [first] = queue.pick(1);
      queue.charge(first!, 10);
      received.set(first!.user, (received.get(first!.user) ?? 0) + 10);
      const aheadMs = (received.get('greedy') ?? 0) - (step * 10) / 3;
      assert.ok(aheadMs <= classTraits.interactive.burstMs + 10, `${aheadMs} ms ahead after ${step} steps`);
    }
    assert.ok(Math.abs(partOf(received, 'greedy') - 1 / 3) < 0.02);
  });

  test('users take turns in the order', () => {
    const queue = queued(...agents(4, 'a'), ...agents(4, 'b'), ...agents(1, 'c'));
    const users = queue.pick(9).map(({ user }) => user);
    assert.deepEqual(users, ['a', 'b', 'c', 'a', 'b', 'a', 'b', 'a', 'b']);
  });

  test('a user of twice the weight has twice the places', () => {
    const queue = queued(...agents(9, 'a'), ...agents(9, 'b'));
    queue.setUserWeight('b', 2);
    const users = queue.pick(6).map(({ user }) => user);
    assert.equal(users.filter((user) => user === 'b').length, 4);
  });

  test('the device is never idle while an agent is queued', () => {
    const queue = queued(...agents(3, 'a', 'normal'), ...agents(2, 'b'));
    for (let step = 0; step < 2_000; step++) {
      const picked = queue.pick(1);
      assert.equal(picked.length, 1);
      queue.charge(picked[0]!, 1 + (step % 13));
    }
  });

  test('who stops reading early leaves the queue as it was', () => {
    const queue = queued(...agents(50, 'a'), ...agents(50, 'b', 'normal'));
    const before = [...queue.inOrder()];
    for (const _ of queue.inOrder()) break;
    queue.pick(7);
    assert.deepEqual([...queue.inOrder()], before);
    assert.deepEqual(queue.pick(0), []);
  });

  test('what is eligible is what is read in order', () => {
    const random = randomNumbers(9);
    const all = ['a', 'b', 'c'].flatMap((user) => priorityClasses.map((priority) => agent(user, priority)));
    const queue = queued(...all);
    for (let step = 0; step < 2_000; step++) {
      queue.charge(queue.pick(1)[0]!, random() * 30);
      const inOrder = new Set(queue.inOrder());
      for (const entity of all) assert.equal(queue.isEligible(entity), inOrder.has(entity));
    }
  });

  test('precedes is the order of deadlines, across users too', () => {
    const [batch, chat, absent] = [agent('a'), agent('b', 'interactive'), agent('c', 'interactive')];
    const queue = queued(batch, chat);
    assert.deepEqual([queue.precedes(chat, batch), queue.precedes(batch, chat)], [true, false]);
    assert.deepEqual([queue.precedes(absent, batch), queue.precedes(batch, absent)], [false, true]);
  });
});

suite('a fair queue that somebody tries to cheat', () => {
  const share = (act: (queue: FairQueue, mine: Entity, step: number) => Entity): number => {
    let mine = agent('cheat', 'interactive');
    const queue = queued(mine, agent('honest', 'interactive'));
    let received = 0;
    for (let step = 0; step < 20_000; step++) {
      const [first] = queue.pick(1);
      queue.charge(first!, 5);
      if (first !== mine) continue;
      received += 5;
      mine = act(queue, mine, step);
    }
    return received / (20_000 * 5);
  };
  const cheats: readonly (readonly [string, Parameters<typeof share>[0]])[] = [
    ['leaves after every step', (queue, mine) => (queue.remove(mine), queue.add(mine), mine)],
    [
      'sends a new agent for every step',
      (queue, mine) => {
        const next = agent('cheat', 'interactive');
        queue.remove(mine);
        queue.add(next);
        return next;
      },
    ],
    [
      'turns its class with every step',
      (queue, mine, step) => (queue.retune(mine, priorityClasses[step % 3]!, 0), mine),
    ],
    [
      'turns its nice value with every step',
      (queue, mine, step) => (queue.retune(mine, 'normal', (step % 40) - 20), mine),
    ],
    ['is charged by a clock that goes backwards', (queue, mine) => (queue.charge(mine, -1_000), mine)],
  ];
  for (const [what, act] of cheats) {
    test(`a user that ${what} gets no more than its share`, () => {
      const part = share(act);
      assert.ok(part < 0.53, `${part}`);
    });
  }

  test('no number is a bug, and changes nothing', () => {
    const mine = agent('a');
    const queue = queued(mine);
    for (const ms of [NaN, Infinity]) assert.throws(() => queue.charge(mine, ms), { code: 'bug' });
    assert.throws(() => queue.retune(mine, 'batch', 20), { code: 'bug' });
    assert.throws(() => queue.retune(mine, 'urgent' as PriorityClass, 0), { code: 'bug' });
    assert.throws(() => queue.add(mine), { code: 'bug' });
    assert.deepEqual([queue.size, queue.pick(2), mine.class, mine.nice], [1, [mine], 'batch', 0]);
  });

  test('users that come and go are forgotten, their virtual time is not', () => {
    const [steady, old] = [agent('steady'), agent('visitor')];
    const queue = queued(steady, old);
    receivedBy(queue, { steps: 1_000, seats: 2, stepMs: 10 });
    queue.remove(old);
    for (let step = 0; step < 10; step++) queue.charge(steady, 10);
    const young = agent('visitor');
    queue.add(young);
    queue.add(old);
    const [first, second] = queue.pick(3).filter(({ user }) => user === 'visitor');
    assert.deepEqual(new Set([first, second]), new Set([young, old]));
  });

  for (const seed of [1, 2, 3, 4]) {
    test(`whatever happens, it counts right and somebody can run (seed ${seed})`, () => {
      const random = randomNumbers(seed);
      const choose = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
      const users = ['a', 'b', 'c', 'd'];
      const all = Array.from({ length: 16 }, () => agent(choose(users), choose(priorityClasses)));
      const queue = new FairQueue();
      for (let step = 0; step < 3_000; step++) {
        const [entity, dice] = [choose(all), random()];
        if (dice < 0.4) queue.charge(queue.pick(1)[0] ?? entity, random() * 40);
        else if (dice < 0.5) queue.charge(entity, random() * 40);
        else if (dice < 0.7) toggle(queue, entity);
        else if (dice < 0.9) queue.retune(entity, choose(priorityClasses), Math.floor(random() * 40) - 20);
        else queue.setUserWeight(choose(users), choose([0.5, 1, 2]));
        assert.equal(queue.size, all.filter((each) => queue.has(each)).length);
        assert.equal(queue.pick(1).length, Math.min(1, queue.size));
        const inOrder = [...queue.inOrder()];
        assert.equal(new Set(inOrder).size, inOrder.length);
        for (const each of inOrder) assert.ok(queue.isEligible(each));
      }
    });
  }
});
