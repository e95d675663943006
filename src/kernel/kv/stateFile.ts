/**
 * The engine's file of one sequence, as data and back. Little-endian:
 *
 *     u32 0x67677371, u32 3, u32 tokens, i32 token each
 *     per cache (one; two where some layers attend to a sliding window):
 *       u32 streams, and per stream:
 *         u32 cells; nothing more for an empty stream
 *         per cell: i32 position, u32 1, i32 sequence
 *         u32 transposed, u32 layers
 *         keys of each layer: i32 type, u64 rowBytes, cells × rowBytes
 *         values of each layer: the same; or transposed: i32 type, u32 elementBytes, u32 elements, elements × cells
 *
 * What is parsed serialises to the same bytes. Every length is compared with what is left of the file before anything
 * is read or allocated for it. Data is a view of the file, never a copy.
 */

import { stateInvalid } from './stateErrors.js';
import { bytesOf, isQuantised, typeLayouts, typeOfCode, type TensorType } from './tensorType.js';

export interface SequenceState {
  readonly tokens: Int32Array;
  /** Sequences of the context that wrote the file; one that reads it must have as many. */
  readonly streams: number;
  readonly caches: readonly CacheState[];
}

/** What one cache holds of the sequence. */
export interface CacheState {
  /** Where the cells stand in the file; a context that reads them puts them where they belong. */
  readonly stream: number;
  readonly sequence: number;
  /** Position of each cell, in no particular order, perhaps with holes. */
  readonly positions: Int32Array;
  /** Without flash attention values lie element by element instead of cell by cell. */
  readonly transposed: boolean;
  /** None where there is no cell. */
  readonly layers: readonly LayerState[];
}

export interface LayerState {
  readonly key: Rows;
  readonly value: Rows;
}

/** One row a cell. */
export interface Rows {
  readonly type: TensorType;
  readonly rowBytes: number;
  readonly data: Uint8Array;
}

const magic = 0x67677371;
const version = 3;
const cellBytes = 12;
/** The engine's own bounds. */
const maxStreams = 256;
const maxLayers = 512;
/** A sliding window adds a second one; more are of kinds that are not known here. */
const maxCaches = 2;

/** @throws KernelError `stateInvalid` */
export function parseStateFile(bytes: Uint8Array): SequenceState {
  const reader = new Reader(bytes);
  reader.expect(magic, 'a state file');
  reader.expect(version, 'a state file of version 3');
  const tokens = reader.int32s(reader.count(4, 'tokens'));
  const caches: CacheState[] = [];
  let streams = 0;
  do {
    const own = reader.count(4, 'streams');
    if (own < 1 || own > maxStreams || (caches.length > 0 && own !== streams)) {
      throw stateInvalid(`the state file has ${own} streams`);
    }
    streams = own;
    caches.push(readCache(reader, streams));
  } while (reader.left > 0 && caches.length < maxCaches);
  if (reader.left > 0) throw stateInvalid(`the state file has ${reader.left} bytes too many`);
  return { tokens, streams, caches };
}

function readCache(reader: Reader, streams: number): CacheState {
  let found: CacheState | undefined;
  for (let stream = 0; stream < streams; stream++) {
    const cells = reader.count(cellBytes, 'cells');
    if (cells === 0) continue;
    if (found !== undefined) throw stateInvalid('the state file holds more than one sequence');
    found = readCells(reader, stream, cells);
  }
  return found ?? { stream: 0, sequence: 0, positions: new Int32Array(), transposed: false, layers: [] };
}

function readCells(reader: Reader, stream: number, cells: number): CacheState {
  const cellRecords = reader.int32s(cells * 3);
  const sequence = cellRecords[2] ?? 0;
  const positions = new Int32Array(cells);
  for (let cell = 0; cell < cells; cell++) {
    const position = cellRecords[cell * 3] ?? -1;
    if (position < 0 || cellRecords[cell * 3 + 1] !== 1 || cellRecords[cell * 3 + 2] !== sequence) {
      throw stateInvalid(`cell ${cell} of the state file is not one of a single plain sequence`);
    }
    positions[cell] = position;
  }
  const transposed = reader.uint32();
  if (transposed > 1) throw stateInvalid(`the state file has values of form ${transposed}`);
  const layers = reader.count(cellBytes, 'layers');
  if (layers < 1 || layers > maxLayers) throw stateInvalid(`the state file has ${layers} layers`);
  const keys = Array.from({ length: layers }, () => readRows(reader, cells));
  const readValues = transposed === 1 ? readColumns : readRows;
  return {
    stream,
    sequence,
    positions,
    transposed: transposed === 1,
    layers: keys.map((key) => ({ key, value: readValues(reader, cells) })),
  };
}

