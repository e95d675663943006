// The one form in which anything crosses between the kernel and a tool module.
import assert from 'node:assert/strict';
import { decodeFields, encodeFields, textOf } from '../../../src/kernel/sandbox/fields.js';

suite('fields', () => {
  test('any texts and bytes come back as they were', () => {
    const texts = ['', 'a', 'größer 😀\n\0', '{"json": "not parsed"}', 'x'.repeat(70_000)];
    assert.deepEqual(decodeFields(encodeFields(texts)).map(textOf), texts);
    const bytes = Uint8Array.of(0xff, 0, 0xfe);
    assert.deepEqual([...decodeFields(encodeFields([bytes, '']))[0]!], [...bytes]);
    assert.deepEqual(decodeFields(encodeFields([])), []);
  });

  test('a part of a larger buffer is read from its own beginning', () => {
    const larger = Buffer.concat([Buffer.from('before'), encodeFields(['x', 'y'])]);
    assert.deepEqual(decodeFields(larger.subarray(6)).map(textOf), ['x', 'y']);
  });

  for (const malformed of [[1], [0, 0, 0], [1, 0, 0, 0], [255, 255, 255, 255], [0, 0, 0, 0, 9]]) {
    test(`${JSON.stringify(malformed)} is refused`, () => {
      assert.throws(() => decodeFields(Uint8Array.from(malformed)), { code: 'badRequest' });
    });
  }

  test('a field that is missing or not UTF-8 is no text', () => {
    assert.throws(() => textOf(undefined), { code: 'badRequest' });
    assert.throws(() => textOf(Uint8Array.of(0xff)), { code: 'badRequest' });
  });
});
