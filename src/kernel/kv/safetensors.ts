/**
 * Reads and writes the safetensors format: u64 length of a JSON header, the header, the tensors one after the other.
 * The reader takes only what the writer writes, byte for byte: an unknown field, a repeated name, a gap, an overlap,
 * a size that its shape does not give or data that belongs to nothing is refused. What other writers of the format
 * leave to choice (order, spaces, types that are not here) is refused with it.
 */

import { messageOf, type KernelError } from '../../shared/errors.js';
import { stateInvalid } from './stateErrors.js';

export type Dtype = 'F32' | 'F16' | 'BF16' | 'I32' | 'U8';

export interface Tensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface Archive {
  readonly metadata: ReadonlyMap<string, string>;
  /** In the order of their data. */
  readonly tensors: ReadonlyMap<string, Tensor>;
}

interface HeaderEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [begin: number, end: number];
}

const elementBytes: Readonly<Record<Dtype, number>> = { F32: 4, F16: 2, BF16: 2, I32: 4, U8: 1 };
const metadataName = '__metadata__';
const lengthBytes = 8;
/** A thousand tensors take a hundred kilobytes. */
const maxHeaderBytes = 1024 * 1024;

export function writeSafetensors({ metadata, tensors }: Archive): Uint8Array {
  const header = encodeHeader({ metadata, tensors });
  const dataBytes = [...tensors.values()].reduce((sum, { data }) => sum + data.length, 0);
  const bytes = new Uint8Array(lengthBytes + header.length + dataBytes);
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, lengthBytes);
  let at = lengthBytes + header.length;
  for (const { data } of tensors.values()) {
    bytes.set(data, at);
    at += data.length;
  }
  return bytes;
}

/** Filled up with spaces, so that the data begins at a multiple of eight. */
function encodeHeader({ metadata, tensors }: Archive): Uint8Array {
  const entries: [string, unknown][] = [];
  if (metadata.size > 0) entries.push([metadataName, Object.fromEntries(metadata)]);
  let at = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    entries.push([name, { dtype, shape, data_offsets: [at, at + data.length] } satisfies HeaderEntry]);
    at += data.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  return padded;
}

/**
 * The tensors are views of the bytes.
 * @throws KernelError `stateInvalid`
 */
export function readSafetensors(bytes: Uint8Array): Archive {
  const headerBytes = headerLength(bytes);
  const header = bytes.subarray(lengthBytes, lengthBytes + headerBytes);
  const data = bytes.subarray(lengthBytes + headerBytes);
  const archive = archiveOf(parseHeader(header), data);
  if (!isEqual(encodeHeader(archive), header)) {
    throw stateInvalid('the header of the safetensors file is not in its plain form');
  }
  return archive;
}

function headerLength(bytes: Uint8Array): number {
  if (bytes.length < lengthBytes)
    throw stateInvalid(`a safetensors file of ${bytes.length} bytes has no header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > Math.min(maxHeaderBytes, bytes.length - lengthBytes)) {
    throw stateInvalid(`a safetensors file of ${bytes.length} bytes has a header of ${length} bytes`);
  }
  return length;
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    const header: unknown = JSON.parse(text);
    if (isRecord(header)) return header;
  } catch (error) {
    throw stateInvalid(`the header of the safetensors file is not JSON: ${messageOf(error)}`);
  }
  throw stateInvalid('the header of the safetensors file is not an object');
}

function archiveOf(header: Record<string, unknown>, data: Uint8Array): Archive {
  const metadata = new Map<string, string>();
  const tensors = new Map<string, Tensor>();
  let end = 0;
  for (const [name, value] of Object.entries(header)) {
    if (name === metadataName) {
      for (const [key, text] of Object.entries(isRecord(value) ? value : {})) {
        if (typeof text === 'string') metadata.set(key, text);
      }
      continue;
    }
    const entry = entryOf(name, value, end, data.length);
    [, end] = entry.data_offsets;
    tensors.set(name, { dtype: entry.dtype, shape: entry.shape, data: data.subarray(...entry.data_offsets) });
  }
  if (end !== data.length) throw stateInvalid(`the safetensors file has ${data.length - end} bytes too many`);
  return { metadata, tensors };
}

/** Judges all that is used of an entry before it is used; the comparison with the plain form finds the rest. */
function entryOf(name: string, value: unknown, begin: number, limit: number): HeaderEntry {
  const wrong = (what: string): KernelError => stateInvalid(`tensor ${JSON.stringify(name)} has ${what}`);
  if (!isRecord(value)) throw wrong('no description');
  const { dtype, shape, data_offsets: offsets } = value;
  if (!isDtype(dtype)) throw wrong('a type that is not known');
  if (!isCounts(shape)) throw wrong('no shape');
  if (!isCounts(offsets) || offsets.length !== 2) throw wrong('no place');
  const [from = 0, to = 0] = offsets;
  if (from !== begin || to < from || to > limit) throw wrong(`its data from ${from} to ${to}`);
  const size = shape.reduce((product, length) => product * length, elementBytes[dtype]);
  if (size !== to - from) throw wrong(`${to - from} bytes for the shape [${shape.join(', ')}] of ${dtype}`);
  return { dtype, shape, data_offsets: [from, to] };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isDtype = (value: unknown): value is Dtype =>
  typeof value === 'string' && Object.hasOwn(elementBytes, value);

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && Number(each) >= 0);

const isEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index]);
