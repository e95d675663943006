/**
 * Which client's attention state is in which slot. A client keeps its slot between turns, so that the next turn
 * prefills only what is new; it loses it when somebody more urgent needs one. What is lost here is time, never
 * content: the tokens of a turn are known and can be prefilled again.
 */

import type { Slot, Token } from '../../hal/driver.js';
import type { Client, Job } from './job.js';

/**
 * Steps that a client decodes before it gives way to its equals. They count from the end of its prompt: a client
 * that lost its slot earlier would compute the same prompt again and again and never say a word.
 */
const minimumHoldSteps = 128;

interface Holding {
  readonly slot: Slot;
  readonly holder: Client;
  /** Steps since its prompt became resident. */
  decoded: number;
  lastUsed: number;
  /** The open turn of the holder; undefined while it computes nothing. */
  job: Job | undefined;
}

export interface Terms {
  /** Clients that are part of the step being planned and cannot be evicted. */
  readonly busy: ReadonlySet<Client>;
  readonly now: number;
}

export class Residency {
  readonly #free: Set<Slot>;
  readonly #holdings = new Map<Client, Holding>();

  constructor(slots: readonly Slot[]) {
    this.#free = new Set(slots);
  }

  slotOf(holder: Client): Slot | undefined {
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
      held.decoded = isDecoding(job, held.slot) ? held.decoded + 1 : 0;
      return held.slot;
    }
    const slot = this.#takeFree(job.turn.tokens) ?? this.#evict(job, terms);
    if (slot === undefined) return undefined;
    this.#free.delete(slot);
    this.#holdings.set(job.client, { slot, holder: job.client, decoded: 0, lastUsed: now, job });
    return slot;
  }

  /** The turns that have a slot and are not paused, the next deadline first. */
  computing(): Job[] {
    const jobs = [...this.#holdings.values()].flatMap(({ job }) =>
      job === undefined || job.isPaused ? [] : [job],
    );
    return jobs.sort((a, b) => a.client.entity.deadline - b.client.entity.deadline);
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

  #evict(job: Job, { busy }: Terms): Slot | undefined {
    let victim: Holding | undefined;
    for (const holding of this.#holdings.values()) {
      if (busy.has(holding.holder) || !yields(holding, job)) continue;
      if (victim === undefined || isBetterVictim(holding, victim)) victim = holding;
    }
    if (victim === undefined) return undefined;
    this.#holdings.delete(victim.holder);
    victim.holder.usage.residentTokens = 0;
    if (victim.job !== undefined) victim.job.alignedTo = undefined;
    return victim.slot;
  }
}

/** Whether the holder has to give way: it computes nothing, or it is less urgent and had its time. */
function yields(holding: Holding, job: Job): boolean {
  if (holding.job === undefined || holding.job.isPaused) return true;
  if (holding.job.urgency > job.urgency) return true;
  return (
    holding.decoded >= minimumHoldSteps && holding.job.client.entity.deadline > job.client.entity.deadline
  );
}

/** Whether all of the turn is resident but the token that is evaluated next. */
const isDecoding = (job: Job, slot: Slot): boolean =>
  job.alignedTo === slot && job.turn.tokens.length - slot.length === 1;

/** Idle before computing, then the one unused for longest, then the one whose turn is furthest away. */
function isBetterVictim(a: Holding, b: Holding): boolean {
  const idleness = Number(a.job === undefined) - Number(b.job === undefined);
  if (idleness !== 0) return idleness > 0;
  if (a.job === undefined || b.job === undefined) return a.lastUsed < b.lastUsed;
  return a.job.client.entity.deadline > b.job.client.entity.deadline;
}
