/**
 * A state as a reader of attention takes it: alone, without flash attention, its cells in the order of their positions,
 * and without the last tokens, which the reader computes again to see what they attend to. Positions stay what they
 * are. Keys keep their type, since they decide what is attended to; values that are quantised become plain, because
 * the engine has no quantised values without flash attention. Pure: what is given is not changed.
 */

import type { StateFacts } from '../../hal/driver.js';
import { KernelError } from '../../shared/errors.js';
import { sortCells, transpose } from './cells.js';
import { dequantise, isQuantisable } from './quantise.js';
import { valueRotation } from './rotation.js';
import { stateInvalid } from './stateErrors.js';
import {
  parseStateFile,
  serialiseStateFile,
  type CacheState,
  type LayerState,
  type Rows,
  type SequenceState,
} from './stateFile.js';
import { bytesOf, elementsOf, isQuantised, type TensorType } from './tensorType.js';

export interface AttentionInputOptions {
  /** What the state is expected to hold. */
  readonly tokens: Int32Array;
  /** Tokens at the end whose attention is wanted; fewer where the state has no more in a row. */
  readonly probeTokens: number;
  readonly facts: Pick<StateFacts, 'valueHeadDim'>;
}

export interface AttentionInput {
  readonly stateFile: Uint8Array;
  /** Which token each cell belongs to, those left out included. */
  readonly tokenOfCell: Int32Array;
  /** The tokens that are left out, and the position of the first one. */
  readonly next: Int32Array;
  readonly nextPosition: number;
}

/** The type of a reader's values, where the engine's own context has values of this type. */
export const readableValueType = (type: string): string =>
  type === 'q8_0' || type === 'q4_0' ? plainType : type;

const plainType = 'f16' satisfies TensorType;

/** @throws KernelError `stateInvalid`; `stateMismatch` where it holds other tokens */
export function attentionInput(stateFile: Uint8Array, options: AttentionInputOptions): AttentionInput {
  const state = sortCells(parseStateFile(stateFile));
  const { tokens, probeTokens, facts } = options;
  checkTokens(state.tokens, tokens);
  const positions = positionsOf(state);
  const tokenOfCell = tokensOfCells(positions, tokens.length);
  const kept = positions.length - Math.min(probeTokens, lastRun(positions) - 1);
  const nextPosition = positions[kept];
  if (nextPosition === undefined) {
    throw stateInvalid(`a state of ${positions.length} cells has no last token to read the attention of`);
  }
  const caches = state.caches.map((cache) => leadingCells(cache, kept, facts.valueHeadDim));
  return {
    stateFile: serialiseStateFile({ tokens: new Int32Array(), streams: 1, caches }),
    tokenOfCell,
    next: tokenOfCell.slice(kept).map((token) => tokens[token] ?? 0),
    nextPosition,
  };
}

function checkTokens(found: Int32Array, expected: Int32Array): void {
  const isSame = found.length === expected.length && found.every((token, index) => token === expected[index]);
  if (isSame) return;
  throw new KernelError(
    'stateMismatch',
    `the state holds ${found.length} tokens that are not the ${expected.length} it is said to hold`,
  );
}

/** A cache with a window has the same cells as the other one, or what they received cannot be added. */
function positionsOf({ caches }: SequenceState): Int32Array {
  const positions = caches[0]?.positions ?? new Int32Array();
  const areSame = caches.every(
    (cache) =>
      cache.positions.length === positions.length &&
      cache.positions.every((position, cell) => position === positions[cell]),
  );
  if (!areSame) throw stateInvalid('the caches of the state hold different cells');
  return positions;
}

/** Without holes the cells are the tokens in their order, wherever they stand; else a token's place is its position. */
function tokensOfCells(positions: Int32Array, tokens: number): Int32Array {
  if (positions.length === tokens) return Int32Array.from(positions, (_, cell) => cell);
  const last = positions.at(-1) ?? -1;
  if (positions.length < tokens && last < tokens) return positions.slice();
  throw stateInvalid(`the state has ${positions.length} cells up to position ${last} for ${tokens} tokens`);
}

/** Cells at the end whose positions follow each other. The engine computes none after a hole. */
function lastRun(positions: Int32Array): number {
  let run = Math.min(1, positions.length);
  while (run < positions.length && positions.at(-run - 1) === (positions.at(-run) ?? 0) - 1) run++;
  return run;
}

function leadingCells(cache: CacheState, cells: number, valueHeadDim: number): CacheState {
  return {
    stream: 0,
    sequence: 0,
    positions: cache.positions.slice(0, cells),
    transposed: true,
    layers: cache.layers.map(({ key, value }): LayerState => {
      const rows = cache.transposed ? transpose(value, 'toRows') : value;
      const plain = plainValues(leadingRows(rows, cells), valueHeadDim);
      return { key: leadingRows(key, cells), value: transpose(plain, 'toColumns') };
    }),
  };
}

const leadingRows = (rows: Rows, cells: number): Rows => ({
  ...rows,
  data: rows.data.subarray(0, cells * rows.rowBytes),
});

function plainValues(values: Rows, headDim: number): Rows {
  const { type, rowBytes, data } = values;
  if (!isQuantised(type)) return values;
  const elements = elementsOf(type, rowBytes);
  const rotation = valueRotation(headDim);
  if (!isQuantisable(elements, rotation)) {
    throw stateInvalid(`the state has values of ${elements} elements of type ${type}`);
  }
  return {
    type: plainType,
    rowBytes: bytesOf(plainType, elements),
    data: dequantise(data, type, plainType, rotation),
  };
}
