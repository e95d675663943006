// Adding up rows of attention, and refusing what is none.
import assert from 'node:assert/strict';
import { AttentionRows } from '../../../../src/hal/llama/attentionRows.js';

suite('rows of attention', () => {
  test('the mean is over layers, heads and probed tokens, without the cells that nobody uses', () => {
    const rows = new AttentionRows(1, 2);
    // Two heads, two tokens, rows of four cells of which three are used.
    rows.add(Float32Array.of(0.5, 0.5, 0, 0, 0.25, 0.25, 0.5, 0, 1, 0, 0, 0, 0.5, 0, 0.5, 0), 4);
    rows.add(Float32Array.of(0.25, 0.75, 0, 0, 0, 1, 0, 0), 4);
    assert.deepEqual(rows.mean(), Float32Array.of(2.5 / 6, 2.5 / 6, 1 / 6));
  });

  test('a row that does not sum to 1 is no attention', () => {
    for (const wrong of [0.9, 1.1, NaN]) {
      const rows = new AttentionRows(1, 1);
      rows.add(Float32Array.of(wrong, 0), 2);
      assert.match(String(rows.mean()), /^a row of attention sums to/);
    }
    const close = new AttentionRows(1, 1);
    close.add(Float32Array.of(0.6, 0.3995), 2);
    assert.ok(close.mean() instanceof Float32Array);
  });

  test('a token that attends to a later one shows that cells are not in the order they are taken to be in', () => {
    const rows = new AttentionRows(1, 2);
    rows.add(Float32Array.of(0.5, 0.5, 0.1, 0, 0.5, 0.5), 3);
    assert.equal(rows.mean(), 'a token attends to cell 2, which is after its own, 1');
  });

  test('layers of another form, and none at all, are refused', () => {
    const narrow = new AttentionRows(4, 1);
    narrow.add(new Float32Array(4), 4);
    assert.equal(narrow.mean(), 'a layer has 4 weights in rows of 4');
    const uneven = new AttentionRows(1, 2);
    uneven.add(new Float32Array(9), 3);
    assert.equal(uneven.mean(), 'a layer has 9 weights in rows of 3');
    assert.equal(new AttentionRows(1, 1).mean(), 'the engine showed no layer of attention');
  });
});
