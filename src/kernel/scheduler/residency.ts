/**
 * Which client holds which slot. A client keeps its slot between turns, so that the next turn prefills only what is
 * new; it loses it when somebody with a better claim needs one. Pure bookkeeping: what becomes of the state in a slot
 * that changes hands is the state mover's business, and what is lost there is time, never content.
 */

import type { Slot, Token } from '../../hal/driver.js';
import { deviceMsOf, type Client, type Job } from './job.js';
import type { Entity } from './runQueue.js';

/** A slot that computes is held for at least this much device time against equals. */
const minimumHoldMs = 200;

/** And for so long that moving the state of both takes a small part of the time. */
const holdOverSwitch = 20;

interface Holding {
  readonly slot: Slot;
  readonly holder: Client;
  /** Device time of the holder when it got the slot. */
  readonly startMs: number;
  lastUsed: number;
  /** The open turn of the holder; undefined while it computes nothing. */
  job: Job | undefined;
}

export interface Terms {
  /** Clients that are part of the step being planned and cannot be evicted. */
  readonly busy: ReadonlySet<Client>;
  readonly now: number;
  /** Whether the entity is owed device time. */
  readonly isEligible: (entity: Entity) => boolean;
  /** Whether the first one's virtual deadline comes before the second's. */
  readonly precedes: (a: Entity, b: Entity) => boolean;
  /** Whether it has waited for longer than the policy alone explains. */
  readonly isOverdue: (job: Job) => boolean;
  /** What it costs to give this slot to somebody else and to take it back later, in ms. */
  readonly switchMs: (slot: Slot) => number;
}

export interface Seat {
  readonly job: Job;
  readonly slot: Slot;
  /** Who held the slot until now, with its state still in it. */
  readonly evicted: Client | undefined;
}

export class Residency {
  readonly #free: Set<Slot>;
  readonly #holdings = new Map<Client, Holding>();

  constructor(slots: readonly Slot[]) {
    this.#free = new Set(slots);
  }

  /** Slots that are not lost. */
  get size(): number {
    return this.#free.size + this.#holdings.size;
  }

  slotOf(holder: Client): Slot | undefined {
    return this.#holdings.get(holder)?.slot;
  }

  /** The slots that hold anything. */
  slots(): Slot[] {
    return [...this.#free, ...[...this.#holdings.values()].map(({ slot }) => slot)];
  }

  /**
   * The slot that the job's client computes in, taken from somebody else if need be; undefined when every slot is
   * held by somebody with a better claim.
   */
  acquire(job: Job, terms: Terms): Seat | undefined {
    const held = this.#holdings.get(job.client);
    if (held !== undefined) {
      held.job = job;
      held.lastUsed = terms.now;
      return { job, slot: held.slot, evicted: undefined };
    }
    const free = this.#takeFree(job.turn.tokens);
    const victim = free === undefined ? this.#evict(job, terms) : undefined;
    const slot = free ?? victim?.slot;
    if (slot === undefined) return undefined;
    this.#free.delete(slot);
    const startMs = deviceMsOf(job.client.usage);
    this.#holdings.set(job.client, { slot, holder: job.client, startMs, lastUsed: terms.now, job });
    return { job, slot, evicted: victim?.holder };
  }

  /** The turns that have a slot and are not paused. */
  computing(): Job[] {
    return [...this.#holdings.values()].flatMap(({ job }) =>
      job === undefined || job.isPaused ? [] : [job],
    );
  }

  /** The turn is over; the slot stays with the client until somebody needs it. */
  idle(holder: Client): void {
    const holding = this.#holdings.get(holder);
    if (holding !== undefined) holding.job = undefined;
  }

  /** The client is gone for good. */
  release(holder: Client): void {
    const holding = this.#holdings.get(holder);
    if (holding === undefined) return;
    this.#holdings.delete(holder);
    this.#free.add(holding.slot);
  }

  /** What lies in the slot of one who computes nothing is another's from now on. */
  handOver(from: Client, to: Client): void {
    const holding = this.#holdings.get(from);
    if (holding === undefined) return;
    this.#holdings.delete(from);
    this.#holdings.set(to, { ...holding, holder: to, startMs: deviceMsOf(to.usage), job: undefined });
  }

  /** The slot cannot be used again. */
  lose(slot: Slot): void {
    this.#free.delete(slot);
    for (const holding of this.#holdings.values()) {
      if (holding.slot === slot) this.#holdings.delete(holding.holder);
    }
  }

  /** Among the free slots the one that already holds the longest part of this prompt. */
  #takeFree(tokens: readonly Token[]): Slot | undefined {
    let best: Slot | undefined;
    let longest = -1;
    for (const slot of this.#free) {
      const length = slot.commonPrefix(tokens);
      if (length > longest) [best, longest] = [slot, length];
    }
    return best;
  }

  #evict(job: Job, terms: Terms): Holding | undefined {
    let victim: Holding | undefined;
    for (const holding of this.#holdings.values()) {
      if (terms.busy.has(holding.holder) || !yields(holding, job, terms)) continue;
      if (victim === undefined || isBetterVictim(holding, victim, terms)) victim = holding;
    }
    if (victim === undefined) return undefined;
    this.#holdings.delete(victim.holder);
    victim.holder.usage.residentTokens = 0;
    victim.job?.leaveSlot('evicted');
    return victim;
  }
}

/**
 * Whether the holder has to give way: it computes nothing, or it is less urgent, or it had the slot for long enough
 * that the change is cheap, and is ahead of its share, has the later deadline, or kept the other waiting for too long.
 */
function yields(holding: Holding, job: Job, { isEligible, isOverdue, precedes, switchMs }: Terms): boolean {
  const { holder, slot } = holding;
  if (holding.job === undefined || holding.job.isPaused) return true;
  if (holding.job.urgency > job.urgency) return true;
  const heldMs = deviceMsOf(holder.usage) - holding.startMs;
  if (heldMs < Math.max(minimumHoldMs, holdOverSwitch * switchMs(slot))) return false;
  if (!isEligible(holder.entity) || precedes(job.client.entity, holder.entity)) return true;
  return isOverdue(job);
}

/** Idle before computing, then the one unused for longest; of those who compute the least urgent, the least owed. */
function isBetterVictim(a: Holding, b: Holding, { isEligible, precedes }: Terms): boolean {
  if (a.job === undefined || b.job === undefined) {
    return a.job === b.job ? a.lastUsed < b.lastUsed : a.job === undefined;
  }
  if (a.job.urgency !== b.job.urgency) return a.job.urgency > b.job.urgency;
  const [owedA, owedB] = [isEligible(a.holder.entity), isEligible(b.holder.entity)];
  if (owedA !== owedB) return owedB;
  return precedes(b.holder.entity, a.holder.entity);
}
