/**
 * Where the blocks of a window stand in what was computed of it: in the text that its tokens spell, and so in the tokens.
 * What a template wrote otherwise than it was said, or what is too short to be told from other text, has no place.
 * Pure.
 */

import type { TokenRange } from './attentionFold.js';
import type { Block, BlockId } from './block.js';
import type { BlockTable } from './blockTable.js';
import type { Reentry } from './view.js';

/** What an agent is shown. */
export interface Shown {
  readonly table: BlockTable;
  readonly reentries: readonly Reentry[];
}

/** Tokens as text: where in it each of them ends. */
export interface SpeltTokens {
  readonly text: string;
  readonly ends: readonly number[];
}

/** Less may stand anywhere. */
const leastLength = 12;

/** As half-open ranges of indices of tokens. */
export function placesOf(shown: Shown, { text, ends }: SpeltTokens): Map<BlockId, TokenRange> {
  const places = new Map<BlockId, TokenRange>();
  let from = 0;
  for (const run of runsOf(shown)) {
    for (const blocks of [run, ...(run.length > 1 ? run.map((block) => [block]) : [])]) {
      const found = find(blocks, shown.table, text, from);
      if (found === undefined) continue;
      for (const { id, start, end } of found) places.set(id, tokensIn(ends, start, end));
      from = found.at(-1)?.end ?? from;
      // What was found as a whole is not looked for in parts.
      if (blocks === run) break;
    }
  }
  return places;
}

interface Stretch {
  readonly id: BlockId;
  readonly start: number;
  readonly end: number;
}

/** Templates trim what a message says. */
function find(
  blocks: readonly Block[],
  table: BlockTable,
  text: string,
  from: number,
): Stretch[] | undefined {
  const whole = blocks.map((block) => table.text(block)).join('');
  const said = whole.trim();
  if (said.length < leastLength) return undefined;
  const at = text.indexOf(said, from);
  if (at < 0) return undefined;
  let start = at - (whole.length - whole.trimStart().length);
  return blocks.map((block) => {
    const end = start + (block.end - block.start);
    const stretch = { id: block.id, start: Math.max(at, start), end: Math.min(end, at + said.length) };
    start = end;
    return stretch;
  });
}

/** Blocks whose texts follow each other, in the order in which they are shown. */
function* runsOf({ table, reentries }: Shown): Generator<Block[]> {
  for (const [index, { role }] of table.messages.entries()) {
    const back = reentries
      .filter(({ message }) => message === index)
      .flatMap(({ block }) => table.get(block) ?? [])
      .map((block) => [block]);
    const said = [...residentRuns(table.ofMessage(index))];
    yield* role === 'tool' ? [...said, ...back] : [...back, ...said];
  }
}

function* residentRuns(blocks: readonly Block[]): Generator<Block[]> {
  let run: Block[] = [];
  for (const block of blocks) {
    const isContinued = block.place === 'resident' && (run[0]?.field ?? block.field) === block.field;
    if (!isContinued && run.length > 0) {
      yield run;
      run = [];
    }
    if (block.place === 'resident') run.push(block);
  }
  if (run.length > 0) yield run;
}

function tokensIn(ends: readonly number[], start: number, end: number): TokenRange {
  return { start: countUpTo(ends, start), end: Math.min(ends.length, countUpTo(ends, end - 1) + 1) };
}

/** How many of the ascending numbers are no larger. */
function countUpTo(ends: readonly number[], limit: number): number {
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] ?? Infinity) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
