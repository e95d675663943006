/** What `path` asks for: a file, or some of its lines as `path:40-92` or `path:40`. */

import { colon, isDigit } from '../lib/characters';

const minus = 0x2d;

export class Request {
  constructor(
    readonly path: string,
    /** First and last line asked for; 0 when it is the whole file. */
    readonly first: i32,
    readonly last: i32,
  ) {}

  get isWhole(): bool {
    return this.first == 0;
  }
}

export function parseRequest(text: string): Request {
  const lastAt = numberStart(text, text.length);
  if (lastAt == text.length || lastAt < 2) return new Request(text, 0, 0);
  const last = numberFrom(text, lastAt, text.length);
  const separator = text.charCodeAt(lastAt - 1);
  if (separator == <i32>colon) return new Request(text.substring(0, lastAt - 1), last, last);
  const firstAt = numberStart(text, lastAt - 1);
  const isRange = separator == minus && firstAt < lastAt - 1 && firstAt > 1;
  if (!isRange || text.charCodeAt(firstAt - 1) != <i32>colon) return new Request(text, 0, 0);
  return new Request(text.substring(0, firstAt - 1), numberFrom(text, firstAt, lastAt - 1), last);
}

function numberStart(text: string, end: i32): i32 {
  while (end > 0 && text.charCodeAt(end - 1) < 0x80 && isDigit(<u8>text.charCodeAt(end - 1))) end--;
  return end;
}

/** Lines are counted from 1. More digits than any file has lines mean the end. */
function numberFrom(text: string, start: i32, end: i32): i32 {
  return end - start > 9 ? i32.MAX_VALUE : max(1, I32.parseInt(text.substring(start, end)));
}
