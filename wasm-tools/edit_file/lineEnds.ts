/** Models write line ends as LF. In a file that has CRLF, so do these texts, or nothing of two lines would be found. */

import { carriageReturn, find, newline } from '../lib/characters';
import { TextBuffer } from '../lib/textBuffer';

/** The text with the line ends of the file. */
export function withLineEndsOf(file: Uint8Array, text: Uint8Array): Uint8Array {
  const start = text.dataStart;
  const end = start + text.length;
  const isPlain = find(newline, start, end) == end || find(carriageReturn, start, end) != end;
  if (isPlain || !hasReturns(file)) return text;
  const converted = new TextBuffer(text.length + 16);
  for (let at = start; at < end; at++) {
    const byte = load<u8>(at);
    if (byte == newline) converted.addByte(carriageReturn);
    converted.addByte(byte);
  }
  return converted.bytes;
}

/** Whether the first line ends in CRLF. */
function hasReturns(file: Uint8Array): bool {
  const start = file.dataStart;
  const end = start + file.length;
  const at = find(newline, start, end);
  return at < end && at > start && load<u8>(at - 1) == carriageReturn;
}
