/**
 * Takes tokens out of a sequence of the engine, and puts others elsewhere, without computing any: cells are removed
 * and the rest gets new positions. The engine turns the keys to them in its next batch, in one pass over the cache of
 * all sequences, however many ranges moved. What each token saw when it was computed stays as it was.
 *
 * The library can erase but not move, so this uses two methods of its native context and the fields in which it counts,
 * which are not public: it belongs to the one pinned release, and refuses a release that has not got them.
 */

import type { LlamaContextSequence, Token as EngineToken } from 'node-llama-cpp';
import { KernelError } from '../../shared/errors.js';
import type { TokenRange } from '../driver.js';

interface NativeContext {
  removeTokenCellsFromSequence(sequence: number, start: number, end: number): boolean;
  /** Adds to the positions from `start` up to but without `end`. */
  shiftSequenceTokenCells(sequence: number, start: number, end: number, by: number): void;
}

/** What the library keeps of a sequence. */
interface SequenceBooks {
  readonly _sequenceId: number;
  readonly _context: { readonly _ctx: NativeContext };
  _contextTokens: EngineToken[];
  _nextTokenIndex: number;
}

/** Positions where nothing lies: ranges go there before they come to their place, so that none is taken for another. */
const aside = 1 << 24;

/**
 * Leaves exactly these ranges, in this order. They lie within the sequence and apart from each other.
 * @throws KernelError `deviceFailed` when the engine refuses; the sequence is then of no use
 */
export function rearrange(sequence: LlamaContextSequence, ranges: readonly TokenRange[]): void {
  const books = booksOf(sequence);
  const { _sequenceId: id, _contextTokens: tokens } = books;
  const native = books._context._ctx;
  for (const { start, end } of gapsBetween(ranges, tokens.length)) {
    if (!native.removeTokenCellsFromSequence(id, start, end)) {
      throw new KernelError('deviceFailed', `the engine keeps tokens ${start} to ${end} of sequence ${id}`);
    }
  }
  const kept: EngineToken[] = [];
  let isMoved = false;
  for (const { start, end } of ranges) {
    const by = kept.length - start;
    if (by !== 0) native.shiftSequenceTokenCells(id, start, end, aside + by);
    isMoved ||= by !== 0;
    for (const token of tokens.slice(start, end)) kept.push(token);
  }
  if (isMoved) native.shiftSequenceTokenCells(id, aside, aside + kept.length, -aside);
  books._contextTokens = kept;
  books._nextTokenIndex = kept.length;
}

function gapsBetween(ranges: readonly TokenRange[], length: number): TokenRange[] {
  const gaps: TokenRange[] = [];
  let end = 0;
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    if (range.start > end) gaps.push({ start: end, end: range.start });
    end = range.end;
  }
  if (end < length) gaps.push({ start: end, end: length });
  return gaps;
}

/** @throws KernelError `bug` when the library is another release than the one this was made for. */
function booksOf(sequence: LlamaContextSequence): SequenceBooks {
  const books = sequence as unknown as Partial<SequenceBooks>;
  const native: Partial<NativeContext> | undefined = books._context?._ctx;
  const isKnown =
    typeof books._sequenceId === 'number' &&
    Array.isArray(books._contextTokens) &&
    books._nextTokenIndex === books._contextTokens.length &&
    typeof native?.removeTokenCellsFromSequence === 'function' &&
    typeof native.shiftSequenceTokenCells === 'function';
  if (!isKnown) {
    throw new KernelError('bug', 'the engine library is not the release that this program was built for');
  }
  return books as SequenceBooks;
}
