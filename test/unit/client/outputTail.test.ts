// What is kept of a process' output, and which line of it tells how it died.

import assert from 'node:assert/strict';
import { outputTail, tellingLine } from '../../../src/client/outputTail.js';

suite('the last words of a process', () => {
  const deaths: [string, string, string][] = [
    ['nothing', '', ''],
    [
      'an uncaught error',
      'file:///kernel.js:3\nthrow new Error("x");\n      ^\n\nError: no engine\n    at kernel.js:3:7\n\nNode.js v20.20.2\n',
      'Error: no engine',
    ],
    [
      'an engine that aborts',
      'loading\nGGML_ASSERT(n > 0) failed\nsee the log\n',
      'GGML_ASSERT(n > 0) failed',
    ],
    ['neither', 'one\ntwo\n', 'two'],
    ['an unfinished line', 'one\nfatal: out of me', 'fatal: out of me'],
  ];
  for (const [name, output, expected] of deaths) {
    test(name, () => assert.equal(tellingLine(output.split('\n')), expected));
  }

  test('lines are put together from pieces and told once', () => {
    const lines: string[] = [];
    const tail = outputTail((line) => lines.push(line));
    for (const piece of ['a', 'b\nc', '\r\n\n', 'Error: d']) tail.add(piece);
    assert.deepEqual(lines, ['ab', 'c']);
    assert.equal(tail.tellingLine(), 'Error: d');
  });

  test('a flood keeps the end of it, and no line is endless', () => {
    const lengths: number[] = [];
    const tail = outputTail((line) => lengths.push(line.length));
    for (let count = 0; count < 1000; count++) tail.add(`line ${count}\n`);
    assert.equal(tail.tellingLine(), 'line 999');
    tail.add('x'.repeat(10_000));
    assert.equal(tail.tellingLine().length, 500);
  });
});
