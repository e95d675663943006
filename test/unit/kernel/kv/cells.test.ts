// Parts of a state: what is left out and put back is what it was.
import assert from 'node:assert/strict';
import { joinCells, keepCells, transpose } from '../../../../src/kernel/kv/cells.js';
import { randomFrom, rowsOf, buildState, type Shape } from './stateBuilder.js';

const forms: Readonly<Record<string, Partial<Shape>>> = {
  'flash attention': { cells: 40 },
  'transposed values': { cells: 40, transposed: true },
  'a quantised cache': { cells: 40, keyType: 'q8_0', valueType: 'q4_0' },
  'two caches': { cells: 40, caches: 2 },
};

suite('cells of a state', () => {
  for (const [name, form] of Object.entries(forms)) {
    test(`${name}: a part left out and put back leaves no trace`, () => {
      const state = buildState(form);
      const isPaged = (position: number): boolean => position >= 8 && position < 24;
      const rest = keepCells(state, (position) => !isPaged(position));
      const page = keepCells(state, isPaged);
      assert.equal(rest.caches[0]?.positions.length, 24);
      assert.equal(page.caches[0]?.positions[0], 8);
      assert.deepEqual(rest.tokens, state.tokens);
      assert.deepEqual(joinCells(rest, page), state);
      assert.deepEqual(joinCells(page, rest), state);
    });
  }

  test('a kept cell is its rows', () => {
    const state = buildState({ cells: 5, layers: 1, width: 32 });
    const [cache] = keepCells(state, (position) => position === 3).caches;
    const whole = state.caches[0]?.layers[0]?.key;
    assert.deepEqual(cache?.layers[0]?.key.data, whole?.data.subarray(3 * 64, 4 * 64));
  });

  test('nothing and everything are parts', () => {
    const state = buildState();
    const none = keepCells(state, () => false);
    assert.deepEqual([none.caches[0]?.positions.length, none.caches[0]?.layers], [0, []]);
    assert.deepEqual(
      keepCells(state, () => true),
      state,
    );
    assert.deepEqual(joinCells(none, state), state);
    assert.deepEqual(joinCells(state, none), state);
  });

  test('parts of different caches are not put together', () => {
    assert.throws(() => joinCells(buildState({ layers: 2 }), buildState({ layers: 1 })), { code: 'bug' });
    assert.throws(() => joinCells(buildState(), buildState({ keyType: 'f32' })), { code: 'bug' });
    assert.throws(() => joinCells(buildState({ caches: 2 }), buildState()), { code: 'bug' });
  });

  test('transposed twice is what it was', () => {
    for (const type of ['f16', 'f32'] as const) {
      for (const [cells, width] of [
        [1, 1],
        [33, 64],
        [100, 7],
      ] as const) {
        const rows = rowsOf(type, width, cells, randomFrom(cells));
        assert.deepEqual(transpose(transpose(rows, 'toColumns'), 'toRows'), rows);
      }
    }
    const rows = {
      type: 'f16',
      rowBytes: 4,
      data: Uint8Array.of(1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0),
    } as const;
    assert.deepEqual([...transpose(rows, 'toColumns').data], [1, 0, 3, 0, 5, 0, 2, 0, 4, 0, 6, 0]);
  });
});
