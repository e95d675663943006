/**
 * What the scheduler knows of its clients: a client is whoever computes (an agent), a turn is one run of tokens to
 * compute, and a job is a turn in the queue. The scheduler never looks at text.
 */

import type { Sampling, Slot, StepWork, Token, TokenRange } from '../../hal/driver.js';
import type { PriorityClass } from '../../shared/agentDefinition.js';
import type { Budget } from './budget.js';
import type { Entity } from './runQueue.js';

/** Device use of one client. Only the scheduler writes it. Times in ms. */
export interface DeviceUsage {
  /** Time spent wanting the device and not having it. */
  queuedMs: number;
  prefillMs: number;
  decodeMs: number;
  /** Time its attention state took to move between slots and memory. */
  swapMs: number;
  prefillTokens: number;
  decodedTokens: number;
  /** Tokens that another client had computed, or itself before it lost its slot. */
  reusedTokens: number;
  /** Tokens whose attention state is in a slot. */
  residentTokens: number;
}

export const noUsage = (): DeviceUsage => ({
  queuedMs: 0,
  prefillMs: 0,
  decodeMs: 0,
  swapMs: 0,
  prefillTokens: 0,
  decodedTokens: 0,
  reusedTokens: 0,
  residentTokens: 0,
});

/** All device time that the client used, in ms. */
export const deviceMsOf = ({ prefillMs, decodeMs, swapMs }: DeviceUsage): number =>
  prefillMs + decodeMs + swapMs;

/** Where a client's new turn left what was resident of its last one: everything after that is computed again. */
export interface Divergence {
  /** Index of the first token that differs. */
  readonly position: number;
  readonly had: Token;
  readonly wants: Token;
  /** Resident tokens that are of no use any more. */
  readonly lostTokens: number;
}

export interface Client {
  readonly entity: Entity;
  readonly usage: DeviceUsage;
  /** A paused client's turns wait until `resume`. */
  readonly isPaused: boolean;
  /** What it may use, and what its user may; the turn ends when one of them is used up. */
  readonly budgets?: readonly Budget[];
  /** Called when the client enters or leaves the set that computes. Must not throw. */
  onDevice(isRunning: boolean): void;
  /** Called when resident state of the client could not be used again. Must not throw. */
  onDivergence?(divergence: Divergence): void;
}

/**
 * Tokens `start` to `end` of what was computed for a client before are others now: none, where a part of its
 * conversation left its window; a line, where a line stands for it. What comes after them is still wanted as it was computed.
 */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly tokens: readonly Token[];
}

/** One run of tokens: all of `tokens` are evaluated, then one token at a time is sampled and accepted. */
export interface Turn {
  /** Grows as tokens are accepted; never shrinks below what was resident. */
  readonly tokens: readonly Token[];
  /**
   * How the beginning of `tokens` came about from what the client computed last, in the places of that, in order and
   * apart from each other. What the engine can do for it saves time and decides nothing: `tokens` alone says what is wanted.
   */
  readonly edits?: readonly Edit[];
  readonly sampling: Sampling;
  /** Takes the sampled token. Appends what is to be evaluated next, or says that the turn is over. */
  accept(token: Token): 'continue' | 'done';
}

/**
 * Tokens to compute before the edits of a turn can be made, at the end of what is resident, and what becomes of all of it
 * then.
 */
export interface Insertion {
  /** What is resident, and what has to be. */
  readonly tokens: readonly Token[];
  /** What is left of `tokens` in the end, in this order. */
  readonly ranges: readonly TokenRange[];
}

const urgencies: Readonly<Record<PriorityClass, number>> = { interactive: 0, normal: 1, batch: 2 };

export class Job {
  readonly client: Client;
  readonly turn: Turn;
  isPaused: boolean;
  /** The slot whose content is known to be a prefix of the turn; cleared whenever the slot is lost or reset. */
  alignedTo: Slot | undefined;
  /** What the slot is being filled with instead of the turn's own tokens; cleared as `alignedTo` is. */
  insertion: Insertion | undefined;
  /** Whether the turn's edits are still to be made; what failed once is not tried again. */
  hasEdits: boolean;
  /** Failed device steps in a row; a second failure ends the turn. */
  failures = 0;
  /** Since when it wants the device without having it. */
  waitingSince: number;
  readonly finish: (error?: Error) => void;

  constructor(client: Client, turn: Turn, now: number, finish: (error?: Error) => void) {
    this.client = client;
    this.turn = turn;
    this.isPaused = client.isPaused;
    this.hasEdits = (turn.edits?.length ?? 0) > 0;
    this.waitingSince = now;
    this.finish = finish;
  }

  /** Tokens that this slot lacks of what is computed next. */
  missingIn(slot: Slot): number {
    return (this.insertion ?? this.turn).tokens.length - slot.length;
  }

  /** The next `count` tokens in this slot; with the turn's last one what follows it is sampled. */
  workIn(slot: Slot, count: number): StepWork {
    const end = slot.length + count;
    const tokens = (this.insertion ?? this.turn).tokens.slice(slot.length, end);
    const isLast = this.insertion === undefined && end === this.turn.tokens.length;
    return isLast ? { slot, tokens, sampling: this.turn.sampling } : { slot, tokens };
  }

  /** Its slot is another's from now on, or holds what nobody knows. */
  leaveSlot(why: 'evicted' | 'failed'): void {
    if (why === 'failed' && this.insertion !== undefined) this.hasEdits = false;
    this.insertion = undefined;
    this.alignedTo = undefined;
  }

  /** 0 is the most urgent. */
  get urgency(): number {
    return urgencies[this.client.entity.class];
  }
}
