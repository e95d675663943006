/**
 * Turns rows of a cache into quantised blocks and back, by the WebAssembly loops of simd/kvCodec.ts. Rows are rotated
 * before and rotated back after (see rotation.ts), blocks are those of ggml. Loading this file starts the module: it
 * is meant for worker threads. Never changes what it is given.
 */

import { invariant } from '../../shared/errors.js';
import { simdModule } from './simdModule.js';
import { bytesOf, elementsOf, typeLayouts, type PlainType, type QuantisedType } from './tensorType.js';

interface Simd {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly maxElements: { readonly value: number };
  readonly inputAt: { readonly value: number };
  readonly outputAt: { readonly value: number };
  quantise(source: number, target: number, rotation: number, elements: number): number;
  dequantise(source: number, target: number, rotation: number, elements: number): void;
}

const module = await WebAssembly.compile(Buffer.from(simdModule, 'base64'));
const simd = new WebAssembly.Instance(module).exports as unknown as Simd;
const memory = new Uint8Array(simd.memory.buffer);
const maxElements = simd.maxElements.value;
const inputAt = simd.inputAt.value;
const outputAt = simd.outputAt.value;

/** Whether rows of so many elements are whole blocks and whole rotations. */
export const isQuantisable = (rowElements: number, rotation: number): boolean =>
  rowElements % typeLayouts.q4_0.blockElements === 0 && (rotation === 0 || rowElements % rotation === 0);

/** Undefined where a number is not finite, or too large for the scale of a block: then nothing but a copy keeps it. */
export function quantise(
  data: Uint8Array,
  from: PlainType,
  to: QuantisedType,
  rotation: number,
): Uint8Array | undefined {
  const elements = elementsOf(from, data.length);
  const quantised = new Uint8Array(bytesOf(to, elements));
  for (const [first, count] of portions(elements, rotation)) {
    const begin = bytesOf(from, first);
    memory.set(data.subarray(begin, begin + bytesOf(from, count)), inputAt);
    const fits = simd.quantise(typeLayouts[from].code, typeLayouts[to].code, rotation, count);
    if (fits === 0) return undefined;
    quantised.set(memory.subarray(outputAt, outputAt + bytesOf(to, count)), bytesOf(to, first));
  }
  return quantised;
}

export function dequantise(
  data: Uint8Array,
  from: QuantisedType,
  to: PlainType,
  rotation: number,
): Uint8Array {
  const elements = elementsOf(from, data.length);
  const plain = new Uint8Array(bytesOf(to, elements));
  for (const [first, count] of portions(elements, rotation)) {
    const begin = bytesOf(from, first);
    memory.set(data.subarray(begin, begin + bytesOf(from, count)), inputAt);
    simd.dequantise(typeLayouts[from].code, typeLayouts[to].code, rotation, count);
    plain.set(memory.subarray(outputAt, outputAt + bytesOf(to, count)), bytesOf(to, first));
  }
  return plain;
}

/** Cut so that each is a whole number of blocks and rotations, and fits the module's memory. */
function* portions(elements: number, rotation: number): Generator<readonly [first: number, count: number]> {
  invariant(isQuantisable(elements, rotation) && rotation <= maxElements, 'rows that can be quantised');
  const step = rotation === 0 ? maxElements : Math.floor(maxElements / rotation) * rotation;
  for (let first = 0; first < elements; first += step) yield [first, Math.min(step, elements - first)];
}
