/**
 * Parts of a sequence's state: leaves cells out, and puts parts together again. A cell keeps its position, so that a
 * part which comes back stands where it stood; tokens are never touched. Pure: what is given is not changed.
 */

import { invariant } from '../../shared/errors.js';
import type { CacheState, LayerState, Rows, SequenceState } from './stateFile.js';
import { typeLayouts } from './tensorType.js';

/** A cell of one of several parts. */
interface Pick {
  readonly part: number;
  readonly cell: number;
  readonly position: number;
}

/** Only the cells whose position is kept; the others leave holes. */
export function keepCells(state: SequenceState, keep: (position: number) => boolean): SequenceState {
  const keepIn = (cache: CacheState): CacheState =>
    gather(
      [cache],
      picksOf(cache, 0).filter(({ position }) => keep(position)),
    );
  return { ...state, caches: state.caches.map(keepIn) };
}

/** The same cells in the order of their positions. */
export function sortCells(state: SequenceState): SequenceState {
  const isSorted = ({ positions }: CacheState): boolean =>
    positions.every((position, cell) => cell === 0 || position > (positions[cell - 1] ?? 0));
  const sortIn = (cache: CacheState): CacheState =>
    isSorted(cache)
      ? cache
      : gather(
          [cache],
          picksOf(cache, 0).sort((a, b) => a.position - b.position),
        );
  return { ...state, caches: state.caches.map(sortIn) };
}

/** The cells of two parts of one sequence, in the order of their positions. */
export function joinCells(first: SequenceState, second: SequenceState): SequenceState {
  invariant(first.caches.length === second.caches.length, 'parts of a state have the same caches');
  const joinIn = (cache: CacheState, index: number): CacheState => {
    const other = second.caches[index];
    if (other === undefined || other.positions.length === 0) return cache;
    if (cache.positions.length === 0) return other;
    const picks = [...picksOf(cache, 0), ...picksOf(other, 1)];
    return gather(
      [cache, other],
      picks.sort((a, b) => a.position - b.position),
    );
  };
  return { ...first, caches: first.caches.map(joinIn) };
}

const picksOf = ({ positions }: CacheState, part: number): Pick[] =>
  Array.from(positions, (position, cell) => ({ part, cell, position }));

function gather(parts: readonly [CacheState, ...CacheState[]], picks: readonly Pick[]): CacheState {
  const [first] = parts;
  if (picks.length === 0) return { ...first, positions: new Int32Array(), layers: [] };
  const gatherValues = first.transposed ? gatherColumns : gatherRows;
  return {
    ...first,
    positions: Int32Array.from(picks, ({ position }) => position),
    layers: first.layers.map((_, index) => {
      const layers = parts.map((part) => layerOf(part, index));
      const keys = layers.map(({ key }) => key);
      const values = layers.map(({ value }) => value);
      return { key: gatherRows(keys, picks), value: gatherValues(values, picks) };
    }),
  };
}

function layerOf({ layers }: CacheState, index: number): LayerState {
  const layer = layers[index];
  invariant(layer, 'parts of a state have the same layers');
  return layer;
}

function gatherRows(parts: readonly Rows[], picks: readonly Pick[]): Rows {
  const [first] = parts;
  const isSame = parts.every(({ type, rowBytes }) => type === first?.type && rowBytes === first.rowBytes);
  invariant(first !== undefined && isSame, 'parts of a state have the same rows');
  const { type, rowBytes } = first;
  const data = new Uint8Array(rowBytes * picks.length);
  picks.forEach(({ part, cell }, target) => {
    const row = parts[part]?.data.subarray(cell * rowBytes, (cell + 1) * rowBytes);
    if (row !== undefined) data.set(row, target * rowBytes);
  });
  return { type, rowBytes, data };
}

function gatherColumns(parts: readonly Rows[], picks: readonly Pick[]): Rows {
  const rows = parts.map((part) => transpose(part, 'toRows'));
  return transpose(gatherRows(rows, picks), 'toColumns');
}

/** Elements that are moved together: a square of them stays in the fastest cache. */
const tile = 32;

/** Values by element, as the engine keeps them without flash attention, to values by cell; and back. */
export function transpose({ type, rowBytes, data }: Rows, direction: 'toRows' | 'toColumns'): Rows {
  const { blockBytes } = typeLayouts[type];
  const elements = rowBytes / blockBytes;
  const cells = data.length / rowBytes;
  const [height, width] = direction === 'toRows' ? [elements, cells] : [cells, elements];
  const copy = Uint8Array.from(data);
  const source = blockBytes === 2 ? new Uint16Array(copy.buffer) : new Uint32Array(copy.buffer);
  const target = blockBytes === 2 ? new Uint16Array(source.length) : new Uint32Array(source.length);
  for (let top = 0; top < height; top += tile) {
    for (let left = 0; left < width; left += tile) {
      const bottom = Math.min(top + tile, height);
      const right = Math.min(left + tile, width);
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) target[x * height + y] = source[y * width + x] ?? 0;
      }
    }
  }
  return { type, rowBytes, data: new Uint8Array(target.buffer) };
}
