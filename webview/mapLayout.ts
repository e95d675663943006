/** How a context map is drawn and what it says, as pure functions of the map: widths, bars and words. */

import type { ContextBlock, ContextMap } from '../src/shared/protocol.js';
import { formatCount } from './format.js';

/** The largest block is so wide, and none is too small to be hit. */
const mostWidthPx = 72;
const leastWidthPx = 12;

/** Widths by tokens, in the order of the blocks. */
export function cellWidths(blocks: readonly Pick<ContextBlock, 'tokens'>[]): readonly number[] {
  const most = Math.max(1, ...blocks.map(({ tokens }) => tokens));
  return blocks.map(({ tokens }) => Math.max(leastWidthPx, Math.round((tokens / most) * mostWidthPx)));
}

/** A sixteenth of an even share, or less, is nothing; sixteen times is all. */
const octaves = 4;

/** How much of a cell its attention fills, 0 to 1: half of it for an even share. Null where it was not measured. */
export function attentionFill(attention: number | null): number | null {
  if (attention === null) return null;
  if (attention <= 0) return 0;
  return Math.min(1, Math.max(0, 0.5 + Math.log2(attention) / (2 * octaves)));
}

export interface MapLevels {
  /** Shares of the window, 0 to 1. */
  readonly used: number;
  readonly threshold: number;
  readonly text: string;
}

export function levelsOf(
  { usedTokens, thresholdTokens, windowTokens }: Omit<ContextMap, 'blocks' | 'attention'>,
  locale?: string,
): MapLevels {
  const share = (tokens: number): number => Math.min(1, Math.max(0, tokens / Math.max(1, windowTokens)));
  const count = (tokens: number): string => formatCount(tokens, locale);
  return {
    used: share(usedTokens),
    threshold: share(thresholdTokens),
    text: `${count(usedTokens)} of ${count(windowTokens)} tokens; above ${count(thresholdTokens)}, blocks leave`,
  };
}

export function attentionNote(attention: ContextMap['attention']): string {
  return attention === 'measured' ? 'attention: measured' : `attention: not measured (${attention})`;
}

export const kindNames: Readonly<Record<ContextBlock['kind'], string>> = {
  system: 'System text',
  task: 'Task',
  message: 'Message',
  toolCall: 'Tool call',
  toolResult: 'Tool result',
  file: 'File',
};

export const stateNames: Readonly<Record<ContextBlock['state'], string>> = {
  resident: 'in the window',
  paged: 'paged out',
  recalled: 'recalled',
  stale: 'changed on disk since',
};

/** What it is: `File src/a.ts 1-40`. */
export function nameOfBlock({ kind, label }: Pick<ContextBlock, 'kind' | 'label'>): string {
  const name = kindNames[kind];
  return label === kind || label === '' ? name : `${name} ${label}`;
}

/** How it is, in a line. @param isAsked a person wants it back, and the agent's next turn brings it */
export function factsOfBlock(block: ContextBlock, isAsked: boolean, locale?: string): string {
  const { tokens, state, attention, pinned } = block;
  return [
    `${formatCount(tokens, locale)} tokens`,
    stateNames[state],
    ...(isAsked ? ['comes back with its next turn'] : []),
    ...(attention === null ? [] : [`attention ${formatTimes(attention, locale)} an even share`]),
    ...(pinned ? ['pinned'] : []),
  ].join(' · ');
}

function formatTimes(value: number, locale?: string): string {
  return `${new Intl.NumberFormat(locale, { maximumSignificantDigits: 2 }).format(value)}×`;
}

/** What a person can do with a block. */
export type BlockAction = 'pin' | 'unpin' | 'out' | 'in' | 'leave';

/** In the order of their buttons. The system's own text always stays, whatever a person says. */
export function actionsFor(block: ContextBlock, isAsked: boolean): readonly BlockAction[] {
  const { kind, state, pinned } = block;
  if (kind === 'system' && pinned) return [];
  const pin = pinned ? 'unpin' : 'pin';
  if (isAsked) return ['leave', pin];
  const moves: readonly BlockAction[] = {
    resident: ['out'] as const,
    recalled: ['out'] as const,
    paged: ['in'] as const,
    // It does not say where it is.
    stale: ['out', 'in'] as const,
  }[state];
  return [...moves.filter((move) => move !== 'out' || !pinned), pin];
}

export const actionNames: Readonly<Record<BlockAction, string>> = {
  pin: 'Pin',
  unpin: 'Unpin',
  out: 'Page Out',
  in: 'Bring Back',
  leave: 'Leave Paged Out',
};
