/**
 * Who runs next: a hierarchy of two levels, as cgroups have. Users (the local person, or an external client) share
 * the device by their weights, and the agents of a user share the user's part by theirs; a user with a thousand
 * agents gets no more than a user with one. Each level is a RunQueue. Deterministic; no I/O, no clock.
 *
 * A user is as urgent as its most urgent agent and has that one's burst, so interactive work of one user goes before
 * batch work of another until the user has spent its burst; in the long run nobody is ahead of its share by more.
 * Somebody can always run while anybody is queued.
 */

import type { PriorityClass } from '../../shared/agentDefinition.js';
import { invariant } from '../../shared/errors.js';
import type { DeviceLoad, Load } from './ageing.js';
import { Heap } from './heap.js';
import { RunQueue, type Entity, type Share } from './runQueue.js';
import { byUrgency, classTraits, defaultUserWeight, weightOf } from './weight.js';

interface User extends Share {
  readonly name: string;
  readonly agents: RunQueue;
  /** Queued agents by class. */
  readonly queued: Record<PriorityClass, number>;
}

/** Where a walk in order stands with one user. */
interface Cursor {
  readonly user: User;
  readonly agents: Iterator<Entity, void, void>;
  readonly next: Entity;
  /** Sum of the requests of the agents that were yielded, in ms. */
  readonly requestedMs: number;
  /** The virtual deadline of the next agent's request, were the others served before it. */
  readonly deadline: number;
}

export class FairQueue {
  readonly #users = new Map<string, User>();
  readonly #queue: RunQueue<User>;
  #size = 0;
  #lastUserId = 0;
  /** No agent of a user that was forgotten is ahead of this virtual time. */
  #forgottenUntil = 0;

  constructor() {
    this.#queue = new RunQueue<User>(0, (user) => this.#forget(user));
  }

  get size(): number {
    return this.#size;
  }

  has(entity: Entity): boolean {
    return this.#users.get(entity.user)?.agents.has(entity) === true;
  }

  /** Whether the agent and its user are both within their shares and bursts. Only queued agents are. */
  isEligible(entity: Entity): boolean {
    const user = this.#users.get(entity.user);
    return user !== undefined && this.#queue.isEligible(user) && user.agents.isEligible(entity);
  }

