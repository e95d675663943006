// State files made up for tests: small, deterministic, in every form that the engine writes.
import type { StateFacts } from '../../../../src/hal/driver.js';
import {
  serialiseStateFile,
  type CacheState,
  type LayerState,
  type Rows,
  type SequenceState,
} from '../../../../src/kernel/kv/stateFile.js';
import { bytesOf, typeLayouts, type TensorType } from '../../../../src/kernel/kv/tensorType.js';
import { referenceHalf } from './referenceCodec.js';

export interface Shape {
  readonly cells: number;
  readonly layers: number;
  readonly width: number;
  readonly keyType: TensorType;
  readonly valueType: TensorType;
  readonly streams: number;
  readonly stream: number;
  readonly transposed: boolean;
  readonly caches: number;
  readonly seed: number;
}

const plain: Shape = {
  cells: 3,
  layers: 2,
  width: 128,
  keyType: 'f16',
  valueType: 'f16',
  streams: 2,
  stream: 0,
  transposed: false,
  caches: 1,
  seed: 1,
};

/** Numbers between 0 and 1, always the same for a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Roughly normal, with an outlier now and then, as keys have them. */
export function activations(count: number, random: () => number): Float32Array {
  return Float32Array.from({ length: count }, () => {
    const normal = random() + random() + random() + random() - 2;
    return random() < 0.01 ? normal * 12 : normal;
  });
}

export function rowsOf(type: TensorType, rowElements: number, rows: number, random: () => number): Rows {
  const rowBytes = bytesOf(type, rowElements);
  return { type, rowBytes, data: elementsAs(type, activations(rowElements * rows, random), random) };
}

/** Quantised types get arbitrary blocks with a sound scale. */
export function elementsAs(type: TensorType, values: Float32Array, random: () => number): Uint8Array {
  if (type === 'f32') return new Uint8Array(values.slice().buffer);
  if (type === 'f16') return new Uint8Array(Uint16Array.from(values, referenceHalf).buffer);
  if (type === 'bf16') {
    const bits = new Uint32Array(values.slice().buffer);
    return new Uint8Array(Uint16Array.from(bits, (each) => each >>> 16).buffer);
  }
  const blocks = Uint8Array.from({ length: bytesOf(type, values.length) }, () => random() * 256);
  const { blockBytes } = typeLayouts[type];
  for (let at = 0; at < blocks.length; at += blockBytes) blocks[at + 1] = 0x20;
  return blocks;
}

export function buildState(own: Partial<Shape> = {}): SequenceState {
  const shape = { ...plain, ...own };
  const { cells, streams, caches, seed } = shape;
  const random = randomFrom(seed);
  return {
    tokens: Int32Array.from({ length: cells }, () => random() * 4096),
    streams,
    caches: Array.from({ length: caches }, () => buildCache(shape, random)),
  };
}

function buildCache(shape: Shape, random: () => number): CacheState {
  const { cells, layers, width, keyType, valueType, stream, transposed } = shape;
  if (cells === 0)
    return { stream: 0, sequence: 0, positions: new Int32Array(), transposed: false, layers: [] };
  return {
    stream,
    sequence: stream,
    positions: Int32Array.from({ length: cells }, (_, cell) => cell),
    transposed,
    layers: Array.from({ length: layers }, (): LayerState => {
      const key = rowsOf(keyType, width, cells, random);
      return { key, value: rowsOf(valueType, width, cells, random) };
    }),
  };
}

export const buildFile = (own: Partial<Shape> = {}): Uint8Array => serialiseStateFile(buildState(own));

/** The facts of a context that writes states of this shape. */
export function factsOf(own: Partial<Shape> = {}, headDim = 64): StateFacts {
  const shape = { ...plain, ...own };
  return {
    model: 'a'.repeat(64),
    engine: 'llama.cpp v1',
    keyType: shape.keyType,
    valueType: shape.valueType,
    layers: shape.layers,
    keyValueHeads: (shape.width / headDim) * shape.layers,
    headDim,
    valueHeadDim: headDim,
    flashAttention: !shape.transposed,
    streams: shape.streams,
  };
}
