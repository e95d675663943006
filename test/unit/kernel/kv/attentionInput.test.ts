// States in the form that attention is read from: what is computed again, what each cell is, and values that can be used.
import assert from 'node:assert/strict';
import { attentionInput, readableValueType } from '../../../../src/kernel/kv/attentionInput.js';
import { transpose } from '../../../../src/kernel/kv/cells.js';
import {
  parseStateFile,
  serialiseStateFile,
  type SequenceState,
} from '../../../../src/kernel/kv/stateFile.js';
import { buildState, factsOf, type Shape } from './stateBuilder.js';

const facts = factsOf();

const inputOf = (state: SequenceState, probeTokens = 2) =>
  attentionInput(serialiseStateFile(state), { tokens: state.tokens, probeTokens, facts });

/** The same state with its cells elsewhere. */
const at = (positions: readonly number[], own: Partial<Shape> = {}): SequenceState => {
  const state = buildState({ cells: positions.length, ...own });
  return {
    ...state,
    caches: state.caches.map((cache) => ({ ...cache, positions: Int32Array.from(positions) })),
  };
};

suite('state that attention is read from', () => {
  test('one sequence alone, values by element, without the tokens that are computed again', () => {
    const state = buildState({ cells: 5, streams: 8, stream: 3 });
    const input = inputOf(state);
    assert.deepEqual(input.next, state.tokens.slice(3));
    assert.equal(input.nextPosition, 3);
    assert.deepEqual([...input.tokenOfCell], [0, 1, 2, 3, 4]);

    const { streams, tokens, caches } = parseStateFile(input.stateFile);
    assert.equal(streams, 1);
    assert.equal(tokens.length, 0);
    const [cache] = caches;
    assert.ok(cache?.transposed === true);
    assert.deepEqual([...cache.positions], [0, 1, 2]);
    cache.layers.forEach(({ key, value }, layer) => {
      const original = state.caches[0]!.layers[layer]!;
      assert.deepEqual(key.data, original.key.data.slice(0, 3 * key.rowBytes));
      assert.deepEqual(transpose(value, 'toRows').data, original.value.data.slice(0, 3 * value.rowBytes));
    });
  });

  test('a state without flash attention gives the same as one with it', () => {
    const state = buildState({ cells: 5 });
    const columns = state.caches.map((cache) => ({
      ...cache,
      transposed: true,
      layers: cache.layers.map(({ key, value }) => ({ key, value: transpose(value, 'toColumns') })),
    }));
    assert.deepEqual(inputOf({ ...state, caches: columns }), inputOf(state));
  });

  test('cells are put in the order of their positions, which stay what they are', () => {
    const input = inputOf(at([12, 10, 13, 11]));
    assert.equal(input.nextPosition, 12);
    const [cache] = parseStateFile(input.stateFile).caches;
    assert.deepEqual([...(cache?.positions ?? [])], [10, 11]);
    assert.deepEqual([...input.tokenOfCell], [0, 1, 2, 3]);
  });

  test('where there are holes, a token is at its position, and none after a hole is computed without one before it', () => {
    const state = { ...at([0, 1, 5, 6, 7]), tokens: Int32Array.of(9, 8, 7, 6, 5, 4, 3, 2) };
    const input = inputOf(state, 4);
    assert.deepEqual([...input.tokenOfCell], [0, 1, 5, 6, 7]);
    assert.deepEqual([...input.next], [3, 2]);
    assert.equal(input.nextPosition, 6);
  });

  test('quantised values become plain, quantised keys stay', () => {
    const own = { cells: 4, keyType: 'q8_0', valueType: 'q8_0' } as const;
    const [cache] = parseStateFile(inputOf(buildState(own)).stateFile).caches;
    const [layer] = cache?.layers ?? [];
    assert.equal(layer?.key.type, 'q8_0');
    assert.equal(layer.value.type, readableValueType('q8_0'));
    assert.equal(layer.value.rowBytes, 256);
    assert.equal(readableValueType('f32'), 'f32');
  });

  test('other tokens, too few cells and cells that belong to no token are refused', () => {
    const state = buildState({ cells: 4 });
    const file = serialiseStateFile(state);
    const refused = (tokens: Int32Array) => () => attentionInput(file, { tokens, probeTokens: 2, facts });
    assert.throws(refused(state.tokens.slice(1)), { code: 'stateMismatch' });
    assert.throws(refused(state.tokens.map((token) => token + 1)), { code: 'stateMismatch' });
    assert.throws(() => inputOf(buildState({ cells: 1 })), { code: 'stateInvalid' });
    assert.throws(() => inputOf({ ...at([0, 1, 9]), tokens: new Int32Array(5) }), { code: 'stateInvalid' });
    const [cache] = buildState({ cells: 4 }).caches;
    const windowed = { ...state, caches: [cache!, ...buildState({ cells: 3 }).caches] };
    assert.throws(() => inputOf(windowed), { message: 'the caches of the state hold different cells' });
  });
});