  add(entity: Entity): void {
    const user = this.#userOf(entity.user);
    user.agents.add(entity);
    user.queued[entity.class]++;
    this.#size++;
    this.#reclassify(user);
    if (!this.#queue.has(user)) this.#queue.add(user);
  }

  remove(entity: Entity): void {
    const user = this.#users.get(entity.user);
    if (user?.agents.has(entity) !== true) return;
    user.agents.remove(entity);
    user.queued[entity.class]--;
    this.#size--;
    if (user.agents.size === 0) this.#queue.remove(user);
    else this.#reclassify(user);
  }

  /** Charges device time to the agent and its user, whether they are queued or not. */
  charge(entity: Entity, deviceMs: number): void {
    const user = this.#userOf(entity.user);
    user.agents.charge(entity, deviceMs);
    this.#queue.charge(user, deviceMs);
  }

  /** Changes an agent's share or class from now on; what was received stays received. */
  retune(entity: Entity, priority: PriorityClass, nice: number): void {
    const weight = weightOf(nice);
    invariant(priority in classTraits, `there is a class ${priority}`);
    const user = this.#userOf(entity.user);
    const isQueued = user.agents.has(entity);
    if (isQueued) user.queued[entity.class]--;
    user.agents.retune(entity, priority, weight);
    entity.nice = nice;
    if (isQueued) user.queued[priority]++;
    this.#reclassify(user);
    this.#forget(user);
  }

  /** Changes a user's share from now on, 1 being everybody's. */
  setUserWeight(name: string, weight: number): void {
    const user = this.#userOf(name);
    this.#queue.retune(user, user.class, weight);
    this.#forget(user);
  }

  /**
   * The eligible agents, most urgent first, users taking turns in the proportion of their weights: at least one while
   * the queue is not empty. Each in O(log n); the queue stays as it is, and must not be changed meanwhile.
   */
  *inOrder(): Generator<Entity, void, void> {
    const started = new Heap<Cursor>((a, b) => isBefore(a, b));
    const users = this.#queue.inOrder();
    let user = users.next();
    for (;;) {
      const cursor = started.peek();
      // A user's own deadline is never after that of its next agent.
      if (user.done !== true && (cursor === undefined || user.value.deadline <= cursor.deadline)) {
        const first = advance(user.value, user.value.agents.inOrder(), 0);
        if (first !== undefined) started.push(first);
        user = users.next();
        continue;
      }
      if (cursor === undefined) return;
      yield cursor.next;
      started.remove(cursor);
      const requestedMs = cursor.requestedMs + classTraits[cursor.next.class].requestMs;
      const next = advance(cursor.user, cursor.agents, requestedMs);
      if (next !== undefined) started.push(next);
    }
  }

  /** The first of `inOrder`. */
  pick(count: number): Entity[] {
    const picked: Entity[] = [];
    if (count <= 0) return picked;
    for (const entity of this.inOrder()) if (picked.push(entity) >= count) break;
    return picked;
  }

  /**
   * Whether `a` has the earlier deadline: the agents' within a user, the users' between two of them. Who is not queued
   * precedes nobody.
   */
  precedes(a: Entity, b: Entity): boolean {
    const [first, second] = [this.#users.get(a.user), this.#users.get(b.user)];
    if (first?.agents.has(a) !== true) return false;
    if (second?.agents.has(b) !== true) return true;
    return first === second ? a.deadline < b.deadline : deadlineFor(first, a, 0) < deadlineFor(second, b, 0);
  }

  /** What a queued agent competes with, for `ageingBoundMs`. */
  loadOf(entity: Entity, device: DeviceLoad): Load {
    const user = this.#users.get(entity.user);
    invariant(user?.agents.has(entity) === true, `entity ${entity.id} is queued`);
    return { ...device, agents: user.agents.members, user, users: this.#queue.members };
  }

  #userOf(name: string): User {
    const known = this.#users.get(name);
    if (known !== undefined) return known;
    const user: User = {
      id: ++this.#lastUserId,
      name,
      class: 'batch',
      weight: defaultUserWeight,
      vruntime: 0,
      deadline: 0,
      creditMs: 0,
      agents: new RunQueue(this.#forgottenUntil),
      queued: { interactive: 0, normal: 0, batch: 0 },
    };
    this.#users.set(name, user);
    return user;
  }

  /** A user is as urgent as the most urgent of its queued agents. */
  #reclassify(user: User): void {
    const priority = byUrgency.find((each) => user.queued[each] > 0) ?? user.class;
    if (priority !== user.class) this.#queue.retune(user, priority, user.weight);
  }

  /** Names of external clients come and go: nothing is kept of a user that is as every newcomer is. */
  #forget(user: User): void {
    const { agents, weight, name } = user;
    if (agents.size > 0 || this.#queue.isMember(user) || weight !== defaultUserWeight) return;
    this.#forgottenUntil = Math.max(this.#forgottenUntil, agents.virtualTime);
    this.#users.delete(name);
  }
}

function isBefore(a: Cursor, b: Cursor): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.user.id < b.user.id);
}

function advance(user: User, agents: Iterator<Entity, void, void>, requestedMs: number): Cursor | undefined {
  const { done, value: next } = agents.next();
  if (done === true) return undefined;
  return { user, agents, next, requestedMs, deadline: deadlineFor(user, next, requestedMs) };
}

/** The user's deadline for a request of this agent, after others of `requestedMs` in all. */
function deadlineFor(user: User, { class: priority }: Entity, requestedMs: number): number {
  const longerMs = classTraits[priority].requestMs - classTraits[user.class].requestMs;
  return user.deadline + (requestedMs + longerMs) / user.weight;
}
