/**
 * How much an agent needs a block: a number from 0 to 1, the weighted mean of what is known of it. A term that is not
 * known is left out. Attention is the one that was measured and nothing else: where it was not, the score does without
 * it, and what it would be without is part of the answer. Pure.
 */

import type { BlockSource } from './store/blockStore.js';

/** Each from 0 to 1; undefined where it is not known. */
export interface Signals {
  /** Attention that it received, against twice an even share. */
  readonly attention: number | undefined;
  /** How near it is to the task. */
  readonly goal: number;
  /** How near it is to what was said last. */
  readonly recent: number;
  /** Half of it is left after `ageHalfLife` turns without use. */
  readonly age: number;
  readonly kind: number;
}

type Term = keyof Signals;

/** What each term counts. */
const weights: Readonly<Record<Term, number>> = {
  attention: 0.35,
  goal: 0.2,
  recent: 0.25,
  age: 0.15,
  kind: 0.05,
};

const ageHalfLife = 6;

/** What is worth keeping for what it is: words before files, files before output. */
const kinds: Readonly<Record<BlockSource['kind'], number>> = {
  system: 1,
  task: 1,
  message: 0.8,
  file: 0.5,
  toolResult: 0.4,
  toolCall: 0.2,
};

export const kindValue = (kind: BlockSource['kind']): number => kinds[kind];
export const ageValue = (turns: number): number => 2 ** (-Math.max(0, turns) / ageHalfLife);
export const attentionValue = (density: number | undefined): number | undefined =>
  density === undefined ? undefined : Math.min(1, density / 2);

export interface Score {
  readonly value: number;
  /** Had attention not been measured. */
  readonly unattended: number;
}

export const scoreOf = (signals: Signals): Score => ({
  value: meanOf(signals),
  unattended: meanOf({ ...signals, attention: undefined }),
});

function meanOf(signals: Signals): number {
  const terms = (Object.keys(weights) as Term[]).filter((term) => signals[term] !== undefined);
  const total = terms.reduce((sum, term) => sum + weights[term], 0);
  return terms.reduce((sum, term) => sum + weights[term] * (signals[term] ?? 0), 0) / total;
}
