/**
 * How much the blocks of one agent are needed now: what is known of each, put together by the score. It asks for the
 * vectors that are missing, all at once, and then answers without waiting.
 */

import type { Block } from './block.js';
import type { BlockTable } from './blockTable.js';
import { ageValue, attentionValue, kindValue, scoreOf, type Score } from './score.js';
import type { Shelf } from './shelf.js';
import { similarities, soughtOf, type Sought } from './similarity.js';

/** What an agent is at. */
export interface Aim {
  readonly goal: Sought;
  /** What was said last. */
  readonly recent: Sought;
  readonly turn: number;
}

/** Of what was said last, as much as says what it is about. */
const aimLength = 2_000;

export async function aimOf(table: BlockTable, task: string, shelf: Shelf): Promise<Aim> {
  const { messages } = table;
  const last = messages.at(-1)?.content ?? '';
  const texts = [task.slice(0, aimLength), last.slice(0, aimLength)];
  const [goal, recent] = await shelf.vectorsOf(texts);
  return {
    goal: soughtOf(texts[0] ?? '', goal),
    recent: soughtOf(texts[1] ?? '', recent),
    turn: messages.filter(({ role }) => role === 'assistant').length,
  };
}

export type NeedOf = (block: Block) => Score;

export async function needsOf(
  table: BlockTable,
  aim: Aim,
  shelf: Shelf,
  blocks: readonly Block[],
): Promise<NeedOf> {
  await shelf.embed(table, blocks);
  const known = new Map<Block, Score>();
  return (block) => {
    const score = known.get(block) ?? needOf(table, aim, block);
    known.set(block, score);
    return score;
  };
}

/** How near a block is to what was said last. */
export function nearness(table: BlockTable, { recent }: Aim, block: Block): number {
  return similarities([recent], { text: table.text(block), vector: block.vector })[0] ?? 0;
}

function needOf(table: BlockTable, { goal, recent, turn }: Aim, block: Block): Score {
  const located = { text: table.text(block), vector: block.vector };
  const [toGoal = 0, toRecent = 0] = similarities([goal, recent], located);
  return scoreOf({
    attention: attentionValue(block.attention),
    ...{ goal: toGoal, recent: toRecent },
    age: ageValue(turn - block.lastUsedTurn),
    kind: kindValue(block.source.kind),
  });
}
