/**
 * Which client's attention state is in which slot. A client keeps its slot between turns, so that the next turn
 * prefills only what is new; it loses it when somebody more urgent needs one. What is lost here is time, never
 * content: the tokens of a turn are known and can be prefilled again.
 */

import type { Slot, Token } from '../../hal/driver.js';
import type { Job } from './job.js';

/** A client that computes keeps its slot at least this long against its equals, so that slots do not thrash. */
const minimumHoldMs = 2_000;

interface Holding {
  readonly slot: Slot;
  readonly holder: object;
  since: number;
  lastUsed: number;
  /** The open turn of the holder; undefined while it computes nothing. */
  job: Job | undefined;
}

export interface Terms {
  /** Clients that are part of the step being planned and cannot be evicted. */
  readonly busy: ReadonlySet<object>;
  readonly now: number;
  /** Nobody else can run: take a slot from whoever has the weakest claim. */
  readonly mustYield: boolean;
}

export class Residency {
  readonly #free: Set<Slot>;
  readonly #holdings = new Map<object, Holding>();

  constructor(slots: readonly Slot[]) {
    this.#free = new Set(slots);
  }

  slotOf(holder: object): Slot | undefined {
    return this.#holdings.get(holder)?.slot;
  }

  /**
   * The slot that the job's client computes in, taken from somebody else if need be; undefined when every slot is
   * held by somebody with a better claim.
   */
  acquire(job: Job, terms: Terms): Slot | undefined {
    const { now } = terms;
    const held = this.#holdings.get(job.client);
    if (held !== undefined) {
      held.job = job;
      held.lastUsed = now;
      return held.slot;
    }
    const slot = this.#takeFree(job.turn.tokens) ?? this.#evict(job, terms);
    if (slot === undefined) return undefined;
    this.#free.delete(slot);
    this.#holdings.set(job.client, { slot, holder: job.client, since: now, lastUsed: now, job });
    return slot;
  }

  /** The turn is over; the slot stays with the client until somebody needs it. */
  idle(holder: object): void {
    const holding = this.#holdings.get(holder);
    if (holding !== undefined) holding.job = undefined;
  }

  /** The client is gone for good. */
  release(holder: object): void {
    const holding = this.#holdings.get(holder);
    if (holding === undefined) return;
    this.#holdings.delete(holder);
    this.#free.add(holding.slot);
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

  #evict(job: Job, { busy, now, mustYield }: Terms): Slot | undefined {
    let victim: Holding | undefined;
    for (const holding of this.#holdings.values()) {
      if (busy.has(holding.holder) || !(mustYield || yields(holding, job, now))) continue;
      if (victim === undefined || isBetterVictim(holding, victim)) victim = holding;
    }
    if (victim === undefined) return undefined;
    this.#holdings.delete(victim.holder);
    if (victim.job !== undefined) victim.job.alignedTo = undefined;
    return victim.slot;
  }
}

/** Whether the holder has to give way: it computes nothing, or it is less urgent and had its time. */
function yields(holding: Holding, job: Job, now: number): boolean {
  if (holding.job === undefined || holding.job.isPaused) return true;
  if (holding.job.urgency > job.urgency) return true;
  return (
    now - holding.since >= minimumHoldMs && holding.job.client.entity.deadline > job.client.entity.deadline
  );
}

/** Idle before computing, then the one unused for longest, then the one whose turn is furthest away. */
function isBetterVictim(a: Holding, b: Holding): boolean {
  const idleness = Number(a.job === undefined) - Number(b.job === undefined);
  if (idleness !== 0) return idleness > 0;
  if (a.job === undefined || b.job === undefined) return a.lastUsed < b.lastUsed;
  return a.job.client.entity.deadline > b.job.client.entity.deadline;
}
