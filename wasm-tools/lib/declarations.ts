/**
 * Which lines of code declare something, told from the line alone and without knowing its language: first words such
 * as `export`, `pub` or `static`, then one such as `class`, `def` or `fn`, then the name. It is a matter of ranking
 * and of outlines, so a rare mistake costs little.
 */

import {
  closeParenthesis,
  colon,
  find,
  hash,
  isBlank,
  isWord,
  openBrace,
  openParenthesis,
  skipBlanks,
  star,
  startsWith,
  textOf,
  trimmedEnd,
  wordEnd,
} from './characters';
import { wordSet } from './wordSet';

const keywords = wordSet(
  'function class const let var interface type enum namespace module def defn defp defmodule func fun fn struct ' +
    'trait union mod macro_rules record object protocol val typealias define macro',
);
const modifiers = wordSet(
  'export default declare async abstract public private protected internal static final pub unsafe extern readonly ' +
    'inline virtual override open sealed partial local data get set accessor typedef constexpr mut',
);
/** Words that no declaration of a function or a method begins with. */
const statements = wordSet(
  'return new await throw else yield typeof case in of if elif while for do switch with except catch match delete ' +
    'not and or import from print assert raise when until unless using super this self',
);

const longestKeyword: usize = 11;
const equals: u8 = 0x3d;
const openAngle: u8 = 0x3c;
const closeAngle: u8 = 0x3e;
const minus: u8 = 0x2d;

/** The words that a line begins with, up to what they are about. */
export class Opening {
  constructor(
    /** Where what is declared begins. */
    readonly end: usize,
    readonly hasKeyword: bool,
    readonly hasModifier: bool,
  ) {}
}

/** Reads the first words of a line, at most up to `end`. */
export function openingOf(start: usize, end: usize): Opening {
  let at = skipBlanks(start, end);
  let hasKeyword = false;
  let hasModifier = false;
  if (startsWith(at, end, '#define ')) at++;
  if (startsWith(at, end, 'module.exports.')) at += 7;
  if (startsWith(at, end, 'exports.')) {
    at += 8;
    hasModifier = true;
  }
  while (at < end) {
    const to = wordEnd(at, end);
    if (to == at || to - at > longestKeyword) break;
    const word = textOf(at, to);
    const isKeyword = keywords.has(word);
    if (!isKeyword && !modifiers.has(word)) break;
    if (isKeyword) hasKeyword = true;
    else hasModifier = true;
    at = afterAdditions(to, end);
  }
  return new Opening(min(at, end), hasKeyword, hasModifier);
}

/** Behind a word: the `(crate)` of `pub`, the receiver of `func`, the star of a generator. */
function afterAdditions(at: usize, end: usize): usize {
  if (at < end && load<u8>(at) == 0x21) at++;
  at = skipBlanks(at, end);
  if (at < end && load<u8>(at) == star) at = skipBlanks(at + 1, end);
  if (at < end && load<u8>(at) == openParenthesis) at = skipBlanks(find(closeParenthesis, at, end) + 1, end);
  return at;
}

/** Whether the line declares a function, a class, a type, a constant: anything that has a name. */
export function declaresSomething(start: usize, end: usize): bool {
  const opening = openingOf(start, end);
  return opening.hasKeyword && opening.end < end && isWord(load<u8>(opening.end));
}

/** Whether the line declares the word from `at` to `to`, which is whole. */
export function declares(start: usize, end: usize, at: usize, to: usize): bool {
  const opening = openingOf(start, at);
  if (opening.end == at) {
    if (opening.hasKeyword) return true;
    const isMember = opening.hasModifier || at == start;
    if (isMember && startsValue(to, end)) return true;
  }
  return startsLikeFunction(opening.end, at) && goesOnLikeFunction(to, end);
}

/** Whether `= value`, `: type` or `?: type` follows. */
function startsValue(at: usize, end: usize): bool {
  if (at < end && (load<u8>(at) == 0x3f || load<u8>(at) == 0x21)) at++;
  at = skipBlanks(at, end);
  if (at >= end) return false;
  const byte = load<u8>(at);
  const next = at + 1 < end ? load<u8>(at + 1) : 0;
  if (byte == equals) return next != equals && next != closeAngle;
  return byte == colon && next != colon;
}

/** Whether there is nothing or only types before a name: `int *`, `public Map<String, T>`. */
function startsLikeFunction(at: usize, name: usize): bool {
  while (at < name) {
    const byte = load<u8>(at);
    if (isWord(byte)) {
      const to = wordEnd(at, name);
      if (statements.has(textOf(at, to))) return false;
      at = to;
    } else if (isBlank(byte) || byte == star || byte == colon || isTypePunctuation(byte)) {
      at++;
    } else {
      return false;
    }
  }
  return true;
}

function isTypePunctuation(byte: u8): bool {
  return (
    byte == openAngle || byte == closeAngle || byte == 0x5b || byte == 0x5d || byte == 0x2c || byte == 0x26
  );
}

/** Whether parameters follow, and then a body or a result's type: `(a, b) {`, `<T>(a: T): T`, `(x) -> int`. */
function goesOnLikeFunction(at: usize, end: usize): bool {
  if (at < end && load<u8>(at) == openAngle) at = afterBrackets(at, end, openAngle, closeAngle);
  if (at >= end || load<u8>(at) != openParenthesis) return false;
  at = skipBlanks(afterBrackets(at, end, openParenthesis, closeParenthesis), end);
  if (at >= end) return false;
  const byte = load<u8>(at);
  return (
    byte == openBrace ||
    byte == colon ||
    (byte == minus && startsWith(at, end, '->')) ||
    (isWord(byte) && load<u8>(trimmedEnd(at, end) - 1) == openBrace)
  );
}

function afterBrackets(at: usize, end: usize, opening: u8, closing: u8): usize {
  let depth = 0;
  for (; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == opening) depth++;
    else if (byte == closing && --depth == 0) return at + 1;
  }
  return end;
}

/** Whether the line offers something to other files. */
export function exportsSomething(start: usize, end: usize): bool {
  const at = skipBlanks(start, end);
  if (startsWith(at, end, 'module.exports') || startsWith(at, end, 'exports.')) return true;
  if (startsWith(at, end, 'pub ') || startsWith(at, end, 'pub(') || startsWith(at, end, '__all__'))
    return true;
  if (!startsWith(at, end, 'export')) return false;
  return at + 6 == end || !isWord(load<u8>(at + 6));
}

/** Whether the line is a Markdown heading. */
export function isHeading(start: usize, end: usize): bool {
  let at = start;
  while (at < end && load<u8>(at) == hash) at++;
  return at > start && at - start <= 6 && at < end && isBlank(load<u8>(at));
}

/** Whether the line holds the word TODO or FIXME. */
export function isMarked(start: usize, end: usize): bool {
  for (let at = start; at + 4 <= end; at++) {
    const length = startsWith(at, end, 'TODO') ? 4 : startsWith(at, end, 'FIXME') ? 5 : 0;
    if (length == 0) continue;
    if (at > start && isWord(load<u8>(at - 1))) continue;
    if (at + length >= end || !isWord(load<u8>(at + length))) return true;
  }
  return false;
}
