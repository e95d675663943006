/**
 * The element types that a KV cache can have: how the engine's files number them, how many bytes they take, and what
 * safetensors calls them. Pure. A type that is not here is one whose state is not kept.
 */

import type { Dtype } from './safetensors.js';

export type PlainType = 'f32' | 'f16' | 'bf16';
export type QuantisedType = 'q8_0' | 'q4_0';
export type TensorType = PlainType | QuantisedType;

interface TypeLayout {
  /** In the engine's files. */
  readonly code: number;
  readonly blockElements: number;
  readonly blockBytes: number;
  /** A quantised block is bytes to everybody else. */
  readonly dtype: Dtype;
}

export const typeLayouts: Readonly<Record<TensorType, TypeLayout>> = {
  f32: { code: 0, blockElements: 1, blockBytes: 4, dtype: 'F32' },
  f16: { code: 1, blockElements: 1, blockBytes: 2, dtype: 'F16' },
  bf16: { code: 30, blockElements: 1, blockBytes: 2, dtype: 'BF16' },
  q8_0: { code: 8, blockElements: 32, blockBytes: 34, dtype: 'U8' },
  q4_0: { code: 2, blockElements: 32, blockBytes: 18, dtype: 'U8' },
};

const typeNames = Object.keys(typeLayouts) as TensorType[];

export const typeOfCode = (code: number): TensorType | undefined =>
  typeNames.find((name) => typeLayouts[name].code === code);

export const isTensorType = (name: string): name is TensorType => Object.hasOwn(typeLayouts, name);

export const isQuantised = (type: TensorType): type is QuantisedType => typeLayouts[type].dtype === 'U8';

/** Whole blocks only. */
export const bytesOf = (type: TensorType, elements: number): number =>
  (elements / typeLayouts[type].blockElements) * typeLayouts[type].blockBytes;

export const elementsOf = (type: TensorType, bytes: number): number =>
  (bytes / typeLayouts[type].blockBytes) * typeLayouts[type].blockElements;
