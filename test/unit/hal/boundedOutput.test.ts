// What is kept of a long output, and that the count of what is not is exact.

import assert from 'node:assert/strict';
import { BoundedOutput } from '../../../src/hal/boundedOutput.js';

function keep(limitBytes: number, chunks: readonly string[]): { text: string; truncatedBytes: number } {
  const bounded = new BoundedOutput(limitBytes);
  for (const chunk of chunks) bounded.add(Buffer.from(chunk));
  const { output, truncatedBytes } = bounded.result();
  return { text: output.toString(), truncatedBytes };
}

suite('boundedOutput', () => {
  test('keeps all of what fits, however it comes', () => {
    for (const chunks of [[], ['abcd'], ['abcd', 'efgh'], 'abcdefgh'.split(''), ['', 'abc', '']]) {
      assert.deepEqual(keep(8, chunks), { text: chunks.join(''), truncatedBytes: 0 });
    }
  });

  test('leaves out whole lines between the beginning and the end', () => {
    const lines = Array.from({ length: 100 }, (_, index) => `line ${index}\n`);
    const { text, truncatedBytes } = keep(64, lines);
    assert.equal(text, `line 0\nline 1\n... ${truncatedBytes} bytes left out\n${lines.slice(-5).join('')}`);
    assert.equal(truncatedBytes, lines.join('').length - 14 - lines.slice(-5).join('').length);
  });

  test('does the same whatever the pieces are', () => {
    const whole = Array.from({ length: 300 }, (_, index) => `${index}\n`).join('');
    const expected = keep(100, [whole]);
    for (const size of [1, 2, 3, 7, 25, 75, 76, 99, 100, 101, 500]) {
      const chunks = whole.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? [];
      assert.deepEqual(keep(100, chunks), expected, `pieces of ${size}`);
    }
  });

  test('cuts through a line where there is no end of one', () => {
    assert.deepEqual(keep(8, ['abcdefghijklmnopqrstuvwxyz']), {
      text: 'ab\n... 18 bytes left out\nuvwxyz',
      truncatedBytes: 18,
    });
  });

  test('a limit of nothing keeps nothing', () => {
    assert.equal(keep(0, ['abc', 'def']).truncatedBytes, 6);
  });
});
