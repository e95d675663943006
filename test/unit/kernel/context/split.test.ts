import assert from 'node:assert/strict';
import { cut } from '../../../../src/kernel/context/split.js';

/** The same for every run. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
}

const alphabet = ['a', 'ü', '€', '😀', ' ', '\n', '\n\n', '\r\n', 'word ', '<|im_end|>', '\uFDD0', '\uD800'];

suite('cutting text into blocks', () => {
  test('the pieces joined are the text, none is too long, and no code point is cut', () => {
    const random = randomOf(7);
    for (let round = 0; round < 500; round++) {
      const parts = Array.from(
        { length: Math.floor(random() * 200) },
        () => alphabet[Math.floor(random() * alphabet.length)],
      );
      const text = parts.join('');
      const length = 2 + Math.floor(random() * 60);
      const pieces = cut(text, length).map(({ start, end }) => text.slice(start, end));
      assert.equal(pieces.join(''), text);
      for (const piece of pieces) assert.ok(piece.length > 0 && piece.length <= length);
      const clean = text.replaceAll('\uD800', '');
      for (const { start, end } of cut(clean, length)) {
        const bytes = Buffer.from(clean.slice(start, end));
        assert.equal(bytes.toString(), clean.slice(start, end));
      }
    }
  });

  test('borders are line ends, and blank lines where there are some', () => {
    const text = 'one\ntwo\n\nthree\nfour\nfive\n';
    const pieces = cut(text, 14).map(({ start, end }) => text.slice(start, end));
    assert.deepEqual(pieces, ['one\ntwo\n\n', 'three\nfour\n', 'five\n']);
  });
});
