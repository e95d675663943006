// Columns that text takes in a terminal.

import assert from 'node:assert/strict';
import { displayWidth, fit, truncate, wrap } from '../../../src/cli/displayWidth.js';

suite('the width of text', () => {
  const widths: [string, number][] = [
    ['', 0],
    ['abc', 3],
    ['é', 1],
    ['e\u0301', 1],
    ['日本', 4],
    ['ｶﾅ', 2],
    ['한국', 4],
    ['🚀', 2],
    ['a…→', 3],
  ];
  for (const [text, width] of widths) {
    test(`"${text}" takes ${width}`, () => assert.equal(displayWidth(text), width));
  }

  test('what is too long is cut with an ellipsis, never in the middle of a wide character', () => {
    assert.equal(truncate('abcdef', 6), 'abcdef');
    assert.equal(truncate('abcdef', 4), 'abc…');
    assert.equal(truncate('日本語', 4), '日…');
    assert.equal(truncate('abc', 1), '…');
    assert.equal(truncate('abc', 0), '');
  });

  test('a cell has its width exactly', () => {
    assert.equal(fit('ab', 4), 'ab  ');
    assert.equal(fit('ab', 4, 'right'), '  ab');
    assert.equal(fit('日本語', 4), '日… ');
  });

  test('wrapped text loses nothing, breaks after blanks, and never exceeds the width', () => {
    const cases: [string, number, string[]][] = [
      ['one two three', 8, ['one two ', 'three']],
      ['abcdefghij', 4, ['abcd', 'efgh', 'ij']],
      ['a bcdefghij k', 4, ['a ', 'bcde', 'fghi', 'j k']],
      ['日本語', 5, ['日本', '語']],
      ['', 5, ['']],
    ];
    for (const [text, columns, lines] of cases) {
      assert.deepEqual(wrap(text, columns), lines);
      assert.equal(lines.join(''), text);
    }
  });
});
