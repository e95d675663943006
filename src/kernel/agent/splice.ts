/**
 * A changed text in the tokens of the text before: what did not change keeps its tokens, and only what did, with the
 * tokens that its edges cut through, is tokenised. Which tokens became which others is said in the places of before.
 * Pure.
 */

import type { InferenceDriver, Token } from '../../hal/driver.js';
import type { Edit } from '../scheduler/job.js';
import type { ComputedText } from './computedText.js';
import { changesBetween, type TextChange } from './textChanges.js';
import { TextStream } from './textStream.js';

export interface Spliced {
  readonly tokens: Token[];
  readonly edits: readonly Edit[];
}

type Tokenizer = Pick<InferenceDriver, 'tokenize' | 'detokenize'>;

/** Undefined where the tokens of before do not spell its text. */
export function splice(before: ComputedText, text: string, driver: Tokenizer): Spliced | undefined {
  const borders = bordersOf(before, driver);
  if (borders === undefined) return undefined;
  const seams = joined(changesBetween(before.text, text), borders);
  const tokens: Token[] = [];
  const edits: Edit[] = [];
  let at = 0;
  for (const { first, end, changes } of seams) {
    tokens.push(...before.tokens.slice(at, first));
    const fresh = driver.tokenize(
      seamText(before.text, borders, first, end, changes),
      first === 0 ? 'nothing' : 'text',
    );
    tokens.push(...fresh);
    // After the last token of before nothing is wanted as it was.
    if (end < before.tokens.length) edits.push({ start: first, end, tokens: fresh });
    at = end;
  }
  tokens.push(...before.tokens.slice(at));
  return { tokens, edits };
}

/** Where each token begins in the text, and where the last one ends; undefined for one that begins inside a character. */
type Borders = readonly (number | undefined)[];

/** Characters that Unicode keeps for internal use mark a text and are spelt by no token. */
const isMark = (code: number): boolean => code >= 0xfdd0 && code <= 0xfdef;

function bordersOf({ text, tokens }: ComputedText, driver: Tokenizer): Borders | undefined {
  const stream = new TextStream((some) => driver.detokenize(some));
  const borders: (number | undefined)[] = [0];
  let at = 0;
  const advance = (piece: string): boolean => {
    for (let index = 0; index < piece.length; index++, at++) {
      while (text.charCodeAt(at) !== piece.charCodeAt(index) && isMark(text.charCodeAt(at))) at++;
      if (text.charCodeAt(at) !== piece.charCodeAt(index)) return false;
    }
    return true;
  };
  for (const token of tokens) {
    const piece = stream.push(token);
    if (!advance(piece)) return undefined;
    borders.push(piece === '' ? undefined : at);
  }
  if (!advance(stream.end())) return undefined;
  while (isMark(text.charCodeAt(at))) at++;
  if (at !== text.length) return undefined;
  borders[tokens.length] = at;
  return borders;
}

/** Changes that cut through the same tokens. */
interface Seam {
  readonly first: number;
  readonly end: number;
  readonly changes: readonly TextChange[];
}

function joined(changes: readonly TextChange[], borders: Borders): Seam[] {
  const seams: Seam[] = [];
  let from = 0;
  for (const change of changes) {
    const first = lastBorder(borders, change.start, from);
    const end = firstBorder(borders, change.end, first);
    const before = seams.at(-1);
    if (before !== undefined && first < before.end) {
      const both = { first: before.first, end: Math.max(before.end, end) };
      seams[seams.length - 1] = { ...both, changes: [...before.changes, change] };
    } else {
      seams.push({ first, end, changes: [change] });
    }
    from = first;
  }
  return seams;
}

/** The last token that begins at or before a place. */
function lastBorder(borders: Borders, place: number, from: number): number {
  let last = from;
  for (let index = from; index < borders.length; index++) {
    const border = borders[index];
    if (border === undefined) continue;
    if (border > place) break;
    last = index;
  }
  return last;
}

/** The first token that begins at or after a place. */
function firstBorder(borders: Borders, place: number, from: number): number {
  for (let index = from; index < borders.length; index++) {
    const border = borders[index];
    if (border !== undefined && border >= place) return index;
  }
  return borders.length - 1;
}

function seamText(
  text: string,
  borders: Borders,
  first: number,
  end: number,
  changes: readonly TextChange[],
): string {
  const parts: string[] = [];
  let at = borders[first] ?? 0;
  for (const change of changes) {
    parts.push(text.slice(at, change.start), change.text);
    at = change.end;
  }
  return `${parts.join('')}${text.slice(at, borders[end] ?? text.length)}`;
}
