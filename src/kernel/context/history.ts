/**
 * What the journal has to know of an agent's window, so that after a restart, or in the agent that it hands its
 * conversation to, the model is shown what it was shown before. Everything else follows from the conversation. Pure.
 */

import type { BlockId } from './block.js';
import type { Note, Reentry } from './view.js';

export interface ContextHistory {
  /** Characters of the largest block: what the conversation was cut with. */
  readonly blockLength: number;
  /** Of which a line is shown, also where the text is shown again further down. */
  readonly paged: readonly BlockId[];
  readonly reentries: readonly Reentry[];
  readonly notes: readonly Note[];
  /** By a person. */
  readonly pinned: readonly BlockId[];
}

/** One change of it. */
export type ContextChange =
  | { readonly type: 'pagedOut'; readonly blockLength: number; readonly blocks: readonly BlockId[] }
  | {
      readonly type: 'pagedIn';
      readonly message: number;
      readonly blocks: readonly BlockId[];
      readonly stale: readonly BlockId[];
    }
  | { readonly type: 'noted'; readonly blockLength: number; readonly message: number; readonly text: string }
  | {
      readonly type: 'pinned';
      readonly blockLength: number;
      readonly block: BlockId;
      readonly isPinned: boolean;
    };

export function changed(
  history: ContextHistory | undefined,
  change: ContextChange,
): ContextHistory | undefined {
  const now = history ?? (change.type === 'pagedIn' ? undefined : empty(change.blockLength));
  if (now === undefined) return undefined;
  switch (change.type) {
    case 'pagedOut': {
      const out = new Set(change.blocks);
      const paged = [...new Set([...now.paged, ...out])].sort((a, b) => a - b);
      return { ...now, paged, reentries: now.reentries.filter(({ block }) => !out.has(block)) };
    }
    case 'pagedIn': {
      const { message, blocks, stale } = change;
      const back = blocks.map((block) => ({ block, message, isStale: stale.includes(block) }));
      return { ...now, reentries: [...now.reentries, ...back] };
    }
    case 'noted':
      return { ...now, notes: [...now.notes, { message: change.message, text: change.text }] };
    case 'pinned': {
      const others = now.pinned.filter((block) => block !== change.block);
      return { ...now, pinned: change.isPinned ? [...others, change.block] : others };
    }
    default:
      return change satisfies never;
  }
}

/** The fewest changes that make it. */
export function* changesOf(history: ContextHistory): Generator<ContextChange> {
  const { blockLength, paged, reentries, notes, pinned } = history;
  yield { type: 'pagedOut', blockLength, blocks: paged };
  for (const { block, message, isStale } of reentries) {
    yield { type: 'pagedIn', message, blocks: [block], stale: isStale ? [block] : [] };
  }
  for (const note of notes) yield { type: 'noted', blockLength, ...note };
  for (const block of pinned) yield { type: 'pinned', blockLength, block, isPinned: true };
}

const empty = (blockLength: number): ContextHistory => ({
  ...{ blockLength, paged: [], reentries: [], notes: [], pinned: [] },
});
