// How long an agent waits at most: the bound, and simulations that try to exceed it.
import assert from 'node:assert/strict';
import { ageingBoundMs, isOverdue, type Load } from '../../../../src/kernel/scheduler/ageing.js';
import { FairQueue } from '../../../../src/kernel/scheduler/fairQueue.js';
import { createEntity, type Entity } from '../../../../src/kernel/scheduler/runQueue.js';
import { classTraits, weightOf } from '../../../../src/kernel/scheduler/weight.js';
import { priorityClasses } from '../../../../src/shared/agentDefinition.js';
import { randomNumbers } from '../../../../src/kernel/scheduler/simulatedAgent.js';

const alone: Load = {
  stepMs: 10,
  seats: 1,
  agents: { count: 1, weight: 1, slackMs: 1_000 },
  user: { class: 'batch', weight: 1 },
  users: { count: 1, weight: 1, slackMs: 1_000 },
};
const batch = { class: 'batch', weight: 1 } as const;

interface Waits {
  /** The longest wait as a part of the bound. */
  readonly overBound: number;
  readonly served: number;
}

interface Crowd {
  readonly seed: number;
  readonly users: number;
  readonly agents: number;
  readonly seats: number;
  readonly stepMs: number;
  /** Whether agents leave and come back in between. */
  readonly sleeps: boolean;
}

/** Runs random agents; a wait is the device time of the steps between two of the agent's own. */
function simulate({ seed, users, agents, seats, stepMs, sleeps }: Crowd): Waits {
  const random = randomNumbers(seed);
  const queue = new FairQueue();
  const all = Array.from({ length: agents }, (_, id) =>
    createEntity(
      id + 1,
      priorityClasses[Math.floor(random() * 3)]!,
      Math.floor(random() * 20) - 10,
      `${id % users}`,
    ),
  );
  const since = new Map<Entity, number>();
  const bounds = new Map<Entity, number>();
  // With everybody queued it is the load of all who are members at any time of a wait.
  for (const entity of all) queue.add(entity);
  for (const entity of all)
    bounds.set(entity, ageingBoundMs(entity, queue.loadOf(entity, { stepMs, seats })));
  for (const entity of all) since.set(entity, 0);
  let [now, overBound] = [0, 0];
  const served = new Set<Entity>();
  for (let step = 0; step < 30_000; step++) {
    const picked = queue.pick(seats);
    for (const entity of picked) {
      overBound = Math.max(overBound, (now - since.get(entity)!) / bounds.get(entity)!);
      served.add(entity);
    }
    const ms = stepMs * (0.2 + 0.8 * random());
    now += ms;
    for (const entity of picked) {
      queue.charge(entity, ms / picked.length);
      since.set(entity, now);
    }
    if (!sleeps) continue;
    const entity = all[Math.floor(random() * all.length)]!;
    if (!queue.has(entity)) {
      queue.add(entity);
      since.set(entity, now);
    } else if (served.has(entity)) queue.remove(entity);
  }
  for (const [entity, start] of since) {
    if (queue.has(entity)) overBound = Math.max(overBound, (now - start) / bounds.get(entity)!);
  }
  return { overBound, served: served.size };
}

suite('the ageing bound', () => {
  test('of an agent alone is its own request', () => {
    assert.equal(ageingBoundMs(batch, alone), classTraits.batch.requestMs + alone.stepMs);
  });

  test('grows with the others, falls with the own weight, and is shortest for the interactive', () => {
    const crowd: Load = { ...alone, agents: { count: 11, weight: 11, slackMs: 11_000 } };
    assert.ok(ageingBoundMs(batch, crowd) > ageingBoundMs(batch, alone));
    assert.ok(ageingBoundMs({ class: 'batch', weight: weightOf(-5) }, crowd) < ageingBoundMs(batch, crowd));
    assert.ok(ageingBoundMs({ class: 'normal', weight: 1 }, crowd) < ageingBoundMs(batch, crowd));
  });

  test('is passed by a wait that is longer, and by no other', () => {
    const bound = ageingBoundMs(batch, alone);
    assert.deepEqual([isOverdue(bound, batch, alone), isOverdue(bound + 1, batch, alone)], [false, true]);
  });

  test('asks for a queued agent', () => {
    const queue = new FairQueue();
    assert.throws(() => queue.loadOf(createEntity(1, 'batch', 0), { stepMs: 1, seats: 1 }), { code: 'bug' });
  });

  const crowds: readonly Omit<Crowd, 'seed' | 'sleeps'>[] = [
    { users: 1, agents: 2, seats: 1, stepMs: 100 },
    { users: 1, agents: 12, seats: 1, stepMs: 20 },
    { users: 1, agents: 30, seats: 8, stepMs: 60 },
    { users: 3, agents: 12, seats: 1, stepMs: 20 },
    { users: 5, agents: 40, seats: 4, stepMs: 60 },
  ];
  for (const sleeps of [false, true]) {
    for (const crowd of crowds) {
      const { users, agents, seats } = crowd;
      test(`holds for ${agents} agents of ${users} on ${seats} seats${sleeps ? ', some asleep' : ''}`, function () {
        this.timeout(30_000);
        for (const seed of [1, 2]) {
          const { overBound, served } = simulate({ ...crowd, seed, sleeps });
          assert.ok(overBound <= 1, `seed ${seed}: ${overBound} of the bound`);
          assert.equal(served, agents);
        }
      });
    }
  }
});
