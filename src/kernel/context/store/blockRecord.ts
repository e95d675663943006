/**
 * A block as plain text and back. Every string is escaped to printable ASCII and a vector is kept as the bytes of its
 * numbers, so that no medium has a reason to change either: control characters, half surrogates and all. What is read
 * is checked, since it comes from a disk or from another machine. Pure.
 */

import { z } from 'zod';
import type { StoredBlock } from './blockStore.js';

const sourceSchema = z.strictObject({
  kind: z.enum(['system', 'task', 'message', 'toolCall', 'toolResult', 'file']),
  tool: z.string().exactOptional(),
  path: z.string().exactOptional(),
  lines: z.tuple([z.int(), z.int()]).exactOptional(),
  version: z.string().exactOptional(),
});

const recordSchema = z.strictObject({
  id: z.string(),
  owner: z.string(),
  workspace: z.string(),
  position: z.number(),
  text: z.string(),
  source: sourceSchema,
  /** Base64 of 32-bit numbers, little-endian. */
  vector: z.string().exactOptional(),
  at: z.number(),
});

export function encodeBlock({ vector, ...rest }: StoredBlock): string {
  return toAscii(JSON.stringify(vector === undefined ? rest : { ...rest, vector: vectorToText(vector) }));
}

/** @returns undefined when it is no block */
export function decodeBlock(text: string): StoredBlock | undefined {
  const { data } = recordSchema.safeParse(parseJson(text));
  if (data === undefined) return undefined;
  const { vector, ...rest } = data;
  return { ...rest, vector: vector === undefined ? undefined : vectorFromText(vector) };
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** JSON text with everything beyond printable ASCII escaped: it means the same. */
function toAscii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function vectorToText(vector: Float32Array): string {
  const bytes = Buffer.from(
    Uint8Array.from(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)),
  );
  return (isLittleEndian ? bytes : bytes.swap32()).toString('base64');
}

function vectorFromText(text: string): Float32Array {
  const bytes = Buffer.from(text, 'base64');
  const whole = bytes.subarray(0, bytes.length - (bytes.length % 4));
  const own = Uint8Array.from(isLittleEndian ? whole : Buffer.from(whole).swap32());
  return new Float32Array(own.buffer);
}
