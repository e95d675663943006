/**
 * UTF-8 as the standard has it: no overlong form, no surrogate, nothing beyond U+10FFFF. What a tool returns is
 * always valid; where its source is not, U+FFFD stands.
 */

import { find } from './characters';

/** Length of the valid character at `at`, or 0. */
export function characterLength(at: usize, end: usize): i32 {
  const first = load<u8>(at);
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (end - at < <usize>length) return 0;
  const second = load<u8>(at + 1);
  let least: u8 = 0x80;
  let most: u8 = 0xbf;
  if (first == 0xe0) least = 0xa0;
  else if (first == 0xed) most = 0x9f;
  else if (first == 0xf0) least = 0x90;
  else if (first == 0xf4) most = 0x8f;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) {
    if ((load<u8>(at + i) & 0xc0) != 0x80) return 0;
  }
  return length;
}

export function isUtf8(bytes: Uint8Array): bool {
  let at = bytes.dataStart;
  const end = at + bytes.length;
  while (at < end) {
    // Most text is ASCII: eight characters at a time.
    if (at + 8 <= end && (load<u64>(at) & 0x8080_8080_8080_8080) == 0) {
      at += 8;
      continue;
    }
    const length = characterLength(at, end);
    if (length == 0) return false;
    at += length;
  }
  return true;
}

/** Text holds no NUL; what does is an image, an archive, a program or UTF-16. */
export function isBinary(bytes: Uint8Array): bool {
  const end = bytes.dataStart + bytes.length;
  return find(0, bytes.dataStart, end) != end;
}

/** Where so many characters end, or `end`. */
export function afterCharacters(count: i32, at: usize, end: usize): usize {
  for (; count > 0 && at < end; count--) at += max(1, characterLength(at, end));
  return at;
}

/** The text behind a byte order mark. */
export function withoutMark(bytes: Uint8Array): Uint8Array {
  const hasMark = bytes.length >= 3 && bytes[0] == 0xef && bytes[1] == 0xbb && bytes[2] == 0xbf;
  return hasMark ? bytes.subarray(3) : bytes;
}
