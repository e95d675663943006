// The check that a library's structures are laid out as they are described.
import assert from 'node:assert/strict';
import { firstDifference } from '../../../../src/hal/llama/libllama.js';

suite('layout of the engine', () => {
  const expected = { size: 512, isOn: true, hook: null };

  test('the same defaults pass, whatever else there is and however large numbers are told', () => {
    assert.equal(firstDifference({ ...expected, other: 7 }, expected), undefined);
    assert.equal(firstDifference({ ...expected, size: 512n }, expected), undefined);
  });

  test('the first one that is another is named', () => {
    assert.equal(firstDifference({ ...expected, size: 2048 }, expected), 'size is 2048, not 512');
    assert.equal(firstDifference({ ...expected, hook: 94n }, { hook: null }), 'hook is 94, not null');
    assert.equal(firstDifference({ size: 512 }, expected), 'isOn is undefined, not true');
  });
});
