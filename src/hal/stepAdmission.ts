/**
 * What every driver checks before a step: that the caller kept the contract, and that no sequence outgrows its
 * slot. An engine that shifts its context by itself would forget the start of a conversation without a word, so a
 * step that does not fit is refused before the engine sees it.
 */

import { KernelError, invariant } from '../shared/errors.js';
import type { StepWork } from './driver.js';

/** @throws KernelError `bug` when the caller broke the contract of `step`. */
export function admitStep(work: readonly StepWork[], batchTokens: number): void {
  invariant(new Set(work.map(({ slot }) => slot)).size === work.length, 'a slot is in a step at most once');
  invariant(
    work.every(({ tokens }) => tokens.length > 0),
    'every work of a step has tokens',
  );
  const total = work.reduce((sum, { tokens }) => sum + tokens.length, 0);
  invariant(total <= batchTokens, `a step carries at most ${batchTokens} tokens, not ${total}`);
}

/** Why this work does not fit into its slot; undefined when it fits. */
export function overflowOf({ slot, tokens }: StepWork, contextTokens: number): KernelError | undefined {
  const needed = slot.length + tokens.length;
  if (needed <= contextTokens) return undefined;
  return new KernelError(
    'limitReached',
    `the context holds ${contextTokens} tokens and ${needed} are needed`,
  );
}
