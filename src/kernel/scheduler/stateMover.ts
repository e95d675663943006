/**
 * Moves attention state, so that whoever gets a slot finds there as much of its prompt as is worth the time: what it
 * lost itself, or what others have computed of the same prompt. State moves only where that costs less than computing
 * it again. A move that fails costs a prefill, is reported, and never ends a turn.
 */

import type { Clock } from '../../hal/clock.js';
import type { InferenceDriver, Slot, Token } from '../../hal/driver.js';
import { messageOf } from '../../shared/errors.js';
import { commonPrefixLength, type ParkedState, type SwapSpace } from '../kv/swapSpace.js';
import { edited } from './editPlan.js';
import type { Client, Job } from './job.js';
import { StateEditor, type Elsewhere } from './stateEditor.js';
import type { StepCost } from './stepCost.js';
import { SwapCost } from './swapCost.js';

/** A gain below this is not worth looking at. */
const minimumGainMs = 0.5;

export interface StateMoverParts {
  readonly driver: InferenceDriver;
  readonly clock: Clock;
  readonly stepCost: StepCost;
  /** Where state goes that has no slot; without it, it is computed again. */
  readonly swap: SwapSpace | undefined;
  readonly onTrouble: (message: string) => void;
}

interface Source {
  readonly from: ParkedState | Slot;
  /** Tokens of the prompt that it holds. */
  readonly length: number;
  readonly gainMs: number;
}

export class StateMover {
  readonly #parts: StateMoverParts;
  readonly #editor: StateEditor;
  readonly #cost = new SwapCost();
  /** For prompts that are compared again and again while one waits for the other. */
  readonly #common = new WeakMap<Job, WeakMap<Job, number>>();

  constructor(parts: StateMoverParts) {
    this.#parts = parts;
    this.#editor = new StateEditor(parts);
  }

  /** What it costs that the holder of this slot loses it and comes back. */
  switchMs(slot: Slot): number {
    const again = slot.length * this.#parts.stepCost.prefillMsPerToken;
    const bytes = this.#bytesOf(slot.length);
    return this.#parts.swap?.fits(bytes) === true ? Math.min(again, this.#cost.roundTripMs(bytes)) : again;
  }

  /** Before the slot is given to somebody else: keeps what its holder would miss. */
  async keep(holder: Client, slot: Slot): Promise<void> {
    const { swap, stepCost } = this.#parts;
    const bytes = this.#bytesOf(slot.length);
    if (swap?.fits(bytes) !== true) return;
    const gainMs = slot.length * stepCost.prefillMsPerToken - this.#cost.roundTripMs(bytes);
    if (gainMs < minimumGainMs) return;
    await this.#park(swap, slot, holder);
  }

