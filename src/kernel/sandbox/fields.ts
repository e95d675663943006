/**
 * A list of byte strings as one: each preceded by its length (u32, little-endian). Everything that crosses between
 * the kernel and a tool module has this form, since it holds any text and any bytes. The module's side is in
 * `wasm-tools/lib/fields.ts`. What a module sends is checked and never trusted.
 */

import { KernelError } from '../../shared/errors.js';

const lengthBytes = 4;

export function encodeFields(fields: readonly (string | Uint8Array)[]): Uint8Array {
  const parts = fields.map((field) => (typeof field === 'string' ? Buffer.from(field) : field));
  const all = new Uint8Array(parts.reduce((size, part) => size + lengthBytes + part.length, 0));
  const view = new DataView(all.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    all.set(part, at + lengthBytes);
    at += lengthBytes + part.length;
  }
  return all;
}

/** @throws KernelError `badRequest` when a length reaches beyond the end. */
export function decodeFields(all: Uint8Array): Uint8Array[] {
  const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
  const fields: Uint8Array[] = [];
  for (let at = 0; at < all.length;) {
    const start = at + lengthBytes;
    const end = start <= all.length ? start + view.getUint32(at, true) : Infinity;
    if (end > all.length) throw new KernelError('badRequest', 'the request of the tool is malformed');
    fields.push(all.subarray(start, end));
    at = end;
  }
  return fields;
}

/** @throws KernelError `badRequest` when the bytes are not UTF-8. */
export function textOf(field: Uint8Array | undefined): string {
  if (field === undefined) throw new KernelError('badRequest', 'the request of the tool lacks a field');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(field);
  } catch (error) {
    throw new KernelError('badRequest', 'the request of the tool is not UTF-8', { cause: error });
  }
}
