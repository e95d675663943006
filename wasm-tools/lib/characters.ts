/**
 * Bytes of text by their meaning. Tools work on addresses, not on strings: a file is looked through in place, and
 * what is not UTF-8 stays what it is until it is shown.
 */

export const newline: u8 = 0x0a;
export const carriageReturn: u8 = 0x0d;
export const tab: u8 = 0x09;
export const blank: u8 = 0x20;
export const openParenthesis: u8 = 0x28;
export const closeParenthesis: u8 = 0x29;
export const star: u8 = 0x2a;
export const colon: u8 = 0x3a;
export const hash: u8 = 0x23;
export const openBrace: u8 = 0x7b;
export const closeBrace: u8 = 0x7d;

export function isLetter(byte: u8): bool {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

export function isDigit(byte: u8): bool {
  return byte >= 0x30 && byte <= 0x39;
}

/** Part of an identifier: a letter, a digit, `_`, `$`, or any part of a character beyond ASCII. */
export function isWord(byte: u8): bool {
  return isLetter(byte) || isDigit(byte) || byte == 0x5f || byte == 0x24 || byte >= 0x80;
}

export function isBlank(byte: u8): bool {
  return byte == blank || byte == tab;
}

export function toLower(byte: u8): u8 {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

export function skipBlanks(at: usize, end: usize): usize {
  while (at < end && isBlank(load<u8>(at))) at++;
  return at;
}

export function trimmedEnd(start: usize, end: usize): usize {
  while (end > start && load<u8>(end - 1) <= blank) end--;
  return end;
}

export function wordEnd(at: usize, end: usize): usize {
  while (at < end && isWord(load<u8>(at))) at++;
  return at;
}

/** Where the byte comes next, or `end`. */
export function find(byte: u8, at: usize, end: usize): usize {
  while (at < end && load<u8>(at) != byte) at++;
  return at;
}

export function startsWith(at: usize, end: usize, text: string): bool {
  if (end - at < <usize>text.length) return false;
  for (let i = 0; i < text.length; i++) {
    if (load<u8>(at + i) != <u8>text.charCodeAt(i)) return false;
  }
  return true;
}

export function textOf(start: usize, end: usize): string {
  return String.UTF8.decodeUnsafe(start, end - start);
}

/** Whether nothing that could be part of the same word touches the bytes from `at` to `to`. */
export function isWholeWord(at: usize, to: usize, start: usize, end: usize): bool {
  if (at > start && isWord(load<u8>(at)) && isWordCharacter(characterStart(at - 1, start), end)) return false;
  return !(to < end && isWord(load<u8>(to - 1)) && isWordCharacter(to, end));
}

/** Where the character begins that the byte at `at` belongs to. */
function characterStart(at: usize, start: usize): usize {
  while (at > start && (load<u8>(at) & 0xc0) == 0x80) at--;
  return at;
}

/** As {@link isWord}, for a whole character: quotes, dashes, blanks and byte order marks beyond ASCII end a word too. */
function isWordCharacter(at: usize, end: usize): bool {
  const first = load<u8>(at);
  const second: u8 = at + 1 < end ? load<u8>(at + 1) : 0;
  const third: u8 = at + 2 < end ? load<u8>(at + 2) : 0;
  // U+0080 to U+00BF: controls, the fixed blank, signs. U+2000 to U+207F: blanks and punctuation.
  if (first == 0xc2 || (first == 0xe2 && second <= 0x81)) return false;
  // U+3000 to U+303F: punctuation of Chinese and Japanese. U+FEFF: the byte order mark.
  if (first == 0xe3 && second == 0x80) return false;
  return !(first == 0xef && second == 0xbb && third == 0xbf) && isWord(first);
}
