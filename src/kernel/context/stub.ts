/**
 * The lines that the kernel writes into a conversation: what stands for text that is paged out, what stands above text
 * that is back, and what an agent is told before its window is full. They are as short as they can be and as those
 * that the embedded model was trained on. Pure.
 */

import { labelOf, type Block } from './block.js';

/** Stands for blocks that follow each other: `[paged #17 src/parser.ts 40-92, 412 tokens]`. */
export function stubOf(blocks: readonly Block[], tokens: number): string {
  return `[paged ${rangeOf(blocks)} ${labelsOf(blocks)}, ${tokens} tokens]`;
}

/** Above text that is back. */
export const recalledLine = (block: Block): string => `[recalled ${originOf(block)}]`;

export const staleLine = ({ source }: Block): string =>
  `[stale: ${labelOf({ kind: 'file', ...pathOf(source) })} changed since]`;

/** Where a block is from: `#17 src/parser.ts 40-92`. */
export const originOf = (block: Block): string => `#${block.id} ${labelOf(block.source)}`;

/** What an agent that can recall is told once, before anything is paged out. @param share of its window in use */
export const heads = (share: number, next: readonly Block[]): string =>
  `[window ${Math.round(share * 100)}% full; next out: ${rangeOf(next)} ${labelsOf(next)}; recall(query) finds it again]`;

export function rangeOf(blocks: readonly Block[]): string {
  const [first, last] = [blocks[0]?.id ?? 0, blocks.at(-1)?.id ?? 0];
  return first === last ? `#${first}` : `#${first}-#${last}`;
}

const mostLabels = 2;

/** What they are of, each once: files and tools before what was merely said. */
export function labelsOf(blocks: readonly Block[]): string {
  if (blocks.length === 1 && blocks[0] !== undefined) return labelOf(blocks[0].source);
  const labels = [...new Set(blocks.map(({ source }) => labelOf({ kind: source.kind, ...nameOf(source) })))];
  const named = labels.filter((label) => label !== 'message');
  const shown = (named.length === 0 ? labels : named).slice(0, mostLabels);
  const more = labels.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more` : shown.join(', ');
}

const pathOf = ({ path }: Block['source']): { path?: string } => (path === undefined ? {} : { path });

const nameOf = ({ path, tool }: Block['source']): { path?: string; tool?: string } => ({
  ...(path !== undefined && { path }),
  ...(tool !== undefined && { tool }),
});
