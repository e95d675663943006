// The engine's state files: what is parsed serialises to the same bytes, and what is not whole is refused.
import assert from 'node:assert/strict';
import { parseStateFile, serialiseStateFile, withStreams } from '../../../../src/kernel/kv/stateFile.js';
import { KernelError } from '../../../../src/shared/errors.js';
import { buildFile, buildState, type Shape } from './stateBuilder.js';

const forms: Readonly<Record<string, Partial<Shape>>> = {
  'flash attention': {},
  'transposed values': { transposed: true },
  'transposed F32 values': { transposed: true, valueType: 'f32' },
  'a quantised cache': { keyType: 'q8_0', valueType: 'q4_0' },
  'a BF16 cache': { keyType: 'bf16', valueType: 'bf16' },
  'one stream': { streams: 1 },
  'the last of many streams': { streams: 64, stream: 63 },
  'two caches': { caches: 2, streams: 3, stream: 2 },
  'an empty sequence': { cells: 0 },
};

const invalid = { code: 'stateInvalid' };

/** Where the first cache's fields begin in a file of `cells` tokens and cells. */
const streamsAt = (cells: number): number => 12 + 4 * cells;

function changed(bytes: Uint8Array, at: number, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setUint32(at, value, true);
  return copy;
}

suite('state file', () => {
  for (const [name, form] of Object.entries(forms)) {
    test(`${name}: parsed and serialised it is the same`, () => {
      const bytes = buildFile(form);
      const state = parseStateFile(bytes);
      assert.deepEqual(serialiseStateFile(state), bytes);
      assert.deepEqual(state, buildState(form));
    });

    // The end of the first of two caches is the end of a file with one.
    if (form.caches === 2) continue;
    test(`${name}: no beginning of it is whole, and nothing may follow it`, () => {
      const bytes = buildFile({ ...form, layers: 1, width: 32 });
      for (let length = 0; length < bytes.length; length++) {
        assert.throws(() => parseStateFile(bytes.subarray(0, length)), invalid, `${length} bytes`);
      }
      assert.throws(() => parseStateFile(Uint8Array.from([...bytes, 0])), invalid);
    });
  }

  test('it reads from the middle of a larger buffer', () => {
    const bytes = buildFile();
    const larger = new Uint8Array(bytes.length + 7);
    larger.set(bytes, 3);
    assert.deepEqual(serialiseStateFile(parseStateFile(larger.subarray(3, 3 + bytes.length))), bytes);
  });

  test('for another number of streams only the layout changes', () => {
    const state = buildState({ streams: 8, stream: 5 });
    const moved = parseStateFile(serialiseStateFile(withStreams(state, 2)));
    assert.equal(moved.streams, 2);
    assert.equal(moved.caches[0]?.stream, 0);
    assert.deepEqual(moved.caches[0].layers, state.caches[0]?.layers);
    assert.deepEqual(moved.tokens, state.tokens);
  });

  test('counts that the file has no room for are refused before anything is allocated', () => {
    const bytes = buildFile({ streams: 1 });
    const at = streamsAt(3);
    const counts: readonly [string, number, RegExp][] = [
      ['tokens', 8, /no room for its 4294967295 tokens/],
      ['streams', at, /no room for its 4294967295 streams/],
      ['cells', at + 4, /no room for its 4294967295 cells/],
      ['layers', at + 8 + 36 + 4, /no room for its 4294967295 layers/],
    ];
    const before = process.memoryUsage().arrayBuffers;
    for (const [name, place, message] of counts) {
      assert.throws(() => parseStateFile(changed(bytes, place, 0xffffffff)), { ...invalid, message }, name);
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 20);
  });

  test('a row longer than any file is refused', () => {
    const rowAt = streamsAt(3) + 8 + 36 + 8 + 4;
    for (const at of [rowAt, rowAt + 4]) {
      assert.throws(() => parseStateFile(changed(buildFile({ streams: 1 }), at, 0xfffffffe)), invalid);
    }
  });

  test('another format, another version and unknown types are named', () => {
    const bytes = buildFile({ streams: 1 });
    const typeAt = streamsAt(3) + 8 + 36 + 8;
    const wrong: readonly [number, number, RegExp][] = [
      [0, 1, /not a state file: it has 1 where/],
      [4, 4, /not a state file of version 3: it has 4/],
      [typeAt, 12, /unknown type 12/],
    ];
    for (const [at, value, message] of wrong) {
      assert.throws(() => parseStateFile(changed(bytes, at, value)), { ...invalid, message });
    }
  });

  test('cells of other sequences, several owners or negative positions are refused', () => {
    const bytes = buildFile({ streams: 1 });
    const cellAt = streamsAt(3) + 8 + 12;
    for (const [at, value] of [
      [cellAt, 0xffffffff],
      [cellAt + 4, 2],
      [cellAt + 4, 0],
      [cellAt + 8, 1],
    ] as const) {
      assert.throws(() => parseStateFile(changed(bytes, at, value)), {
        ...invalid,
        message: /cell 1 of the state file is not one of a single plain sequence/,
      });
    }
  });

  test('a file of several sequences is refused', () => {
    const two = buildState({ streams: 2 });
    const one = serialiseStateFile(two);
    // The second stream repeats what the first holds.
    const stream = one.subarray(streamsAt(3) + 4, one.length - 4);
    const both = Uint8Array.from([...one.subarray(0, one.length - 4), ...stream]);
    assert.throws(() => parseStateFile(both), { ...invalid, message: /more than one sequence/ });
  });

  test('nothing else than a typed error comes of noise', () => {
    for (let length = 0; length < 64; length++) {
      try {
        parseStateFile(Uint8Array.from({ length }, (_, at) => (at * 37 + length) & 0xff));
        assert.fail('noise was taken');
      } catch (error) {
        assert.ok(error instanceof KernelError && error.code === 'stateInvalid', String(error));
      }
    }
  });
});
