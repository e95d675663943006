/**
 * One level of the run queue and its policy: who among those that share something runs next. Deterministic; it does
 * no I/O and reads no clock. FairQueue builds the hierarchy of users and agents from it.
 *
 * The policy is EEVDF (earliest eligible virtual deadline first: Stoica and Abdel-Wahab 1995; Linux since 6.6).
 * Every share has a virtual run time that grows by the device time it used, divided by its weight. The queue's
 * virtual time V is the weighted mean of those of its members. A share is eligible while it is not ahead of V by more
 * than its class's burst; among the eligible, the earliest virtual deadline (virtual run time + request of its class
 * / weight) goes first. Two consequences matter here:
 *
 * - agents of equal weight stay eligible together, so they decode together in one batch;
 * - an agent that is ahead of its share sits out although the batch has room: that is what makes a weight hold.
 *
 * Nothing is gained or lost by leaving and coming back. Who leaves behind V was kept waiting, and finds that much
 * credit again, up to one request; it does not grow meanwhile, so sleeping earns nothing (Linux: PLACE_LAG). Who
 * leaves ahead of V stays a member until V has caught up (Linux 6.12: delayed dequeue): were the mean taken over the
 * others at once, it would fall, and a stream of short-lived newcomers would keep everybody else waiting.
 */

import type { PriorityClass } from '../../shared/agentDefinition.js';
import { invariant } from '../../shared/errors.js';
import { Heap } from './heap.js';
import { VirtualTime } from './virtualTime.js';
import { classTraits, weightOf } from './weight.js';

/** What the policy sees of an agent or a user. Only the queue writes it. */
export interface Share {
  readonly id: number;
  class: PriorityClass;
  weight: number;
  /** Device time received, in ms, divided by the weight. */
  vruntime: number;
  /** Virtual deadline of the current request. */
  deadline: number;
  /** Device time that it was owed when it left, in ms. */
  creditMs: number;
}

export interface Entity extends Share {
  /** Who it works for: the local person, or an external client. */
  readonly user: string;
  nice: number;
}

const localUser = 'local';

export function createEntity(id: number, priority: PriorityClass, nice: number, user = localUser): Entity {
  return { id, user, class: priority, nice, weight: weightOf(nice), vruntime: 0, deadline: 0, creditMs: 0 };
}

/** How far the share may be ahead of V, in virtual time. */
const burstOf = ({ class: priority, weight }: Share): number => classTraits[priority].burstMs / weight;

const slackOf = ({ class: priority }: Share): number =>
  classTraits[priority].burstMs + classTraits[priority].requestMs;

const deadlineOf = ({ class: priority, weight, vruntime }: Share): number =>
  vruntime + classTraits[priority].requestMs / weight;

/** Rounding of many small charges must not make equal agents miss each other's batch, not after months either. */
const toleranceAt = (virtualTime: number): number => 1e-6 + Math.abs(virtualTime) * 1e-12;

/** The members of a queue in sum, as the ageing bound needs them. */
export interface Members {
  readonly count: number;
  readonly weight: number;
  /** How far each may be off its share: ahead by its burst, or behind by a request when it comes back. */
  readonly slackMs: number;
}

