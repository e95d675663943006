// The WebAssembly loops compute what the reference does, bit for bit.
import assert from 'node:assert/strict';
import { dequantise, isQuantisable, quantise } from '../../../../src/kernel/kv/quantise.js';
import { keyRotation, valueRotation } from '../../../../src/kernel/kv/rotation.js';
import type { PlainType } from '../../../../src/kernel/kv/tensorType.js';
import {
  referenceBrain,
  referenceDequantise,
  referenceFloat,
  referenceFloatOfBrain,
  referenceHalf,
  referenceQuantise,
  referenceRotate,
} from './referenceCodec.js';
import { activations, elementsAs, randomFrom } from './stateBuilder.js';

const quantised = ['q8_0', 'q4_0'] as const;
const plainTypes: readonly PlainType[] = ['f16', 'f32', 'bf16'];

function valuesIn(type: PlainType, bytes: Uint8Array): Float32Array {
  const { buffer } = bytes.slice();
  if (type === 'f32') return new Float32Array(buffer);
  return Float32Array.from(new Uint16Array(buffer), type === 'f16' ? referenceFloat : referenceFloatOfBrain);
}

function bytesAs(type: PlainType, values: Float32Array): Uint8Array {
  if (type === 'f32') return new Uint8Array(values.slice().buffer);
  const half = type === 'f16' ? referenceHalf : referenceBrain;
  return new Uint8Array(Uint16Array.from(values, half).buffer);
}

/** Normal, tiny (subnormal in F16), zero, and blocks with ties of both signs. */
function samples(count: number): Float32Array {
  const random = randomFrom(7);
  const values = activations(count, random);
  values.fill(0, 0, 64);
  for (let at = 64; at < 128; at++) values[at] = values[at]! * 2 ** -18;
  for (let at = 128; at < 192; at++) values[at] = random() < 0.5 ? -1.5 : 1.5;
  for (let at = 192; at < 256; at++) values[at] = Math.round(random() * 254 - 127) / 2;
  return values;
}

suite('quantised rows', () => {
  for (const type of plainTypes) {
    for (const to of quantised) {
      for (const rotation of [0, 64, 128, 256]) {
        test(`${type} to ${to} and back, rotated by ${rotation}, is as the reference has it`, () => {
          const data = bytesAs(type, samples(256 * 70));
          const values = valuesIn(type, data);
          referenceRotate(values, rotation);
          const blocks = quantise(data, type, to, rotation);
          assert.ok(blocks);
          assert.deepEqual(blocks, referenceQuantise(values, to));
          const back = referenceDequantise(blocks, to);
          referenceRotate(back, rotation);
          assert.deepEqual(dequantise(blocks, to, type, rotation), bytesAs(type, back));
        });
      }
    }
  }

  test('every F16 number is read as it is', () => {
    const halves = new Uint16Array(65536 * 32);
    for (let half = 0; half < 65536; half++) halves[half * 32] = half;
    for (let half = 0; half < 65536; half++) {
      if ((half & 0x7c00) === 0x7c00) halves[half * 32] = 0;
    }
    const blocks = quantise(new Uint8Array(halves.buffer), 'f16', 'q8_0', 0);
    assert.ok(blocks);
    for (let half = 0; half < 65536; half++) {
      const value = referenceFloat(halves[half * 32]!);
      const scale = referenceHalf(Math.fround(Math.abs(value) / 127));
      assert.equal(blocks[half * 34]! | (blocks[half * 34 + 1]! << 8), scale, `half ${half}`);
    }
  });

  test('what is not finite, or too large for a scale, is not quantised', () => {
    for (const to of quantised) {
      for (const wrong of [NaN, Infinity, -Infinity]) {
        for (const at of [0, 31, 100, 16_384 * 2 - 1]) {
          const values = activations(16_384 * 2, randomFrom(3));
          values[at] = wrong;
          for (const type of plainTypes) {
            assert.equal(quantise(bytesAs(type, values), type, to, 64), undefined, `${wrong} in ${type}`);
          }
        }
      }
      assert.equal(quantise(bytesAs('f32', new Float32Array(64).fill(1e30)), 'f32', to, 0), undefined);
    }
  });

  test('rotation keeps four bits close where single elements stand out', () => {
    const random = randomFrom(5);
    const values = activations(64 * 200, random);
    for (let at = 0; at < values.length; at += 64) values[at + 9] = 40;
    const data = elementsAs('f16', values, random);
    const errorOf = (rotation: number): number => {
      const blocks = quantise(data, 'f16', 'q4_0', rotation);
      assert.ok(blocks);
      const back = valuesIn('f16', dequantise(blocks, 'q4_0', 'f16', rotation));
      return Math.hypot(...values.map((value, at) => value - back[at]!));
    };
    assert.ok(errorOf(64) < 0.75 * errorOf(0), `${errorOf(64)} and ${errorOf(0)}`);
  });

  test('rotations are those of the engine', () => {
    const heads = [32, 64, 80, 96, 128, 192, 256, 320, 512];
    assert.deepEqual(heads.map(keyRotation), [0, 64, 0, 0, 128, 64, 256, 64, 512]);
    assert.deepEqual(heads.map(valueRotation), [0, 64, 0, 0, 64, 64, 64, 64, 64]);
  });

  test('only whole blocks and rotations are quantised', () => {
    assert.deepEqual(
      [isQuantisable(80, 0), isQuantisable(96, 0), isQuantisable(96, 64), isQuantisable(192, 64)],
      [false, true, false, true],
    );
  });
});
