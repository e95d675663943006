/**
 * Who runs next: the run queue and its policy. Deterministic; it does no I/O and reads no clock.
 *
 * The policy is EEVDF (earliest eligible virtual deadline first: Stoica and Abdel-Wahab 1995; Linux since 6.6).
 * Every agent has a virtual run time that grows by the device time it used, divided by its weight. The queue's
 * virtual time V is the weighted mean of those of the agents in it. An agent is eligible while it is not ahead of
 * V by more than its class's burst; among the eligible, the earliest virtual deadline (virtual run time + request
 * of its class / weight) goes first. Two consequences matter here:
 *
 * - agents of equal weight stay eligible together, so they decode together in one batch;
 * - an agent that is ahead of its share sits out although the batch has room: that is what makes a weight hold.
 *
 * Leaving and coming back gains nothing: debt is kept, credit is not.
 */

import type { PriorityClass } from '../../shared/agentDefinition.js';
import { invariant } from '../../shared/errors.js';
import { Heap } from './heap.js';
import { classTraits, weightOf } from './weight.js';

/** One agent as the policy sees it. Only the RunQueue writes the virtual times. */
export interface Entity {
  readonly id: number;
  class: PriorityClass;
  nice: number;
  /** Device time received, in ms, divided by the weight. */
  vruntime: number;
  /** Virtual deadline of the current request. */
  deadline: number;
}

export function createEntity(id: number, priority: PriorityClass, nice: number): Entity {
  return { id, class: priority, nice, vruntime: 0, deadline: 0 };
}

/** The virtual time from which the entity may run: its own, less its burst. */
const eligibleFrom = (entity: Entity): number =>
  entity.vruntime - classTraits[entity.class].burstMs / weightOf(entity.nice);

const deadlineOf = (entity: Entity): number =>
  entity.vruntime + classTraits[entity.class].requestMs / weightOf(entity.nice);

/** Rounding of many small charges must not make equal agents miss each other's batch. */
const epsilonMs = 1e-6;

export class RunQueue {
  readonly #eligible = new Heap<Entity>(
    (a, b) => a.deadline < b.deadline || (a.deadline === b.deadline && a.id < b.id),
  );
  readonly #ahead = new Heap<Entity>((a, b) => {
    const [first, second] = [eligibleFrom(a), eligibleFrom(b)];
    return first < second || (first === second && a.id < b.id);
  });
  #weight = 0;
  /** Sum over the queue of weight × (vruntime − base): the mean without the loss of precision of large sums. */
  #weighted = 0;
  #base = 0;
  #lastVirtualTime = 0;

  get size(): number {
    return this.#eligible.size + this.#ahead.size;
  }

  has(entity: Entity): boolean {
    return this.#eligible.has(entity) || this.#ahead.has(entity);
  }

  /** V, the weighted mean of the queued entities' virtual run times; the last one while the queue is empty. */
  get virtualTime(): number {
    return this.#weight === 0 ? this.#lastVirtualTime : this.#base + this.#weighted / this.#weight;
  }

  /** Enters the queue, at V or behind it if there is debt from before. */
  add(entity: Entity): void {
    invariant(!this.has(entity), `entity ${entity.id} is queued once`);
    const now = this.virtualTime;
    entity.vruntime = Math.max(entity.vruntime, now);
    entity.deadline = deadlineOf(entity);
    if (this.#weight === 0) this.#base = now;
    this.#account(entity, 1);
    this.#eligible.push(entity);
  }

  remove(entity: Entity): void {
    if (!this.has(entity)) return;
    this.#eligible.remove(entity);
    this.#ahead.remove(entity);
    this.#lastVirtualTime = this.virtualTime;
    this.#account(entity, -1);
    if (this.size === 0) [this.#weight, this.#weighted] = [0, 0];
  }

  /** Charges device time; the entity may be queued or not. */
  charge(entity: Entity, deviceMs: number): void {
    this.#update(entity, () => {
      entity.vruntime += deviceMs / weightOf(entity.nice);
      if (entity.vruntime >= entity.deadline) entity.deadline = deadlineOf(entity);
    });
    this.#rebase();
  }

  /** Changes share or class from now on; what was received stays received. */
  retune(entity: Entity, priority: PriorityClass, nice: number): void {
    this.#update(entity, () => {
      entity.class = priority;
      entity.nice = nice;
      entity.deadline = deadlineOf(entity);
    });
  }

  /**
   * The next entities to run, most urgent first: every eligible one, up to `count`. At least one while the queue
   * is not empty, since the least virtual run time is never above the mean. They stay in the queue.
   */
  pick(count: number): Entity[] {
    this.#promote();
    const picked: Entity[] = [];
    while (picked.length < count) {
      const entity = this.#eligible.pop();
      if (entity === undefined) break;
      if (this.#isEligible(entity)) picked.push(entity);
      else this.#ahead.push(entity);
    }
    // Only rounding can say that all are above their mean.
    const least = picked.length === 0 ? this.#ahead.pop() : undefined;
    if (least !== undefined) picked.push(least);
    for (const entity of picked) this.#eligible.push(entity);
    return picked;
  }

  #isEligible(entity: Entity): boolean {
    return eligibleFrom(entity) <= this.virtualTime + epsilonMs;
  }

  #promote(): void {
    for (
      let entity = this.#ahead.peek();
      entity !== undefined && this.#isEligible(entity);
      entity = this.#ahead.peek()
    ) {
      this.#ahead.remove(entity);
      this.#eligible.push(entity);
    }
  }

  /** Heaps order by fields of the entity: it leaves them while its fields change. */
  #update(entity: Entity, change: () => void): void {
    if (!this.has(entity)) {
      change();
      return;
    }
    this.#eligible.remove(entity);
    this.#ahead.remove(entity);
    this.#account(entity, -1);
    change();
    this.#account(entity, 1);
    (this.#isEligible(entity) ? this.#eligible : this.#ahead).push(entity);
  }

  /** Keeps the base near the mean, or the sum would grow with the time the queue is busy, and its error with it. */
  #rebase(): void {
    if (this.#weight === 0) return;
    const base = this.virtualTime;
    this.#weighted -= this.#weight * (base - this.#base);
    this.#base = base;
  }

  #account(entity: Entity, sign: 1 | -1): void {
    const weight = weightOf(entity.nice);
    this.#weight += sign * weight;
    this.#weighted += sign * weight * (entity.vruntime - this.#base);
  }
}
