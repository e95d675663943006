// Snapshots: exact or close as their quantisation says, refused when damaged, and named when of something else.
import assert from 'node:assert/strict';
import type { StateFacts } from '../../../../src/hal/driver.js';
import { readSafetensors, writeSafetensors } from '../../../../src/kernel/kv/safetensors.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  inspectSnapshot,
  quantisations,
  type Quantisation,
} from '../../../../src/kernel/kv/snapshot.js';
import { parseStateFile } from '../../../../src/kernel/kv/stateFile.js';
import { sealed } from './sealed.js';
import { buildFile, buildState, factsOf, type Shape } from './stateBuilder.js';
import { referenceFloat } from './referenceCodec.js';

const forms: Readonly<Record<string, Partial<Shape>>> = {
  'flash attention': {},
  'transposed values': { transposed: true },
  'an F32 cache': { keyType: 'f32', valueType: 'f32' },
  'a BF16 cache': { keyType: 'bf16', valueType: 'bf16' },
  'a Q8_0 cache': { keyType: 'q8_0', valueType: 'q8_0' },
  'a Q4_0 cache': { keyType: 'q4_0', valueType: 'q4_0' },
  'two caches': { caches: 2 },
  'an empty sequence': { cells: 0 },
};

const f16File = (own: Partial<Shape> = {}): Uint8Array => buildFile({ cells: 50, ...own });

function keysOf(file: Uint8Array): Float32Array {
  const data = parseStateFile(file).caches[0]?.layers[0]?.key.data ?? new Uint8Array();
  return Float32Array.from(new Uint16Array(data.slice().buffer), referenceFloat);
}

function relativeError(quantisation: Quantisation, headDim: number): number {
  const file = f16File();
  const facts = factsOf({}, headDim);
  const decoded = decodeSnapshot(encodeSnapshot(file, { quantisation, facts }), facts);
  const [before, after] = [keysOf(file), keysOf(decoded)];
  return Math.hypot(...before.map((value, at) => value - after[at]!)) / Math.hypot(...before);
}

