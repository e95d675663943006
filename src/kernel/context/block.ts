/**
 * A block: a stretch of one message of an agent's conversation, and the unit in which it is paged. Its text stays where
 * it is, in the conversation; a block only says which part of it. Everything that is written here after its creation
 * is written by the pager.
 */

import type { ChatMessage } from '../../hal/driver.js';
import type { BlockSource } from './store/blockStore.js';

/** Within its agent, from 1 in the order of the text. */
export type BlockId = number;

/** Where a block's text stands: in what a message says, or in the call that it makes. */
export type BlockField = 'content' | 'call';

export type BlockPlace =
  /** Its text is in the prompt, where it was said. */
  | 'resident'
  /** A line stands for it. */
  | 'paged'
  /** As paged, and its text is in the prompt again, further down. */
  | 'recalled';

/** Who keeps it from leaving: a rule, or a person. */
export type Pin = 'rule' | 'person';

export interface Block {
  readonly id: BlockId;
  /** Index in the conversation. */
  readonly message: number;
  readonly field: BlockField;
  readonly start: number;
  readonly end: number;
  readonly source: BlockSource;
  place: BlockPlace;
  pin: Pin | undefined;
  /** The file that it is of is another one since. */
  isStale: boolean;
  /** The store has it. */
  isStored: boolean;
  /** Measured where it is first needed. */
  tokens: number | undefined;
  vector: Float32Array | undefined;
  /** Of the agent, in which it was last said, asked for or brought back. */
  lastUsedTurn: number;
  /** What it received of the attention that was measured, against an even share of it; older measurements fade. */
  attention: number | undefined;
}

/** The text that a field's blocks are cut from. */
export function fieldText(message: ChatMessage, field: BlockField): string {
  if (field === 'content') return message.content;
  return message.role === 'assistant' && message.toolCall !== undefined
    ? JSON.stringify(message.toolCall)
    : '';
}

export const textOf = ({ message, field, start, end }: Block, messages: readonly ChatMessage[]): string => {
  const said = messages[message];
  return said === undefined ? '' : fieldText(said, field).slice(start, end);
};

/** What a block is of, in a few words that cannot break out of the line they stand in: `src/a.ts 40-92`, `message`. */
export function labelOf({ kind, tool, path, lines }: BlockSource): string {
  const range = lines === undefined ? '' : ` ${lines[0]}-${lines[1]}`;
  const label = path === undefined ? (tool ?? kind) : `${path}${range}`;
  return label.replace(/[<>|[\]\p{Cc}\p{Zl}\p{Zp}]/gu, '_');
}
