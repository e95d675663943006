/**
 * Lines that prove that they are whole: `<length> <digest> <text>` and a line feed. The length is that of the text
 * in bytes, the digest the first 16 hex digits of the SHA-256 of the file's own id and the text, so that a line of
 * another file is no line of this one. Reading goes as far as every line is good, and tells what was behind.
 */

import { createHash } from 'node:crypto';

const lineFeed = 0x0a;
const digestDigits = 16;
const head = /^(\d{1,10}) ([0-9a-f]{16}) /;
/** Longest that `head` can match. */
const maxHeadBytes = 10 + 1 + digestDigits + 1;

export interface Frame {
  readonly text: string;
  /** What the line takes, all included. */
  readonly bytes: number;
}

/** Bytes that are no lines any more, at the end of what is good. */
export interface Damage {
  /** `torn`: nothing good comes after it, as when the power went while it was written. `broken`: good lines do. */
  readonly kind: 'torn' | 'broken';
  /** Where it begins: what is before is good. */
  readonly atByte: number;
  readonly lostBytes: number;
  /** Lines behind it that are good in themselves, and that are lost since what came before them is missing. */
  readonly later: readonly Frame[];
}

export interface Frames {
  readonly frames: readonly Frame[];
  readonly goodBytes: number;
  readonly damage: Damage | undefined;
}

/** @param id of the file; empty for the line that tells it */
export function encodeFrame(text: string, id: string): Uint8Array {
  const bytes = Buffer.from(text);
  return Buffer.concat([
    Buffer.from(`${bytes.length} ${digestOf(bytes, id)} `),
    bytes,
    Buffer.from([lineFeed]),
  ]);
}

/** Reads lines from `start` on. */
export function readFrames(file: Uint8Array, id: string, start = 0): Frames {
  const frames: Frame[] = [];
  let at = start;
  for (;;) {
    const frame = readFrame(file, id, at);
    if (frame === undefined) break;
    frames.push(frame);
    at += frame.bytes;
  }
  if (at === file.length) return { frames, goodBytes: at, damage: undefined };
  const later = goodFramesAfter(file, id, at);
  const kind = later.length === 0 ? 'torn' : 'broken';
  return { frames, goodBytes: at, damage: { kind, atByte: at, lostBytes: file.length - at, later } };
}

/** The line that begins there, if it is one. */
export function readFrame(file: Uint8Array, id: string, start: number): Frame | undefined {
  const match = head.exec(textOf(file.subarray(start, start + maxHeadBytes), 'latin1'));
  const [prefix, length, digest] = match ?? [];
  if (prefix === undefined) return undefined;
  const from = start + prefix.length;
  const to = from + Number(length);
  if (file[to] !== lineFeed) return undefined;
  const bytes = file.subarray(from, to);
  if (digestOf(bytes, id) !== digest) return undefined;
  return { text: textOf(bytes, 'utf8'), bytes: to + 1 - start };
}

/** A text holds no line feed, so that each one may be the end of a line. */
function goodFramesAfter(file: Uint8Array, id: string, start: number): Frame[] {
  const found: Frame[] = [];
  let at = start;
  for (;;) {
    const end = file.indexOf(lineFeed, at);
    if (end === -1) return found;
    at = end + 1;
    for (let frame = readFrame(file, id, at); frame !== undefined; frame = readFrame(file, id, at)) {
      found.push(frame);
      at += frame.bytes;
    }
  }
}

function textOf({ buffer, byteOffset, length }: Uint8Array, encoding: BufferEncoding): string {
  return Buffer.from(buffer, byteOffset, length).toString(encoding);
}

function digestOf(bytes: Uint8Array, id: string): string {
  return createHash('sha256').update(id).update(bytes).digest('hex').slice(0, digestDigits);
}
