// Characters that could deceive a reader of a prompt are seen.

import assert from 'node:assert/strict';
import { escapeForDisplay, escapeLines } from '../../../src/shared/escape.js';

suite('text shown in a prompt', () => {
  const shown: [string, string, string][] = [
    ['plain text', 'src/über/日本語 (1).ts', 'src/über/日本語 (1).ts'],
    ['an emoji', 'a 🚀 b', 'a 🚀 b'],
    ['an escape sequence', 'a\u001b[2Kb', 'a\\u{1b}[2Kb'],
    ['a line feed, return, tab and bell', 'a\nb\rc\td\u0007', 'a\\u{0a}b\\u{0d}c\\u{09}d\\u{07}'],
    ['an eight-bit control', 'a\u009bb', 'a\\u{9b}b'],
    ['a right-to-left override', 'cod\u202etxt.exe', 'cod\\u{202e}txt.exe'],
    ['a bidirectional isolate', '\u2066a\u2069', '\\u{2066}a\\u{2069}'],
    ['a zero-width space and joiner', 'a\u200bb\u200dc\ufeff', 'a\\u{200b}b\\u{200d}c\\u{feff}'],
    ['a soft hyphen', 'a\u00adb', 'a\\u{ad}b'],
    ['a line separator', 'a\u2028b\u2029', 'a\\u{2028}b\\u{2029}'],
    ['a no-break and an ideographic space', 'a\u00a0b\u3000c', 'a\\u{a0}b\\u{3000}c'],
    ['a Hangul filler and an empty Braille pattern', 'a\u3164b\u2800', 'a\\u{3164}b\\u{2800}'],
    ['a variation selector', 'a\ufe0f\u{e0101}', 'a\\u{fe0f}\\u{e0101}'],
    ['a tag character', 'a\u{e0061}', 'a\\u{e0061}'],
    ['a private character', '\ue000', '\\u{e000}'],
    ['a lone surrogate', 'a\ud800b', 'a\\u{d800}b'],
  ];
  for (const [what, text, expected] of shown) {
    test(`${what} is seen`, () => assert.equal(escapeForDisplay(text), expected));
  }

  test('text of several lines keeps its line feeds and tabs, nothing else', () => {
    assert.equal(escapeLines('a\n\tb\u001b[31m\r\n'), 'a\n\tb\\u{1b}[31m\\u{0d}\n');
  });
});
