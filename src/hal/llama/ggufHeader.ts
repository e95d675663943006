/**
 * Reads the header of a GGUF file: metadata, and how far its tensors reach. The file is judged here, in bounds-checked
 * code, before native code sees it. Whatever the bytes are, the answer is a header, a request for more of the file, or
 * a sentence that says what is wrong; nothing is allocated by a count that the file merely claims.
 */

import { tensorBytes } from './tensorTypes.js';

export type MetadataValue = string | number | boolean | readonly number[];

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensorCount: number;
  /** Shapes of the tensors of the first layer, which tell whether the metadata is of this model. */
  readonly firstLayer: ReadonlyMap<string, readonly number[]>;
  /** How long the file has to be to hold every tensor. */
  readonly requiredBytes: number;
}

export type HeaderReading =
  | { readonly kind: 'header'; readonly header: GgufHeader }
  /** The header goes on after the bytes that were given. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed'; readonly reason: string };

/** The versions the engine reads; version 1 had another layout. */
const supportedVersions = [2, 3];
const defaultAlignment = 32;
const maxDimensions = 8;
/** Longer arrays are vocabularies, which are not needed here. */
const maxKeptElements = 4096;
const maxKeyBytes = 65_535;

const firstLayerPrefix = 'blk.0.';

class Incomplete extends Error {}
class Malformed extends Error {}

/** @param bytes the first bytes of the file, @param fileBytes how long all of it is */
export function readGgufHeader(bytes: Uint8Array, fileBytes: number): HeaderReading {
  try {
    return { kind: 'header', header: parseHeader(new Cursor(bytes, fileBytes)) };
  } catch (error) {
    if (error instanceof Incomplete) return { kind: 'incomplete' };
    if (error instanceof Malformed) return { kind: 'malformed', reason: error.message };
    throw error;
  }
}

function parseHeader(cursor: Cursor): GgufHeader {
  if (cursor.ascii(4) !== 'GGUF') throw new Malformed('it is not a GGUF file');
  const version = cursor.u32();
  if (!supportedVersions.includes(version)) {
    throw new Malformed(
      version > 0xffff ? 'it is a big-endian GGUF file' : `GGUF version ${version} is not supported`,
    );
  }
  const tensorCount = cursor.count(24, 'tensors');
  const valueCount = cursor.count(13, 'metadata values');
  const metadata = new Map<string, MetadataValue>();
  for (let index = 0; index < valueCount; index++) {
    const key = cursor.text(maxKeyBytes);
    const value = readValue(cursor, cursor.u32());
    if (value !== undefined) metadata.set(key, value);
  }
  const firstLayer = new Map<string, readonly number[]>();
  const tensorsEnd = readTensors(cursor, tensorCount, firstLayer);
  const alignment = metadata.get('general.alignment') ?? defaultAlignment;
  if (typeof alignment !== 'number' || alignment < 1 || (alignment & (alignment - 1)) !== 0) {
    throw new Malformed('its alignment is not a power of two');
  }
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return {
    metadata,
    tensorCount,
    firstLayer,
    requiredBytes: tensorCount === 0 ? cursor.position : dataStart + tensorsEnd,
  };
}

/** How far the tensors reach, from the start of the tensor data. */
function readTensors(
  cursor: Cursor,
  tensorCount: number,
  firstLayer: Map<string, readonly number[]>,
): number {
  let end = 0;
  for (let index = 0; index < tensorCount; index++) {
    const name = cursor.text(maxKeyBytes);
    const dimensions = cursor.u32();
    if (dimensions > maxDimensions) throw new Malformed(`tensor ${name} has ${dimensions} dimensions`);
    const shape = Array.from({ length: dimensions }, () => cursor.u64());
    if (name.startsWith(firstLayerPrefix)) firstLayer.set(name.slice(firstLayerPrefix.length), shape);
    const bytes = tensorBytes(cursor.u32(), shape);
    end = Math.max(end, cursor.u64() + bytes);
  }
  return end;
}

