/**
 * The best lines so far. A line is ranked by what it does with the text: declare it, use it, or merely hold it inside
 * a longer word; then code comes before tests and documents; then the order of the walk stands. Only as many lines
 * are kept as can be shown, so that a common word costs no memory.
 */

import { isBlank, isWholeWord, skipBlanks, trimmedEnd } from '../lib/characters';
import { declares } from '../lib/declarations';
import { TextBuffer } from '../lib/textBuffer';
import { afterCharacters } from '../lib/utf8';
import { Query } from './query';

const maxShown = 12;
const lineCharacters = 100;

/** Ranks, best first. */
const declaresOutermost = 0;
const declaresInside = 1;
const usesWord = 2;
const holdsText = 3;
const ranks = 4;
const nothing = -1;

/** Lines that hold the text in one way of comparing letters: how many, and the first ones of each rank. */
class Ranking {
  total: i32 = 0;
  private kept: Uint8Array[][] = [];

  constructor() {
    for (let i = 0; i < 2 * ranks; i++) this.kept.push([]);
  }

  /** The lines kept at a rank, those of code or those of the rest. */
  at(rank: i32, isSecondary: bool): Uint8Array[] {
    return this.kept[2 * rank + (isSecondary ? 1 : 0)];
  }

  best(): Uint8Array[] {
    const best: Uint8Array[] = [];
    for (let i = 0; i < this.kept.length; i++) {
      const lines = this.kept[i];
      for (let k = 0; k < lines.length && best.length < maxShown; k++) best.push(lines[k]);
    }
    return best;
  }
}

export class Hits {
  private sameCase: Ranking = new Ranking();
  private anyCase: Ranking = new Ranking();

  constructor(private query: Query) {}

  /** Takes the line that holds the text at `at` into account. */
  add(path: string, isSecondary: bool, number: i32, start: usize, end: usize, at: usize): void {
    let rank = this.rankOf(start, end, at, true);
    let ranking = this.sameCase;
    if (rank == nothing) {
      if (this.sameCase.total > 0) return;
      ranking = this.anyCase;
      rank = this.rankOf(start, end, at, false);
    }
    ranking.total++;
    const lines = ranking.at(rank, isSecondary);
    if (lines.length < maxShown) lines.push(shownLine(path, number, start, end));
  }

  /** The best lines that fit, and how many there are where some are missing. */
  text(budget: i32): Uint8Array {
    const ranking = this.sameCase.total > 0 ? this.sameCase : this.anyCase;
    const text = new TextBuffer();
    const best = ranking.best();
    const all = ranking.total;
    for (let i = 0; i < best.length; i++) {
      const length = text.length + best[i].length + (i > 0 ? 1 : 0);
      if (length + (i + 1 < all ? missingLine(i + 1, all).length : 0) > budget) {
        if (i > 0) text.addText(missingLine(i, all));
        return text.bytes;
      }
      if (i > 0) text.addText('\n');
      text.addAll(best[i]);
    }
    if (best.length == 0) text.addText('no matches');
    if (best.length < all) text.addText(missingLine(best.length, all));
    return text.bytes;
  }

  /** The best rank of any place in the line that holds the text, or `nothing`. */
  private rankOf(start: usize, end: usize, at: usize, inSameCase: bool): i32 {
    const query = this.query;
    let best = nothing;
    for (; at < end; at = query.next(at + 1, end)) {
      if (inSameCase && !query.isExactlyAt(at)) continue;
      const rank = placeRank(query, start, end, at);
      if (best == nothing || rank < best) best = rank;
      // What a line declares is its first whole word of that text: a long line is not looked through.
      if (best <= usesWord) break;
    }
    return best;
  }
}

function placeRank(query: Query, start: usize, end: usize, at: usize): i32 {
  const to = at + query.length;
  if (!isWholeWord(at, to, start, end)) return holdsText;
  if (!query.isName || !declares(start, end, at, to)) return usesWord;
  return isBlank(load<u8>(start)) ? declaresInside : declaresOutermost;
}

function missingLine(shown: i32, all: i32): string {
  return `\n... ${shown.toString()} of ${all.toString()} matches shown`;
}

function shownLine(path: string, number: i32, start: usize, end: usize): Uint8Array {
  const line = new TextBuffer();
  line.addText(`${path}:${number.toString()}: `);
  const from = skipBlanks(start, end);
  const to = afterCharacters(lineCharacters, from, trimmedEnd(from, end));
  line.addMended(from, to);
  return line.bytes;
}
