import assert from 'node:assert/strict';
import { findLocations } from '../../../src/extension/locations.js';

/** What is underlined, and where it leads. */
const found = (line: string): string[] =>
  findLocations(line).map(
    ({ start, length, path, line: row, column }) =>
      `${line.slice(start, start + length)} -> ${path}@${row},${column}`,
  );

suite('places named in a line of text', () => {
  const cases: [string, string[]][] = [
    ['see src/parser.ts:12.', ['src/parser.ts:12 -> src/parser.ts@12,0']],
    ['`README.md:4:2`: here', ['README.md:4:2 -> README.md@4,2']],
    ['(src/a.ts) and "./lib/b.js:9"', ['src/a.ts -> src/a.ts@0,0', './lib/b.js:9 -> lib/b.js@9,0']],
    ['**src/a.ts:3**, then', ['src/a.ts:3 -> src/a.ts@3,0']],
    ['bin/run:7', ['bin/run:7 -> bin/run@7,0']],
    ['src/größe.ts:1', ['src/größe.ts:1 -> src/größe.ts@1,0']],
    ['src/a.ts:12: export const a = 1;', ['src/a.ts:12 -> src/a.ts@12,0']],
  ];
  for (const [line, expected] of cases) {
    test(`"${line}" names ${expected.length}`, () => assert.deepEqual(found(line), expected));
  }

  const none = [
    'and/or e.g. this: 12:30 or 3.14',
    'https://example.com/a.ts:1',
    '/etc/passwd:1',
    '../../etc/passwd.txt:1',
    'src/../../x.ts:1',
    'command:workbench.action.quit:1',
    'C:\\windows\\a.ts:1',
    'Done.',
    '',
  ];
  for (const line of none) {
    test(`"${line}" names no place in the workspace`, () => assert.deepEqual(found(line), []));
  }

  test('a very long line is data and is not searched', () => {
    assert.deepEqual(found(`src/a.ts:1 ${'x'.repeat(5000)}`), []);
  });

  test('a hostile line is searched in linear time', () => {
    const startedAt = performance.now();
    findLocations('a/:1'.repeat(999));
    findLocations(`${'.'.repeat(3990)}x`);
    assert.ok(performance.now() - startedAt < 500);
  });
});
