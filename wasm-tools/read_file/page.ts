/** The numbered lines of a text, and which of them to show where they do not all fit. Never shows more than fits. */

import { closeBrace, find, openBrace, textOf } from '../lib/characters';
import { declaresSomething, exportsSomething, isHeading, isMarked } from '../lib/declarations';
import { Lines } from '../lib/lines';
import { TextBuffer } from '../lib/textBuffer';
import { afterCharacters } from '../lib/utf8';

const lineCharacters = 160;
const ellipsis = '…';
const ellipsisBytes = 3;

/** What a line is worth in an outline, most first. */
const isMark: u8 = 0;
const isExport: u8 = 1;
const isDeclaration: u8 = 2;
const isOther: u8 = 3;
/** Not asked for. */
const isOutside: u8 = 4;
const isChosen: u8 = 5;

/** An outline that takes less than this part of the room says too little: the file's beginning is added. */
const sparseShare = 4;

export class Page {
  /** Lines there are. */
  readonly count: i32;
  private wholeBytes: i32;

  constructor(
    private path: string,
    private text: Uint8Array,
  ) {
    let wholeBytes = 0;
    const lines = new Lines(text);
    while (lines.next()) wholeBytes += shownBytes(lines);
    this.count = lines.number;
    // The last one has no newline after it.
    this.wholeBytes = wholeBytes - 1;
  }

  /** Every line, or an outline that fits. */
  whole(budget: i32): Uint8Array {
    const values = new Uint8Array(this.count);
    if (this.wholeBytes <= budget) {
      values.fill(isChosen);
      return this.shown(values, '');
    }
    this.judge(values);
    const rest = restLine(this.path, this.count, this.count, 'FROM-TO');
    const most = budget - rest.length;
    let room = most;
    for (let value = isMark; value <= isDeclaration; value++) room = this.choose(values, value, room);
    if (room > most - most / sparseShare) this.choose(values, isOther, room);
    const chosen = countOf(isChosen, values);
    return this.shown(values, restLine(this.path, chosen, this.count, 'FROM-TO'));
  }

  /** The lines asked for, or as many of them as fit. */
  range(first: i32, last: i32, budget: i32): Uint8Array {
    const end = min(last, this.count);
    const wanted = end - first + 1;
    const values = new Uint8Array(this.count);
    values.fill(isOutside);
    values.fill(isOther, first - 1, end);
    // The last line needs no newline.
    this.choose(values, isOther, budget + 1);
    if (countOf(isChosen, values) == wanted) return this.shown(values, '');
    values.fill(isOther, first - 1, end);
    this.choose(values, isOther, budget - restLine(this.path, wanted, wanted, `${end}-${end}`).length);
    const chosen = countOf(isChosen, values);
    return this.shown(values, restLine(this.path, chosen, wanted, `${first + chosen}-${end}`));
  }

  /** The chosen lines, and what to say of the others. */
  private shown(values: Uint8Array, rest: string): Uint8Array {
    const text = new TextBuffer();
    const lines = new Lines(this.text);
    while (lines.next()) {
      if (values[lines.number - 1] == isChosen) addLine(text, lines);
    }
    text.addText(rest);
    if (rest.length == 0) text.length--;
    return text.bytes;
  }

  /** Chooses lines of one value until one does not fit; returns the room left. */
  private choose(values: Uint8Array, value: u8, room: i32): i32 {
    const lines = new Lines(this.text);
    while (lines.next()) {
      if (values[lines.number - 1] != value) continue;
      const length = shownBytes(lines);
      if (length > room) break;
      values[lines.number - 1] = isChosen;
      room -= length;
    }
    return room;
  }

  /** Writes down what each line is worth. The names inside `export { … }` are exports too. */
  private judge(values: Uint8Array): void {
    const lines = new Lines(this.text);
    let isInList: bool = false;
    while (lines.next()) {
      const isExporting: bool = isInList || exportsSomething(lines.start, lines.end);
      values[lines.number - 1] = valueOf(lines.start, lines.end, isExporting);
      if (isInList) isInList = find(closeBrace, lines.start, lines.end) == lines.end;
      else isInList = isExporting && opensList(lines.start, lines.end);
    }
  }
}

function countOf(value: u8, values: Uint8Array): i32 {
  let count = 0;
  for (let i = 0; i < values.length; i++) count += values[i] == value ? 1 : 0;
  return count;
}

/** The last line of what is not whole. */
function restLine(path: string, chosen: i32, wanted: i32, rest: string): string {
  return `... ${chosen} of ${wanted} lines shown; read ${path}:${rest} for the rest`;
}

function valueOf(start: usize, end: usize, isExporting: bool): u8 {
  if (isMarked(start, end)) return isMark;
  if (isExporting) return isExport;
  return declaresSomething(start, end) || isHeading(start, end) ? isDeclaration : isOther;
}

/** Whether the line ends in the brace of `export {` or `export type {`. */
function opensList(start: usize, end: usize): bool {
  const brace = find(openBrace, start, end);
  if (brace == end || find(closeBrace, brace, end) != end) return false;
  const words = textOf(start, brace).trim();
  return words == 'export' || words == 'export type';
}

/** Bytes of a line as it is shown, with its newline. */
function shownBytes(lines: Lines): i32 {
  const cut = afterCharacters(lineCharacters, lines.start, lines.end);
  return digits(lines.number) + 2 + <i32>(cut - lines.start) + (cut < lines.end ? ellipsisBytes : 0) + 1;
}

function addLine(text: TextBuffer, lines: Lines): void {
  const cut = afterCharacters(lineCharacters, lines.start, lines.end);
  text.addText(`${lines.number.toString()}: `);
  text.addBytes(lines.start, cut);
  if (cut < lines.end) text.addText(ellipsis);
  text.addText('\n');
}

function digits(number: i32): i32 {
  let count = 1;
  for (; number >= 10; number /= 10) count++;
  return count;
}
