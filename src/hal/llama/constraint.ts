/** The state of one constrained tool call in the engine. It ends with the call: one object is never used for two. */

import type { LlamaGrammarEvaluationState } from 'node-llama-cpp';
import { invariant } from '../../shared/errors.js';
import type { Constraint } from '../driver.js';

export class LlamaConstraint implements Constraint {
  readonly brand = 'Constraint';
  readonly state: LlamaGrammarEvaluationState;

  constructor(state: LlamaGrammarEvaluationState) {
    this.state = state;
  }

  /** Nothing to do: a step in flight may still use the state, and the engine frees it when nothing refers to it. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** @throws KernelError `bug` for a constraint of another driver */
export function engineStateOf(constraint: Constraint | undefined): LlamaGrammarEvaluationState | undefined {
  if (constraint === undefined) return undefined;
  invariant(constraint instanceof LlamaConstraint, 'a constraint belongs to the driver that made it');
  return constraint.state;
}
