/**
 * What `recall` answers: the blocks that were found, each under a line that says where it is from, in the form that the
 * embedded model was trained on. What merely repeats the question, and what an earlier recall returned, is not found.
 * Pure.
 */

import type { BlockSource } from './store/blockStore.js';
import { cosineOf, sharedWords, wordsOf, type Located } from './similarity.js';

const nothingFound = 'nothing found';
export const recallTool = 'recall';

/** A block as it was found. */
export interface Found {
  /** As it is named to the agent: `#17 src/a.ts 40-92`. */
  readonly origin: string;
  readonly located: Located;
  readonly source: BlockSource;
  /** A line that says that its file is another one now. */
  readonly warning: string | undefined;
}

/** Without shared words, a block that is nearer than this is about the same. */
const nearCosine = 0.6;
const mostBlocks = 3;

export const mayBeRecalled = ({ kind, tool }: BlockSource): boolean =>
  kind !== 'system' && kind !== 'toolCall' && tool !== recallTool;

/** Those of the found that answer the query: with its words where any has them, else about the same. Best first. */
export function relevant<T extends Pick<Found, 'located'>>(query: Located, found: readonly T[]): T[] {
  const words = wordsOf(query.text);
  const shares = new Map(found.map((each) => [each, sharedWords(words, wordsOf(each.located.text))]));
  const share = (each: T): number => shares.get(each) ?? 0;
  const best = Math.max(0, ...shares.values());
  const kept =
    best > 0
      ? found.filter((each) => share(each) > best / 2).sort((a, b) => share(b) - share(a))
      : found.filter(({ located }) => (cosineOf(query.vector, located.vector) ?? 0) >= nearCosine);
  return kept.slice(0, mostBlocks);
}

/** As many of them as fit, the first at least in part. */
export function answerOf(found: readonly Found[], maxLength: number): { text: string; shown: number } {
  const parts: string[] = [];
  let length = 0;
  for (const { origin, located, warning } of found) {
    const head = [`${origin}:`, ...(warning === undefined ? [] : [warning])].join('\n');
    const part = `${head}\n${located.text.replace(/\n+$/, '')}`;
    if (length + part.length > maxLength) {
      if (parts.length === 0) parts.push(`${part.slice(0, Math.max(head.length, maxLength - 4))}\n...`);
      break;
    }
    parts.push(part);
    length += part.length + 1;
  }
  return { text: parts.length === 0 ? nothingFound : parts.join('\n'), shown: parts.length };
}
