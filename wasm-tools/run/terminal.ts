/**
 * What a program printed, as a person would read it: without colours, cursor movements and control characters, with
 * a line that was printed over (a progress bar) as it last was, and as valid UTF-8. The end matters most.
 */

import { blank, carriageReturn, newline, tab } from '../lib/characters';
import { TextBuffer } from '../lib/textBuffer';
import { afterCharacters, characterLength } from '../lib/utf8';

const bell: u8 = 0x07;
const escape: u8 = 0x1b;
const openBracket: u8 = 0x5b;
const closeBracket: u8 = 0x5d;
const lineCharacters = 400;

/** The lines that can be read, without empty ones at the end. */
export function readableLines(output: Uint8Array): Uint8Array[] {
  const lines: Uint8Array[] = [];
  let at = output.dataStart;
  const end = at + output.length;
  let line = new TextBuffer();
  let isOver = false;
  while (at < end) {
    const byte = load<u8>(at);
    if (byte == newline) {
      lines.push(line.bytes);
      line = new TextBuffer();
      isOver = false;
      at++;
    } else if (byte == carriageReturn) {
      isOver = true;
      at++;
    } else if (byte == escape) {
      at = afterSequence(at + 1, end);
    } else {
      const length = characterLength(at, end);
      if (length == 0 || isPrinted(at, byte)) {
        // Printed over what stood there.
        if (isOver) line.length = 0;
        isOver = false;
        if (length == 0) line.addReplacement();
        else line.addBytes(at, at + length);
      }
      at += max(1, length);
    }
  }
  lines.push(line.bytes);
  while (lines.length > 0 && isEmpty(lines[lines.length - 1])) lines.pop();
  return lines;
}

/** Neither a control character nor one of the second set, U+0080 to U+009F. */
function isPrinted(at: usize, byte: u8): bool {
  if (byte < 0x80) return (byte >= blank && byte != 0x7f) || byte == tab;
  return !(byte == 0xc2 && load<u8>(at + 1) < 0xa0);
}

/** Behind an escape sequence, whose first byte was the escape. One that does not end takes the rest. */
function afterSequence(at: usize, end: usize): usize {
  if (at >= end) return end;
  const kind = load<u8>(at++);
  if (kind == openBracket) {
    while (at < end && load<u8>(at) >= 0x20 && load<u8>(at) < 0x40) at++;
    return min(at + 1, end);
  }
  // Titles, links and the like: text up to a bell or `ESC \`.
  if (kind == closeBracket || kind == 0x50 || kind == 0x58 || kind == 0x5e || kind == 0x5f) {
    for (; at < end; at++) {
      const byte = load<u8>(at);
      if (byte == bell) return at + 1;
      if (byte == escape) return min(at + 2, end);
    }
    return end;
  }
  while (kind >= 0x20 && kind < 0x30 && at < end && load<u8>(at) >= 0x20 && load<u8>(at) < 0x30) at++;
  return kind >= 0x20 && kind < 0x30 ? min(at + 1, end) : at;
}

function isEmpty(line: Uint8Array): bool {
  for (let i = 0; i < line.length; i++) {
    if (line[i] > blank) return false;
  }
  return true;
}

/** The lines and `ending`; where they do not fit, the first and the last of them, the last being three times as many. */
export function fitted(lines: Uint8Array[], ending: string, budget: i32): Uint8Array {
  for (let i = 0; i < lines.length; i++) lines[i] = cut(lines[i]);
  let room = budget - ending.length;
  let total = 0;
  for (let i = 0; i < lines.length; i++) total += lines[i].length + 1;
  let first = lines.length;
  let last = lines.length;
  if (total > room) {
    room -= leftOutLine(lines.length).length;
    let headRoom = room / 4;
    for (first = 0; lines[first].length + 1 <= headRoom; first++) headRoom -= lines[first].length + 1;
    let tailRoom = room - room / 4 + headRoom;
    for (; last > first && lines[last - 1].length + 1 <= tailRoom; last--)
      tailRoom -= lines[last - 1].length + 1;
  }
  const text = new TextBuffer(max(budget, 16));
  for (let i = 0; i < lines.length; i++) {
    if (i == first) text.addText(leftOutLine(last - first));
    if (i >= first && i < last) continue;
    text.addAll(lines[i]);
    text.addByte(newline);
  }
  text.addText(ending);
  return text.bytes;
}

function leftOutLine(count: i32): string {
  return `... ${count} ${count == 1 ? 'line' : 'lines'} left out\n`;
}

function cut(line: Uint8Array): Uint8Array {
  const start = line.dataStart;
  const end = start + line.length;
  const at = afterCharacters(lineCharacters, start, end);
  if (at == end) return line;
  const short = new TextBuffer();
  short.addBytes(start, at);
  short.addText('…');
  return short.bytes;
}
