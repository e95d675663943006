/**
 * Pieces of a file that prove that they are whole: mark (4 bytes), length of the content (u32, little-endian), the
 * first 8 bytes of the content's SHA-256, content. The mark's first byte is in no text, so that behind damage the next
 * piece is found again: pieces do not depend on each other, and one that is damaged takes no other along. Reading many lets others run meanwhile.
 */

import { createHash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';

const mark = Buffer.from([0xf5, 0x41, 0x4d, 0x4b]);
const digestBytes = 8;
const headBytes = mark.length + 4 + digestBytes;

export interface Piece {
  readonly content: Uint8Array;
  /** Of the file, head included. */
  readonly bytes: number;
}

export interface Pieces {
  readonly pieces: readonly Piece[];
  /** Up to there every piece is whole. */
  readonly goodBytes: number;
  /** Bytes that are in no piece that is whole. */
  readonly lostBytes: number;
  /** Whether whole pieces come after lost bytes; else the end alone is missing, as when the power went. */
  readonly isBroken: boolean;
}

export function encodePiece(content: Uint8Array): Uint8Array {
  const head = Buffer.alloc(headBytes);
  mark.copy(head);
  head.writeUInt32LE(content.length, mark.length);
  digestOf(content).copy(head, mark.length + 4);
  return Buffer.concat([head, content]);
}

export async function readPieces(file: Uint8Array, sliceMs: number): Promise<Pieces> {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const pieces: Piece[] = [];
  let [at, goodBytes, lostBytes] = [0, 0, 0];
  let sliceBegan = performance.now();
  while (at < bytes.length) {
    if (performance.now() - sliceBegan > sliceMs) {
      await nextTurn();
      sliceBegan = performance.now();
    }
    const piece = readPiece(bytes, at);
    if (piece === undefined) {
      const next = nextPiece(bytes, at + 1);
      lostBytes += next - at;
      at = next;
      continue;
    }
    pieces.push(piece);
    at += piece.bytes;
    if (lostBytes === 0) goodBytes = at;
  }
  return { pieces, goodBytes, lostBytes, isBroken: goodBytes + lostBytes < bytes.length };
}

function readPiece(file: Buffer, start: number): Piece | undefined {
  const from = start + headBytes;
  if (from > file.length || !file.subarray(start, start + mark.length).equals(mark)) return undefined;
  const to = from + file.readUInt32LE(start + mark.length);
  if (to > file.length) return undefined;
  const content = file.subarray(from, to);
  const isWhole = digestOf(content).equals(file.subarray(from - digestBytes, from));
  return isWhole ? { content, bytes: to - start } : undefined;
}

/** Where the next whole piece begins, or the end. */
function nextPiece(file: Buffer, start: number): number {
  for (let at = file.indexOf(mark, start); at !== -1; at = file.indexOf(mark, at + 1)) {
    if (readPiece(file, at) !== undefined) return at;
  }
  return file.length;
}

function digestOf(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest().subarray(0, digestBytes);
}
