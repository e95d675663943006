// Where a JSON object ends, wherever the text is cut into pieces.
import assert from 'node:assert/strict';
import { JsonScanner } from '../../../../src/kernel/agent/jsonScanner.js';

/** The object found when `text` arrives in pieces of `size` characters, or undefined while it is open. */
function scan(text: string, size: number): string | undefined {
  const scanner = new JsonScanner();
  for (let start = 0; start < text.length; start += size) {
    const end = scanner.push(text.slice(start, start + size));
    if (end !== undefined) return text.slice(0, start + end);
  }
  return undefined;
}

suite('JSON scanner', () => {
  const cases: [string, string, string | undefined][] = [
    ['a flat object', '{"a":1} rest', '{"a":1}'],
    ['nested objects', '{"a":{"b":{}}}}', '{"a":{"b":{}}}'],
    ['braces in strings', '{"a":"}{"}x', '{"a":"}{"}'],
    ['escaped quotes', String.raw`{"a":"\"}"}x`, String.raw`{"a":"\"}"}`],
    ['escaped backslashes', String.raw`{"a":"\\"}x`, String.raw`{"a":"\\"}`],
    ['leading blanks', '\n  {"a":1}\n', '\n  {"a":1}'],
    ['an open object', '{"a":{"b":1}', undefined],
    ['an open string', '{"a":"}', undefined],
  ];
  for (const [name, text, expected] of cases) {
    test(name, () => {
      for (const size of [1, 2, 3, 100]) assert.equal(scan(text, size), expected, `pieces of ${size}`);
    });
  }
});
