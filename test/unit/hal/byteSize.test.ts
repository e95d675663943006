import assert from 'node:assert/strict';
import { formatBytes, formatBytesOf } from '../../../src/hal/byteSize.js';

suite('a size in bytes', () => {
  test('reads in the unit that suits it', () => {
    const sizes = [0, 999, 1000, 5_955_488, 4.7e9, 2e15];
    assert.deepEqual(
      sizes.map((size) => formatBytes(size)),
      ['0 bytes', '999 bytes', '1.0 kB', '6.0 MB', '4.7 GB', '2000.0 TB'],
    );
  });

  test('has as many digits as it takes to tell a part from the whole', () => {
    assert.equal(formatBytesOf(3.1e9, 4.7e9), '3.1 of 4.7 GB');
    assert.equal(formatBytesOf(4_699_990_000, 4_700_000_000), '4.69999 of 4.70000 GB');
    assert.equal(formatBytesOf(9, 10), '9 of 10 bytes');
  });

  test('keeps its own unit beside a whole that is far larger', () => {
    assert.equal(formatBytesOf(6e6, 4.7e9), '6.0 MB of 4.7 GB');
    assert.equal(formatBytesOf(0, 10), '0 bytes of 10 bytes');
  });
});
