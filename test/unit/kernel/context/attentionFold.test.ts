// From tokens to blocks, and from readings to what they say together.
import assert from 'node:assert/strict';
import { blockAttention, decayedAttention } from '../../../../src/kernel/context/attentionFold.js';

suite('attention of blocks', () => {
  const received = Float32Array.of(0.5, 0.125, 0.125, 0.25);

  test('a block received what its tokens received', () => {
    const blocks = [
      { start: 0, end: 1 },
      { start: 1, end: 3 },
      { start: 3, end: 4 },
    ];
    assert.deepEqual(blockAttention(received, blocks), [0.5, 0.25, 0.25]);
  });

  test('tokens outside of the state received nothing', () => {
    assert.deepEqual(
      blockAttention(received, [
        { start: 2, end: 2 },
        { start: 3, end: 9 },
        { start: -2, end: 1 },
        { start: 8, end: 9 },
      ]),
      [0, 0.25, 0.5, 0],
    );
  });

  test('older readings count less each time, and the first one counts alone', () => {
    assert.equal(decayedAttention(undefined, 0.4, 0.5), 0.4);
    assert.equal(decayedAttention(0.4, 0, 0.5), 0.2);
    assert.equal(decayedAttention(0.2, 0, 0.5), 0.1);
    assert.equal(decayedAttention(0.4, 0.1, 0), 0.1);
    assert.equal(decayedAttention(0.4, 0.1, 1), 0.4);
  });
});
