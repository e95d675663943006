/**
 * What the kernel knows of a probe of attention: how much of the attention that an agent's last tokens pay goes to each
 * earlier token of its own state. It measures, it never estimates: where it cannot measure it says so.
 */

import type { Token } from './driver.js';

export interface AttentionReading {
  /** One value a token of the state: mean over layers and heads and over the probed tokens; their sum is 1. */
  readonly received: Float32Array;
  /** Tokens whose attention was read: the last ones. */
  readonly probedTokens: number;
  readonly ms: number;
}

export interface AttentionProbe extends AsyncDisposable {
  /**
   * @param statePath a file that the driver's `saveState` wrote; it is only read
   * @param tokens those of the state, in order
   * @returns undefined where it cannot be measured within the budget; the reason is `lastFailure`, and logged once
   */
  read(
    statePath: string,
    tokens: readonly Token[],
    options: { readonly probeTokens: number; readonly budgetMs: number },
  ): Promise<AttentionReading | undefined>;
  /** Gets ready for a reading that will soon be wanted, so that its budget is not spent on that. Costs memory. */
  prepare(): void;
  /** Why the last reading that came to nothing did. */
  readonly lastFailure: string | undefined;
  /** Why it cannot be used at all; undefined where it can, as far as is known before it was first used. */
  readonly unavailable: string | undefined;
}

/** A state as a reader takes it: one sequence alone, without flash attention, its cells in the order of positions. */
export interface ReadableState {
  /** In the engine's own form. It lacks the last tokens, whose attention is read when they are computed again. */
  readonly path: string;
  /** Cells in the file. */
  readonly cells: number;
  /** Tokens that follow, and the position of the first one. */
  readonly next: Int32Array;
  readonly nextPosition: number;
}

export type ReaderAnswer =
  /** One value a cell and then one for each of the tokens that follow. */
  | { readonly kind: 'reading'; readonly received: Float32Array }
  /** It took longer than it may; not said of a reader that was not ready yet. */
  | { readonly kind: 'late' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Reads attention out of an engine of its own. One reading at a time. Never rejects. */
export interface AttentionReader extends AsyncDisposable {
  read(state: ReadableState, budgetMs: number): Promise<ReaderAnswer>;
  prepare(): void;
  readonly unavailable: string | undefined;
}