  /**
   * Makes the slot hold a prefix of the job's turn and nothing else, unless something has to be computed first, for which
   * the job then asks. Returns the tokens that need not be computed.
   */
  async bring(job: Job, slot: Slot, others: readonly Slot[]): Promise<number> {
    const { tokens } = job.turn;
    const { swap } = this.#parts;
    if (job.insertion === undefined) this.#reportDivergence(job, slot);
    if (await this.#editor.edit(job, slot, () => this.#elsewhere(job))) return slot.length;
    const source = swap === undefined ? undefined : this.#bestSource(swap, tokens, slot, others);
    if (swap !== undefined && source !== undefined) await this.#copy(swap, source, slot);
    const prefix = reusable(slot.commonPrefix(tokens), tokens);
    if (prefix < slot.length) await slot.truncate(prefix);
    job.alignedTo = slot;
    return slot.length;
  }

  /**
   * Whether the job should wait since another one, which computes already, is about to hold a longer part of its
   * prompt than it has itself.
   */
  awaits(job: Job, slot: Slot, other: Job): boolean {
    const { swap, stepCost } = this.#parts;
    const theirs = other.alignedTo;
    if (swap === undefined || theirs === undefined) return false;
    const common = reusable(this.#commonPrefix(job, other), job.turn.tokens);
    if (theirs.length >= common) return false;
    const mine = Math.max(
      slot.commonPrefix(job.turn.tokens),
      swap.longestPrefix(job.turn.tokens)?.length ?? 0,
      theirs.length,
    );
    const gainMs = (common - mine) * stepCost.prefillMsPerToken;
    return gainMs - this.#cost.roundTripMs(this.#bytesOf(common)) >= minimumGainMs;
  }

  hasStateOf(client: Client): boolean {
    return this.#parts.swap?.of(client) !== undefined;
  }

  /** State that lies outside the slots goes from one client to another. */
  handOver(from: Client, to: Client): void {
    this.#parts.swap?.handOver(from, to);
  }

  /** The client is gone for good. */
  async forget(holder: Client): Promise<void> {
    try {
      await this.#parts.swap?.drop(holder);
    } catch (error) {
      this.#parts.onTrouble(`attention state could not be removed: ${messageOf(error)}`);
    }
  }

  #reportDivergence({ client, turn, hasEdits }: Job, slot: Slot): void {
    const isOwn = client.usage.residentTokens > 0;
    const had = isOwn ? slot.tokens : this.#parts.swap?.of(client)?.tokens;
    if (had !== undefined)
      reportDivergence(client, turn.tokens, hasEdits ? edited(had, turn.edits ?? []) : had);
  }

  /** What the client could start from instead of what its slot holds. */
  #elsewhere({ client, turn }: Job): Elsewhere {
    const { swap } = this.#parts;
    if (swap === undefined) return { prefix: 0, own: undefined };
    const prefix = swap.longestPrefix(turn.tokens)?.length ?? 0;
    const parked = swap.of(client);
    if (parked === undefined) return { prefix, own: undefined };
    const ms = this.#cost.ms('load', this.#bytesOf(parked.tokens.length));
    return { prefix, own: { tokens: parked.tokens, ms, load: (slot) => this.#load(swap, parked, slot) } };
  }

  #bestSource(
    swap: SwapSpace,
    tokens: readonly Token[],
    slot: Slot,
    others: readonly Slot[],
  ): Source | undefined {
    const { stepCost } = this.#parts;
    const resident = reusable(slot.commonPrefix(tokens), tokens);
    if ((tokens.length - resident) * stepCost.prefillMsPerToken < minimumGainMs) return undefined;
    const gain = (length: number, costMs: number): number =>
      (length - resident) * stepCost.prefillMsPerToken - costMs;
    const sources: Source[] = [];
    const parked = swap.longestPrefix(tokens);
    if (parked !== undefined) {
      const length = reusable(parked.length, tokens);
      sources.push({
        from: parked.parked,
        length,
        gainMs: gain(length, this.#cost.ms('load', this.#bytesOf(parked.parked.tokens.length))),
      });
    }
    for (const other of others) {
      if (other === slot) continue;
      const bytes = this.#bytesOf(other.length);
      if (!swap.fits(bytes)) continue;
      const length = reusable(other.commonPrefix(tokens), tokens);
      sources.push({ from: other, length, gainMs: gain(length, this.#cost.roundTripMs(bytes)) });
    }
    const best = sources.reduce<Source | undefined>(
      (most, source) => (most === undefined || source.gainMs > most.gainMs ? source : most),
      undefined,
    );
    return best !== undefined && best.gainMs >= minimumGainMs ? best : undefined;
  }

  async #copy(swap: SwapSpace, { from }: Source, slot: Slot): Promise<void> {
    const parked = 'owner' in from ? from : await this.#park(swap, from, undefined);
    if (parked !== undefined) await this.#load(swap, parked, slot);
  }

  /** Returns whether it worked; else the slot is empty. */
  async #load(swap: SwapSpace, parked: ParkedState, slot: Slot): Promise<boolean> {
    const start = this.#parts.clock.now();
    try {
      await swap.load(parked, slot);
      this.#cost.observe('load', this.#bytesOf(parked.tokens.length), this.#parts.clock.now() - start);
      return true;
    } catch (error) {
      this.#parts.onTrouble(`attention state could not be loaded: ${messageOf(error)}`);
      return false;
    }
  }

  async #park(swap: SwapSpace, slot: Slot, owner: Client | undefined): Promise<ParkedState | undefined> {
    const start = this.#parts.clock.now();
    try {
      const parked = await swap.park(slot, owner);
      this.#cost.observe('save', this.#bytesOf(parked.tokens.length), this.#parts.clock.now() - start);
      return parked;
    } catch (error) {
      this.#parts.onTrouble(`attention state could not be kept: ${messageOf(error)}`);
      return undefined;
    }
  }

  #bytesOf(tokens: number): number {
    return tokens * this.#parts.driver.info.kvBytesPerToken;
  }

  #commonPrefix(job: Job, other: Job): number {
    let row = this.#common.get(job);
    if (row === undefined) this.#common.set(job, (row = new WeakMap()));
    let length = row.get(other);
    if (length === undefined)
      row.set(other, (length = commonPrefixLength(job.turn.tokens, other.turn.tokens)));
    return length;
  }
}

/** A turn's last token is always computed, since what follows is sampled from its result. */
const reusable = (prefix: number, tokens: readonly Token[]): number => Math.min(prefix, tokens.length - 1);

/** The last resident token may differ: it is one that the turn before had sampled and its message does not hold. */
function reportDivergence(client: Client, wants: readonly Token[], had: readonly Token[]): void {
  if (client.onDivergence === undefined) return;
  const position = commonPrefixLength(had, wants);
  const [before, now] = [had[position], wants[position]];
  if (before === undefined || now === undefined || had.length - position <= 1) return;
  client.onDivergence({ position, had: before, wants: now, lostTokens: had.length - position });
}
