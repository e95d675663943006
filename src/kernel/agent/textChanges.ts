/**
 * Where two versions of a text differ, by their lines: what both have in the same order stays, and each change is as
 * short as its edges allow. Lines that each version has once are what the rest is aligned by (patience diff), so the
 * time is that of sorting. Pure.
 */

/** What stands from `start` to `end` of the text before is `text` now. */
export interface TextChange {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** In order, apart from each other. Applied, they make `after` of `before`. */
export function changesBetween(before: string, after: string): TextChange[] {
  const [old, now] = [linesOf(before), linesOf(after)];
  const changes: TextChange[] = [];
  let [from, to] = [0, 0];
  const upTo = (oldEnd: number, nowEnd: number): void => {
    const change = trimmed(old, now, { start: from, end: oldEnd }, { start: to, end: nowEnd });
    if (change !== undefined) changes.push(change);
  };
  for (const { oldLine, nowLine, count } of alignedRuns(old.lines, now.lines)) {
    upTo(oldLine, nowLine);
    [from, to] = [oldLine + count, nowLine + count];
  }
  upTo(old.lines.length, now.lines.length);
  return changes;
}

interface Lines {
  readonly text: string;
  readonly lines: readonly string[];
  /** Of each line, and of the end. */
  readonly offsets: readonly number[];
}

interface Range {
  readonly start: number;
  readonly end: number;
}

function linesOf(text: string): Lines {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const offsets = [0];
  for (const line of lines) offsets.push((offsets.at(-1) ?? 0) + line.length);
  return { text, lines, offsets };
}

/** The change between two ranges of lines, without what its edges have in common. */
function trimmed(old: Lines, now: Lines, oldRange: Range, nowRange: Range): TextChange | undefined {
  const [oldAt, nowAt] = [old.offsets[oldRange.start] ?? 0, now.offsets[nowRange.start] ?? 0];
  const before = old.text.slice(oldAt, old.offsets[oldRange.end]);
  const after = now.text.slice(nowAt, now.offsets[nowRange.end]);
  if (before === after) return undefined;
  const most = Math.min(before.length, after.length);
  const start = wholeCharacters(
    before,
    countWhile(most, (index) => before[index] === after[index]),
  );
  const same = countWhile(most - start, (index) => before.at(-1 - index) === after.at(-1 - index));
  const end = isInsidePair(before, before.length - same) ? same - 1 : same;
  const text = after.slice(start, after.length - end);
  return { start: oldAt + start, end: oldAt + before.length - end, text };
}

function countWhile(most: number, holds: (index: number) => boolean): number {
  let count = 0;
  while (count < most && holds(count)) count++;
  return count;
}

const wholeCharacters = (text: string, length: number): number =>
  isInsidePair(text, length) ? length - 1 : length;

function isInsidePair(text: string, at: number): boolean {
  const code = text.charCodeAt(at - 1);
  return code >= 0xd800 && code < 0xdc00;
}

interface Run {
  readonly oldLine: number;
  readonly nowLine: number;
  readonly count: number;
}

/** Runs of equal lines, in the order of both. */
function* alignedRuns(old: readonly string[], now: readonly string[]): Generator<Run> {
  let [oldLine, nowLine] = [0, 0];
  for (const anchor of [...anchorsOf(old, now), { oldLine: old.length, nowLine: now.length }]) {
    if (anchor.oldLine < oldLine || anchor.nowLine < nowLine) continue;
    const forward = countEqual(old, now, oldLine, nowLine, anchor);
    if (forward > 0) yield { oldLine, nowLine, count: forward };
    [oldLine, nowLine] = [oldLine + forward, nowLine + forward];
    let back = 0;
    while (
      anchor.oldLine - back > oldLine &&
      anchor.nowLine - back > nowLine &&
      old[anchor.oldLine - back - 1] === now[anchor.nowLine - back - 1]
    ) {
      back++;
    }
    const isEnd = anchor.oldLine === old.length;
    const count = back + (isEnd ? 0 : 1);
    if (count > 0) yield { oldLine: anchor.oldLine - back, nowLine: anchor.nowLine - back, count };
    [oldLine, nowLine] = [anchor.oldLine - back + count, anchor.nowLine - back + count];
  }
}

function countEqual(
  old: readonly string[],
  now: readonly string[],
  oldLine: number,
  nowLine: number,
  before: Anchor,
): number {
  let count = 0;
  while (
    oldLine + count < before.oldLine &&
    nowLine + count < before.nowLine &&
    old[oldLine + count] === now[nowLine + count]
  ) {
    count++;
  }
  return count;
}

interface Anchor {
  readonly oldLine: number;
  readonly nowLine: number;
}

/** Lines that both have exactly once: the longest series of them that is in the order of both. */
function anchorsOf(old: readonly string[], now: readonly string[]): Anchor[] {
  const [oldOnce, nowOnce] = [onceIn(old), onceIn(now)];
  const pairs: Anchor[] = [];
  for (const [line, oldLine] of oldOnce) {
    const nowLine = nowOnce.get(line);
    if (nowLine !== undefined) pairs.push({ oldLine, nowLine });
  }
  return longestIncreasing(pairs);
}

function onceIn(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return new Map([...lines.entries()].flatMap(([at, line]) => (counts.get(line) === 1 ? [[line, at]] : [])));
}

/** By `nowLine`, of pairs that are in the order of `oldLine`. */
function longestIncreasing(pairs: readonly Anchor[]): Anchor[] {
  const tails: number[] = [];
  const previous: number[] = [];
  const lineAt = (index: number | undefined): number => pairs[index ?? -1]?.nowLine ?? -1;
  for (const [index, { nowLine }] of pairs.entries()) {
    let [low, high] = [0, tails.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (lineAt(tails[middle]) < nowLine) low = middle + 1;
      else high = middle;
    }
    previous[index] = tails[low - 1] ?? -1;
    tails[low] = index;
  }
  const series: Anchor[] = [];
  for (let index = tails.at(-1) ?? -1; index >= 0; index = previous[index] ?? -1) {
    const pair = pairs[index];
    if (pair !== undefined) series.push(pair);
  }
  return series.reverse();
}