suite('snapshot', () => {
  for (const [name, form] of Object.entries(forms)) {
    test(`${name}: f16 comes back byte for byte`, () => {
      const file = buildFile(form);
      const facts = factsOf(form);
      const snapshot = encodeSnapshot(file, { quantisation: 'f16', facts });
      assert.deepEqual(decodeSnapshot(snapshot, facts), file);
    });

    for (const quantisation of quantisations) {
      test(`${name}: ${quantisation} decodes, and encodes to itself again`, () => {
        const facts = factsOf(form);
        const snapshot = encodeSnapshot(buildFile(form), { quantisation, facts });
        const decoded = decodeSnapshot(snapshot, facts);
        const { layers: before } = parseStateFile(buildFile(form)).caches[0]!;
        const { layers: after } = parseStateFile(decoded).caches[0]!;
        assert.deepEqual(
          after.map(({ key, value }) => [key.type, key.rowBytes, value.type, value.rowBytes]),
          before.map(({ key, value }) => [key.type, key.rowBytes, value.type, value.rowBytes]),
        );
        assert.deepEqual(
          encodeSnapshot(buildFile(form), { quantisation, facts }),
          snapshot,
          'the same state gives the same bytes',
        );
      });
    }
  }

  test('precision is that of the quantisation, and a head that cannot be rotated is kept too', () => {
    for (const headDim of [64, 32]) {
      const errors = (['q8_0', 'k8v4', 'q4_0'] as const).map((each) => relativeError(each, headDim));
      assert.ok(errors[0]! < 0.02 && errors[1] === errors[0], errors.join(' '));
      assert.ok(errors[2]! > errors[0]! && errors[2]! < 0.25, errors.join(' '));
    }
    assert.ok(relativeError('q4_0', 64) < relativeError('q4_0', 32), 'rotation helps');
  });

  test('sizes are those of the blocks', () => {
    const file = f16File({ cells: 500, width: 256 });
    const facts = factsOf({ width: 256 });
    const sizeOf = (quantisation: Quantisation) =>
      encodeSnapshot(file.slice(), { quantisation, facts }).length;
    assert.ok(file.length / sizeOf('q4_0') > 3.5);
    assert.ok(file.length / sizeOf('k8v4') > 2.4);
    assert.ok(file.length / sizeOf('q8_0') > 1.85);
  });

  test('a context with another number of sequences gets it in its own layout', () => {
    const snapshot = encodeSnapshot(buildFile({ streams: 8, stream: 7 }), {
      quantisation: 'f16',
      facts: factsOf({ streams: 8 }),
    });
    const decoded = decodeSnapshot(snapshot, factsOf({ streams: 1 }));
    assert.deepEqual(decoded, buildFile({ streams: 1 }));
  });

  test('it says what it is of', () => {
    const facts = factsOf({}, 128);
    const snapshot = encodeSnapshot(buildFile(), { quantisation: 'k8v4', facts });
    const info = inspectSnapshot(snapshot);
    assert.equal(info.quantisation, 'k8v4');
    assert.deepEqual(info.tokens, buildState().tokens);
    assert.equal(info.facts.model, facts.model);
    assert.equal(info.facts.flashAttention, 'true');
    assert.match(info.sha256, /^[0-9a-f]{64}$/);
    const { metadata, tensors } = readSafetensors(snapshot);
    const said = ['keyAtRest', 'valueAtRest', 'keyRotation', 'valueRotation'].map((name) =>
      metadata.get(name),
    );
    assert.deepEqual(said, ['q8_0', 'q4_0', '128', '64']);
    assert.deepEqual(tensors.get('caches.0.layers.1.value')?.shape, [3, 72]);
  });

  test('keys that are not finite are kept as they are', () => {
    const file = f16File();
    const state = parseStateFile(file);
    state.caches[0]!.layers[1]!.key.data.set([0, 0x7c], 10);
    const facts = factsOf();
    const decoded = decodeSnapshot(encodeSnapshot(file, { quantisation: 'q4_0', facts }), facts);
    const layers = parseStateFile(decoded).caches[0]!.layers;
    assert.deepEqual(layers[1]!.key.data, state.caches[0]!.layers[1]!.key.data);
    assert.notDeepEqual(layers[0]!.key.data, state.caches[0]!.layers[0]!.key.data);
  });

  test('state of something else is refused, and it is said of what', () => {
    const facts = factsOf();
    const snapshot = encodeSnapshot(buildFile(), { quantisation: 'q8_0', facts });
    const others: readonly [Partial<StateFacts>, RegExp][] = [
      [{ model: 'b'.repeat(64) }, /model a{64} instead of b{64}$/],
      [{ engine: 'llama.cpp v2' }, /engine llama.cpp v1 instead of llama.cpp v2$/],
      [{ keyType: 'q8_0' }, /keyType f16 instead of q8_0$/],
      [{ layers: 3, headDim: 128 }, /layers 2 instead of 3, headDim 64 instead of 128$/],
      [{ flashAttention: false }, /flashAttention true instead of false$/],
      [
        { valueHeadDim: 32, keyValueHeads: 1 },
        /keyValueHeads 4 instead of 1, valueHeadDim 64 instead of 32$/,
      ],
    ];
    for (const [other, message] of others) {
      assert.throws(() => decodeSnapshot(snapshot, { ...facts, ...other }), {
        code: 'stateMismatch',
        message,
      });
    }
  });

  test('a state file of another cache is not made a snapshot', () => {
    const quantisation = 'f16';
    const others: readonly [Partial<Shape>, RegExp][] = [
      [{ keyType: 'f32' }, /holds f16 keys and f16 values, the cache f32 and f16/],
      [{ transposed: true }, /written with flashAttention true/],
      [{ layers: 1 }, /has 2 layers, the model 1/],
    ];
    for (const [form, message] of others) {
      const facts = factsOf(form);
      assert.throws(() => encodeSnapshot(buildFile(), { quantisation, facts }), {
        code: 'stateMismatch',
        message,
      });
    }
    const strange = { ...factsOf(), keyType: 'iq4_nl' };
    assert.throws(() => encodeSnapshot(buildFile(), { quantisation, facts: strange }), {
      code: 'stateMismatch',
      message: 'state of type iq4_nl cannot be kept',
    });
  });

  test('no bit of it can change, no byte be lost or added', () => {
    const facts = factsOf({ layers: 1, width: 64, cells: 1 });
    const snapshot = encodeSnapshot(buildFile({ layers: 1, width: 64, cells: 1 }), {
      quantisation: 'q4_0',
      facts,
    });
    for (let bit = 0; bit < snapshot.length * 8; bit++) {
      const copy = Uint8Array.from(snapshot);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => decodeSnapshot(copy, facts), { code: 'stateInvalid' }, `bit ${bit}`);
    }
    for (let length = 0; length < snapshot.length; length++) {
      assert.throws(() => decodeSnapshot(snapshot.subarray(0, length), facts), { code: 'stateInvalid' });
    }
    assert.throws(() => decodeSnapshot(Uint8Array.from([...snapshot, 0]), facts), { code: 'stateInvalid' });
  });

  test('other files are no snapshots', () => {
    const other = writeSafetensors({ metadata: new Map([['format', 'pt']]), tensors: new Map() });
    for (const bytes of [other, buildFile(), new Uint8Array(), new Uint8Array(1000)]) {
      assert.throws(() => inspectSnapshot(bytes), { code: 'stateInvalid', message: /are not a snapshot/ });
    }
  });

  test('another version is told from damage', () => {
    const facts = factsOf();
    const { metadata, tensors } = readSafetensors(
      encodeSnapshot(buildFile(), { quantisation: 'f16', facts }),
    );
    const later = sealed(writeSafetensors({ metadata: new Map([...metadata, ['version', '2']]), tensors }));
    assert.throws(() => decodeSnapshot(later, facts), {
      code: 'stateMismatch',
      message: /of the form amk-kv 2, this program's is amk-kv 1/,
    });
  });

  test('what is sealed and still not one is refused', () => {
    const facts = factsOf();
    const { metadata, tensors } = readSafetensors(
      encodeSnapshot(buildFile(), { quantisation: 'q4_0', facts }),
    );
    const tokens = tensors.get('tokens')!;
    const key = tensors.get('caches.0.layers.1.key')!;
    const without = (name: string) => new Map([...tensors].filter(([each]) => each !== name));
    const wrong: readonly [string, typeof metadata, typeof tensors][] = [
      ['no tokens', metadata, without('tokens')],
      ['no positions', metadata, without('caches.0.positions')],
      ['no value', metadata, without('caches.0.layers.1.value')],
      ['a layer less', metadata, without('caches.0.layers.1.key')],
      ['a tensor more', metadata, new Map([...tensors, ['x', tokens]])],
      [
        'other cells',
        metadata,
        new Map([...tensors, ['caches.0.layers.1.key', { ...key, shape: [1, key.data.length] }]]),
      ],
      [
        'no matrix',
        metadata,
        new Map([...tensors, ['caches.0.layers.1.key', { ...key, shape: [key.data.length] }]]),
      ],
      [
        'a type',
        metadata,
        new Map([
          ...tensors,
          ['caches.0.layers.1.key', { ...key, dtype: 'I32', shape: [3, key.data.length / 12] }],
        ]),
      ],
      [
        'half a block',
        metadata,
        new Map([
          ...tensors,
          ['caches.0.layers.1.key', { dtype: 'U8', shape: [3, 9], data: key.data.subarray(0, 27) }],
        ]),
      ],
      [
        'half a rotation',
        metadata,
        new Map([
          ...tensors,
          ['caches.0.layers.1.key', { dtype: 'U8', shape: [3, 18], data: key.data.subarray(0, 54) }],
        ]),
      ],
      [
        'numbers of bytes',
        metadata,
        new Map([...tensors, ['tokens', { ...tokens, dtype: 'U8', shape: [12] }]]),
      ],
      ['a rotation', new Map([...metadata, ['keyRotation', '128']]), tensors],
      ['a quantisation', new Map([...metadata, ['quantisation', 'q2']]), tensors],
      ['metadata', new Map([...metadata, ['x', 'y']]), tensors],
    ];
    for (const [name, metadata, tensors] of wrong) {
      const bytes = sealed(writeSafetensors({ metadata, tensors }));
      const wasRead = /^(?!these|the snapshot is damaged)/;
      assert.throws(() => decodeSnapshot(bytes, facts), { code: 'stateInvalid', message: wasRead }, name);
    }
  });
});