export class RunQueue<T extends Share = Entity> {
  readonly #eligible = new Heap<T>(
    (a, b) => a.deadline < b.deadline || (a.deadline === b.deadline && a.id < b.id),
  );
  readonly #ahead = new Heap<T>((a, b) => {
    const [first, second] = [a.vruntime - burstOf(a), b.vruntime - burstOf(b)];
    return first < second || (first === second && a.id < b.id);
  });
  /** Left while ahead of V, which has not caught up yet. */
  readonly #departed = new Heap<T>(
    (a, b) => a.vruntime < b.vruntime || (a.vruntime === b.vruntime && a.id < b.id),
  );
  readonly #time: VirtualTime;
  readonly #onForgotten: (share: T) => void;
  #slackMs = 0;

  /**
   * @param start the virtual time to begin at
   * @param onForgotten told of each share that left once nothing of it is left in the queue
   */
  constructor(start = 0, onForgotten: (share: T) => void = () => undefined) {
    this.#time = new VirtualTime(start);
    this.#onForgotten = onForgotten;
  }

  get size(): number {
    return this.#eligible.size + this.#ahead.size;
  }

  has(share: T): boolean {
    return this.#eligible.has(share) || this.#ahead.has(share);
  }

  /** V; it decreases only by credit that comes back, and stands while the queue is empty. */
  get virtualTime(): number {
    return this.#time.now;
  }

  /** Those that are queued, and those that left ahead of V. */
  get members(): Members {
    return { count: this.#time.members, weight: this.#time.weight, slackMs: this.#slackMs };
  }

  /** Whether it is queued and may run now: V has reached it since it last ran. */
  isEligible(share: T): boolean {
    return this.#eligible.has(share);
  }

  /** Whether it is queued, or left ahead of V. */
  isMember(share: T): boolean {
    return this.has(share) || this.#departed.has(share);
  }

  /** Enters the queue at V, ahead of it if there is debt from before, behind it if there is credit. */
  add(share: T): void {
    invariant(!this.has(share), `entity ${share.id} is queued once`);
    if (this.#departed.has(share)) this.#departed.remove(share);
    else this.#arrive(share);
    share.deadline = deadlineOf(share);
    this.#place(share);
    this.#settle();
  }

  remove(share: T): void {
    if (!this.has(share)) return;
    this.#eligible.remove(share);
    this.#ahead.remove(share);
    this.#departed.push(share);
    this.#settle();
  }

  /** Charges device time; whoever is not queued is charged as if it had left just now. Time that went backwards is 0. */
  charge(share: T, deviceMs: number): void {
    invariant(Number.isFinite(deviceMs), `entity ${share.id} is charged a number, not ${deviceMs}`);
    const by = Math.max(0, deviceMs) / share.weight;
    const isQueued = this.has(share);
    if (!this.isMember(share)) this.#arrive(share);
    this.#unplace(share);
    share.vruntime += by;
    this.#time.advance(share.weight, by);
    if (share.vruntime >= share.deadline) share.deadline = deadlineOf(share);
    if (isQueued) this.#place(share);
    else this.#departed.push(share);
    this.#settle();
  }

  /**
   * Changes share or class from now on. What it is ahead or behind in device time stays, so V stays too, and a debt
   * made at a great weight is not paid with a small one.
   */
  retune(share: T, priority: PriorityClass, weight: number): void {
    invariant(Number.isFinite(weight) && weight > 0, `a weight is positive, not ${weight}`);
    const [isQueued, isMember] = [this.has(share), this.isMember(share)];
    const now = this.virtualTime;
    if (isMember) {
      this.#unplace(share);
      this.#leave(share);
      share.vruntime = now + ((share.vruntime - now) * share.weight) / weight;
    }
    share.class = priority;
    share.weight = weight;
    share.deadline = deadlineOf(share);
    if (!isMember) return;
    this.#enter(share);
    if (isQueued) this.#place(share);
    else this.#departed.push(share);
    this.#settle();
  }

  /**
   * The eligible, most urgent first: at least one while the queue is not empty, since the least virtual run time is
   * never above the mean. Each in O(log n); the queue stays as it is, and must not be changed meanwhile.
   */
  inOrder(): Generator<T, void, void> {
    return this.#eligible.inOrder();
  }

  #arrive(share: T): void {
    const now = this.virtualTime;
    if (share.vruntime <= now) share.vruntime = now - share.creditMs / share.weight;
    share.creditMs = 0;
    this.#enter(share);
  }

  /** The credit is what the others are ahead of it, so that leaving and coming back changes nothing. */
  #forget(share: T): void {
    this.#leave(share);
    const behindMs = (this.virtualTime - share.vruntime) * share.weight;
    share.creditMs = Math.min(Math.max(0, behindMs), classTraits[share.class].requestMs);
    this.#onForgotten(share);
  }

  #enter(share: T): void {
    this.#time.enter(share.weight, share.vruntime);
    this.#slackMs += slackOf(share);
  }

  #leave(share: T): void {
    this.#time.leave(share.weight, share.vruntime);
    this.#slackMs -= slackOf(share);
  }

  #place(share: T): void {
    (this.#isDue(share.vruntime - burstOf(share)) ? this.#eligible : this.#ahead).push(share);
  }

  #unplace(share: T): void {
    this.#eligible.remove(share);
    this.#ahead.remove(share);
    this.#departed.remove(share);
  }

  #isDue(virtualTime: number): boolean {
    const now = this.virtualTime;
    return virtualTime <= now + toleranceAt(now);
  }

  /** V may have moved on: forgets the departed that it caught up with, and lets in whom it made eligible. */
  #settle(): void {
    for (let share = this.#departed.peek(); share !== undefined; share = this.#departed.peek()) {
      if (this.size > 0 && !this.#isDue(share.vruntime)) break;
      this.#departed.remove(share);
      this.#forget(share);
    }
    for (let share = this.#ahead.peek(); share !== undefined; share = this.#ahead.peek()) {
      // Only rounding can say that all are above their mean.
      if (this.#eligible.size > 0 && !this.#isDue(share.vruntime - burstOf(share))) break;
      this.#ahead.remove(share);
      this.#eligible.push(share);
    }
  }
}