type ScalarReader = (cursor: Cursor) => number | boolean;

/** Scalar types by their number in the format: size in bytes and how to read one. */
const scalars = new Map<number, readonly [size: number, read: ScalarReader]>([
  [0, [1, (cursor) => cursor.view(1).getUint8(0)]],
  [1, [1, (cursor) => cursor.view(1).getInt8(0)]],
  [2, [2, (cursor) => cursor.view(2).getUint16(0, true)]],
  [3, [2, (cursor) => cursor.view(2).getInt16(0, true)]],
  [4, [4, (cursor) => cursor.u32()]],
  [5, [4, (cursor) => cursor.view(4).getInt32(0, true)]],
  [6, [4, (cursor) => cursor.view(4).getFloat32(0, true)]],
  [7, [1, (cursor) => cursor.view(1).getUint8(0) !== 0]],
  [10, [8, (cursor) => Number(cursor.view(8).getBigUint64(0, true))]],
  [11, [8, (cursor) => Number(cursor.view(8).getBigInt64(0, true))]],
  [12, [8, (cursor) => cursor.view(8).getFloat64(0, true)]],
]);
const stringType = 8;
const arrayType = 9;

/** One metadata value; undefined for what is skipped. */
function readValue(cursor: Cursor, type: number): MetadataValue | undefined {
  if (type === stringType) return cursor.text();
  if (type === arrayType) return readArray(cursor);
  return scalarOf(type)[1](cursor);
}

function readArray(cursor: Cursor): readonly number[] | undefined {
  const type = cursor.u32();
  if (type === stringType) {
    const count = cursor.count(8, 'strings');
    for (let index = 0; index < count; index++) cursor.skip(cursor.u64());
    return undefined;
  }
  const [size, read] = scalarOf(type);
  const count = cursor.count(size, 'array elements');
  if (count > maxKeptElements) {
    cursor.skip(count * size);
    return undefined;
  }
  return Array.from({ length: count }, () => Number(read(cursor)));
}

function scalarOf(type: number): readonly [size: number, read: ScalarReader] {
  const scalar = scalars.get(type);
  if (scalar === undefined) throw new Malformed(`a metadata value has the unknown type ${type}`);
  return scalar;
}

/** A position in the first bytes of a file. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #fileBytes: number;
  position = 0;

  constructor(bytes: Uint8Array, fileBytes: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#fileBytes = fileBytes;
  }

  skip(bytes: number): void {
    if (bytes > this.#fileBytes - this.position) throw new Malformed('its header is damaged or cut off');
    if (bytes > this.#bytes.length - this.position) throw new Incomplete();
    this.position += bytes;
  }

  view(bytes: number): DataView {
    const start = this.position;
    this.skip(bytes);
    return new DataView(this.#view.buffer, this.#view.byteOffset + start, bytes);
  }

  u32(): number {
    return this.view(4).getUint32(0, true);
  }

  u64(): number {
    const value = this.view(8).getBigUint64(0, true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed('its header is damaged');
    return Number(value);
  }

  /** A number of things of at least `minBytes` each, of which the file has room for that many. */
  count(minBytes: number, what: string): number {
    const count = this.u64();
    if (count * minBytes > this.#fileBytes)
      throw new Malformed(`its header claims ${count} ${what}, more than the file can hold`);
    return count;
  }

  ascii(bytes: number): string {
    const start = this.position;
    this.skip(bytes);
    return String.fromCharCode(...this.#bytes.subarray(start, this.position));
  }

  text(maxBytes = Number.MAX_SAFE_INTEGER): string {
    const length = this.u64();
    if (length > maxBytes) throw new Malformed('its header is damaged');
    const start = this.position;
    this.skip(length);
    return new TextDecoder().decode(this.#bytes.subarray(start, this.position));
  }
}
