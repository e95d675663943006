// Safetensors files: what is written is read, and nothing but what is written.
import assert from 'node:assert/strict';
import {
  readSafetensors,
  writeSafetensors,
  type Archive,
  type Tensor,
} from '../../../../src/kernel/kv/safetensors.js';

const archive: Archive = {
  metadata: new Map([
    ['format', 'test'],
    ['note', 'ä "quoted" \\ text'],
  ]),
  tensors: new Map<string, Tensor>([
    ['numbers', { dtype: 'I32', shape: [2], data: Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0) }],
    ['halves', { dtype: 'F16', shape: [1, 2], data: Uint8Array.of(0, 60, 0, 64) }],
    ['none', { dtype: 'F32', shape: [0, 4], data: new Uint8Array() }],
    ['bytes', { dtype: 'U8', shape: [3], data: Uint8Array.of(7, 8, 9) }],
    ['scalar', { dtype: 'BF16', shape: [], data: Uint8Array.of(0, 63) }],
  ]),
};

/** A file with a header of one's own; filled up to eight bytes as the writer does. */
function fileOf(header: unknown, dataBytes = 0, text = JSON.stringify(header)): Uint8Array {
  const bytes = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Uint8Array.from(Buffer.concat([length, bytes, Buffer.alloc(dataBytes)]));
}

const entry = (from: number, to: number, own: object = {}) => ({
  dtype: 'U8',
  shape: [to - from],
  data_offsets: [from, to],
  ...own,
});

const refused = (bytes: Uint8Array, message: RegExp): void =>
  assert.throws(() => readSafetensors(bytes), { code: 'stateInvalid', message });

suite('safetensors', () => {
  test('what is written is read', () => {
    const bytes = writeSafetensors(archive);
    const read = readSafetensors(bytes);
    assert.deepEqual(read, archive);
    assert.deepEqual([...read.tensors.keys()], [...archive.tensors.keys()]);
    assert.deepEqual(writeSafetensors(read), bytes);
  });

  test('the data begins at a multiple of eight and fills the file', () => {
    const bytes = writeSafetensors(archive);
    const header = new DataView(bytes.buffer).getUint32(0, true);
    assert.equal(header % 8, 0);
    assert.equal(bytes.length, 8 + header + 17);
  });

  test('an archive of nothing is one', () => {
    const nothing = { metadata: new Map(), tensors: new Map() };
    assert.deepEqual(readSafetensors(writeSafetensors(nothing)), nothing);
  });

  test('a header that is longer than the file, or than any header, is refused', () => {
    const bytes = writeSafetensors(archive);
    for (const [at, value] of [
      [0, bytes.length],
      [4, 1],
      [4, 0xffffffff],
    ] as const) {
      const copy = Uint8Array.from(bytes);
      new DataView(copy.buffer).setUint32(at, value, true);
      refused(copy, /has a header of \d+ bytes/);
    }
    refused(fileOf({}, 0, `{}${' '.repeat(2 ** 20)}`), /has a header of 1048584 bytes/);
    refused(new Uint8Array(7), /of 7 bytes has no header/);
  });

  test('headers that are not the plain form of what they say are refused', () => {
    const a = '"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}';
    const wrong: readonly [string, string, RegExp][] = [
      ['a repeated name', `{${a},${a}}`, /plain form/],
      [
        'a repeated field',
        `{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}`,
        /plain form/,
      ],
      ['another field', `{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}}`, /plain form/],
      ['spaces', `{ ${a}}`, /plain form/],
      ['another way to write a number', `{${a.replace('[4]', '[4e0]')}}`, /plain form/],
      ['an escape that is not needed', `{${a.replace('"a"', '"\\u0061"')}}`, /plain form/],
      ['metadata behind', `{${a},"__metadata__":{"b":"c"}}`, /plain form/],
      ['metadata that is no text', `{"__metadata__":{"b":1},${a}}`, /plain form/],
      ['metadata that is no object', `{"__metadata__":["b"],${a}}`, /plain form/],
      ['no object', `[${a.slice(4)}]`, /not an object/],
      ['no JSON', `{${a}`, /not JSON/],
      ['depth', '['.repeat(100_000), /not JSON/],
    ];
    for (const [name, text, message] of wrong) {
      assert.throws(() => readSafetensors(fileOf({}, 4, text)), { code: 'stateInvalid', message }, name);
    }
    assert.deepEqual([...readSafetensors(fileOf({}, 4, `{${a}}`)).tensors.keys()], ['a']);
  });

  test('text that is not UTF-8, or begins with a mark of it, is refused', () => {
    const bytes = fileOf({ a: entry(0, 4) }, 4);
    bytes[10] = 0xff;
    refused(bytes, /not JSON/);
    refused(fileOf({}, 0, '\ufeff{}'), /not JSON/);
  });

  test('gaps, overlaps, data behind and places outside are refused', () => {
    refused(fileOf({ a: entry(1, 4) }, 4), /"a" has its data from 1 to 4/);
    refused(fileOf({ a: entry(0, 4), b: entry(3, 6) }, 6), /"b" has its data from 3 to 6/);
    refused(fileOf({ a: entry(0, 2), b: entry(3, 6) }, 6), /"b" has its data from 3 to 6/);
    refused(fileOf({ b: entry(4, 6), a: entry(0, 4) }, 6), /"b" has its data from 4 to 6/);
    refused(fileOf({ a: entry(0, 5) }, 4), /"a" has its data from 0 to 5/);
    refused(fileOf({ a: entry(4, 0, { shape: [4] }) }, 4), /"a" has its data from 4 to 0/);
    refused(fileOf({ a: entry(0, 4) }, 5), /1 bytes too many/);
    refused(fileOf({}, 1), /1 bytes too many/);
  });

  test('shapes that do not give the size, and what is no shape, type or place, are refused', () => {
    const own: readonly [object, RegExp][] = [
      [{ shape: [5] }, /4 bytes for the shape \[5\] of U8/],
      [{ shape: [2 ** 31, 2 ** 31] }, /4 bytes for the shape/],
      [{ dtype: 'I32' }, /4 bytes for the shape \[4\] of I32/],
      [{ dtype: 'F64' }, /type that is not known/],
      [{ dtype: 'toString' }, /type that is not known/],
      [{ dtype: 1 }, /type that is not known/],
      [{ shape: [-4] }, /no shape/],
      [{ shape: [4.5] }, /no shape/],
      [{ shape: '4' }, /no shape/],
      [{ shape: [2 ** 60] }, /no shape/],
      [{ data_offsets: [0] }, /no place/],
      [{ data_offsets: [0, 4, 4] }, /no place/],
      [{ data_offsets: null }, /no place/],
    ];
    for (const [fields, message] of own) refused(fileOf({ a: entry(0, 4, fields) }, 4), message);
    refused(fileOf({ a: null }), /"a" has no description/);
  });

  test('names that objects have of their own are names like others', () => {
    const bytes = fileOf({}, 4, '{"__proto__":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}');
    assert.deepEqual([...readSafetensors(bytes).tensors.keys()], ['__proto__']);
  });
});