function readRows(reader: Reader, cells: number): Rows {
  const type = readType(reader);
  const rowBytes = reader.uint64();
  if (rowBytes === 0 || rowBytes % typeLayouts[type].blockBytes !== 0) {
    throw stateInvalid(`the state file has rows of ${rowBytes} bytes of type ${type}`);
  }
  return { type, rowBytes, data: reader.take(rowBytes * cells) };
}

function readColumns(reader: Reader, cells: number): Rows {
  const type = readType(reader);
  const elementBytes = reader.uint32();
  const elements = reader.uint32();
  if (isQuantised(type) || elementBytes !== typeLayouts[type].blockBytes || elements === 0) {
    throw stateInvalid(`the state file has columns of ${elementBytes} bytes an element of type ${type}`);
  }
  const rowBytes = bytesOf(type, elements);
  return { type, rowBytes, data: reader.take(rowBytes * cells) };
}

function readType(reader: Reader): TensorType {
  const code = reader.uint32();
  const type = typeOfCode(code);
  if (type === undefined) throw stateInvalid(`the state file holds elements of the unknown type ${code}`);
  return type;
}

/** The file that a context with `state.streams` sequences reads. */
export function serialiseStateFile(state: SequenceState): Uint8Array {
  const writer = new Writer(sizeOf(state));
  writer.uint32(magic);
  writer.uint32(version);
  writer.uint32(state.tokens.length);
  writer.bytes(bytesIn(state.tokens));
  for (const cache of state.caches) {
    writer.uint32(state.streams);
    for (let stream = 0; stream < state.streams; stream++) {
      const cells = stream === cache.stream ? cache.positions.length : 0;
      writer.uint32(cells);
      if (cells > 0) writeCells(writer, cache);
    }
  }
  return writer.finished();
}

/** The same state for a context with another number of sequences. */
export function withStreams(state: SequenceState, streams: number): SequenceState {
  return { ...state, streams, caches: state.caches.map((cache) => ({ ...cache, stream: 0 })) };
}

function writeCells(writer: Writer, { positions, sequence, transposed, layers }: CacheState): void {
  for (const position of positions) {
    writer.uint32(position);
    writer.uint32(1);
    writer.uint32(sequence);
  }
  writer.uint32(transposed ? 1 : 0);
  writer.uint32(layers.length);
  for (const { key } of layers) writeRows(writer, key);
  for (const { value } of layers) {
    if (!transposed) {
      writeRows(writer, value);
      continue;
    }
    const { code, blockBytes } = typeLayouts[value.type];
    writer.uint32(code);
    writer.uint32(blockBytes);
    writer.uint32(value.rowBytes / blockBytes);
    writer.bytes(value.data);
  }
}

function writeRows(writer: Writer, { type, rowBytes, data }: Rows): void {
  writer.uint32(typeLayouts[type].code);
  writer.uint64(rowBytes);
  writer.bytes(data);
}

/** Both forms of a layer have headers of 12 bytes. */
function sizeOf({ tokens, streams, caches }: SequenceState): number {
  let size = 12 + tokens.byteLength;
  for (const { positions, layers } of caches) {
    size += 4 + 4 * streams;
    if (positions.length === 0) continue;
    size += cellBytes * positions.length + 8;
    for (const { key, value } of layers) size += 24 + key.data.length + value.data.length;
  }
  return size;
}

export const bytesIn = (numbers: Int32Array): Uint8Array =>
  new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);

/** A copy, since the bytes of a file need not lie where numbers of four bytes may. */
export const int32sIn = (bytes: Uint8Array): Int32Array => new Int32Array(Uint8Array.from(bytes).buffer);

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  take(length: number): Uint8Array {
    if (length > this.left)
      throw stateInvalid(`the state file ends at byte ${this.#bytes.length}, too early`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  int32s(count: number): Int32Array {
    return int32sIn(this.take(count * 4));
  }

  uint32(): number {
    this.take(4);
    return this.#view.getUint32(this.#at - 4, true);
  }

  /** Inexact above 2⁵³, where no file is that long. */
  uint64(): number {
    const low = this.uint32();
    return this.uint32() * 2 ** 32 + low;
  }

  /** How many of something follow that takes at least so many bytes each. */
  count(eachBytes: number, what: string): number {
    const count = this.uint32();
    if (count * eachBytes > this.left)
      throw stateInvalid(`the state file has no room for its ${count} ${what}`);
    return count;
  }

  expect(value: number, what: string): void {
    const found = this.uint32();
    if (found !== value) throw stateInvalid(`this is not ${what}: it has ${found} where ${value} belongs`);
  }
}

class Writer {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  uint32(value: number): void {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
  }

  uint64(value: number): void {
    this.uint32(value % 2 ** 32);
    this.uint32(Math.floor(value / 2 ** 32));
  }

  bytes(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  finished(): Uint8Array {
    return this.#bytes;
  }
}
