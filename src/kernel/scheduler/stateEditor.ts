/**
 * Makes the edits of a turn in the attention state instead of computing everything after the first of them again. What
 * left the conversation is taken out of the slot and the gap closed; a line that stands for it is computed at the end of
 * the slot, in a step that the scheduler plans as any other, and then moved to its place. No state leaves the slot for it.
 *
 * Exact: the tokens, their order and their positions, and the state of everything before the first edit. Approximate,
 * where computing again would give other values: what stays behind an edit was computed with the old text in sight, so
 * that its conclusions stay; and a line was computed with all of the conversation in sight, as if it had been said last.
 * Keys that move twice or more are rounded each time.
 *
 * Between any two steps the slot holds what its tokens say. Whatever fails costs a prefill and a line in the log.
 */

import type { InferenceDriver, Slot, Token, TokenRange } from '../../hal/driver.js';
import { messageOf } from '../../shared/errors.js';
import { closedUp, insertionOf, keptOf, planEdits, type EditPlan } from './editPlan.js';
import type { Job } from './job.js';
import type { StepCost } from './stepCost.js';

/**
 * Moving has the engine turn the keys of its whole cache once, in its next batch: for each cell this part of what a
 * token costs to compute. Measured with small models on a CPU; elsewhere it is less.
 */
const turnOverPrefill = 0.02;

/** A gain below this is not worth looking at. */
const minimumGainMs = 0.5;

export interface StateEditorParts {
  readonly driver: InferenceDriver;
  readonly stepCost: StepCost;
  readonly onTrouble: (message: string) => void;
}

/** State that edits could start from, and what it takes to have it in the slot. */
interface Start {
  readonly tokens: readonly Token[];
  readonly ms: number;
  /** Returns whether it is there. */
  readonly load: (slot: Slot) => Promise<boolean>;
}

/** What else there is for the turn than what its slot holds. */
export interface Elsewhere {
  /** Tokens at the beginning of the turn that could be had without its edits. */
  readonly prefix: number;
  /** State of the client itself that has no slot. */
  readonly own: Start | undefined;
}

interface Way {
  readonly plan: EditPlan;
  readonly resident: readonly Token[];
  readonly load: Start['load'];
  readonly gainMs: number;
}

export class StateEditor {
  readonly #parts: StateEditorParts;

  constructor(parts: StateEditorParts) {
    this.#parts = parts;
  }

  /**
   * Makes the turn's edits as far as that is possible now. Returns whether tokens have to be computed in the slot first,
   * which the job then asks for; else it is done, or not worth it, and the slot holds whatever it holds.
   */
  async edit(job: Job, slot: Slot, elsewhere: () => Elsewhere): Promise<boolean> {
    if (!job.hasEdits) return false;
    if (job.insertion === undefined) await this.#begin(job, slot, elsewhere());
    const { insertion } = job;
    if (insertion !== undefined && slot.length < insertion.tokens.length) return true;
    job.insertion = undefined;
    job.hasEdits = false;
    if (insertion !== undefined) await this.#rearrange(slot, insertion.ranges);
    return false;
  }

  async #begin(job: Job, slot: Slot, elsewhere: Elsewhere): Promise<void> {
    const way = this.#bestWay(job, slot, elsewhere);
    if (way === undefined || !(await way.load(slot))) return;
    if (this.#hasRoom(way.plan, way.resident)) {
      job.insertion = insertionOf(way.plan, way.resident);
    } else if (await this.#rearrange(slot, keptOf(way.plan))) {
      job.insertion = insertionOf(closedUp(way.plan), slot.tokens);
    }
  }

  /** Undefined where nothing is gained. */
  #bestWay(job: Job, slot: Slot, { prefix, own }: Elsewhere): Way | undefined {
    if (!this.#parts.driver.info.canRearrange) return undefined;
    const plain = Math.max(prefix, slot.commonPrefix(job.turn.tokens));
    const here = { tokens: slot.tokens, ms: 0, load: () => Promise.resolve(true) };
    const ways = [here, own].flatMap((start) => {
      const way = start === undefined ? undefined : this.#way(job, start, plain);
      return way !== undefined && way.gainMs >= minimumGainMs ? [way] : [];
    });
    return ways.sort((a, b) => b.gainMs - a.gainMs).at(0);
  }

  /** What it is worth to start from these tokens; undefined where they cannot be edited. */
  #way({ turn }: Job, { tokens, ms, load }: Start, plain: number): Way | undefined {
    const { driver, stepCost } = this.#parts;
    const plan = planEdits(tokens, turn.tokens, turn.edits ?? []);
    if (plan === undefined || plan.reach > driver.info.contextTokens) return undefined;
    const turnings = this.#hasRoom(plan, tokens) ? 1 : 2;
    const cells = driver.info.contextTokens * driver.info.slots;
    const savedTokens = plan.reach - plain - plan.computed - turnings * turnOverPrefill * cells;
    return { plan, resident: tokens, load, gainMs: savedTokens * stepCost.prefillMsPerToken - ms };
  }

  #hasRoom({ computed }: EditPlan, resident: readonly Token[]): boolean {
    return resident.length + computed <= this.#parts.driver.info.contextTokens;
  }

  /** Returns whether it worked; else the slot is empty. */
  async #rearrange(slot: Slot, ranges: readonly TokenRange[]): Promise<boolean> {
    try {
      await slot.rearrange(ranges);
      return true;
    } catch (error) {
      this.#parts.onTrouble(`attention state could not be edited: ${messageOf(error)}`);
      await this.#parts.driver.reset(slot);
      return false;
    }
  }
}
