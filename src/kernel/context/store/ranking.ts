/**
 * Orders what a search found, the same way for every store: how well the words fit (BM25 within what was found), and
 * how near the meaning is (cosine), half each. On questions about code this finds more than what the stores' own
 * rankings do, and the scores of two stores mean the same. Pure.
 */

import type { BlockHit, BlockQuery, StoredBlock } from './blockStore.js';
import { lengthWeight, saturation } from './postings.js';
import { wordsOf } from './words.js';

const wordShare = 0.5;

/** What a store has to offer of each kind, so that the ranking has something to choose from. */
export function candidatesFor(limit: number): number {
  return Math.max(20, limit);
}

/** What has to be known of a block's words. */
export interface BlockWords {
  readonly total: number;
  readonly countOf: (word: string) => number;
}

/**
 * Best first. Score 1: the best words of all and the same meaning; blocks that fit in no way are left out.
 * @param known words of blocks that are counted already; the others are read
 */
export function rank(
  blocks: readonly StoredBlock[],
  query: BlockQuery,
  known: (block: StoredBlock) => BlockWords | undefined = () => undefined,
): BlockHit[] {
  const words = blocks.map((block) => known(block) ?? countWords(block));
  const wordScores = scoreWords(words, query.text);
  return blocks
    .map((block, index) => {
      const fit = wordScores[index] ?? 0;
      return { block, score: wordShare * fit + (1 - wordShare) * similarity(block.vector, query.vector) };
    })
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, query.limit);
}

/** Dot product of two vectors of length 1; 0 where there is nothing to compare or it points away. */
function similarity(left: Float32Array | undefined, right: Float32Array | undefined): number {
  if (right === undefined || left?.length !== right.length) return 0;
  let product = 0;
  for (let at = 0; at < left.length; at++) product += (left[at] ?? 0) * (right[at] ?? 0);
  return Math.max(0, product);
}

function countWords({ text }: StoredBlock): BlockWords {
  const counts = new Map<string, number>();
  const words = wordsOf(text);
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { total: words.length, countOf: (word) => counts.get(word) ?? 0 };
}

/** Each between 0 and 1, the best one 1. */
function scoreWords(words: readonly BlockWords[], text: string): number[] {
  const usualTotal = words.reduce((sum, { total }) => sum + total, 0) / Math.max(1, words.length);
  const scores = words.map(() => 0);
  for (const term of new Set(wordsOf(text))) {
    const counts = words.map(({ countOf }) => countOf(term));
    const having = counts.filter((count) => count > 0).length;
    const rarity = Math.log(1 + (words.length - having + 0.5) / (having + 0.5));
    for (const [index, count] of counts.entries()) {
      if (count === 0) continue;
      const relative = (words[index]?.total ?? 0) / usualTotal;
      const length = saturation * (1 - lengthWeight + lengthWeight * relative);
      scores[index] = (scores[index] ?? 0) + (rarity * count * (saturation + 1)) / (count + length);
    }
  }
  const best = scores.reduce((most, score) => Math.max(most, score), 0);
  return best === 0 ? scores : scores.map((score) => score / best);
}
