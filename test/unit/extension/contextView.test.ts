import assert from 'node:assert/strict';
import { contextViewOf, excerptOf, lostContext } from '../../../src/extension/contextView.js';
import type { ContextMap } from '../../../src/shared/protocol.js';
import { rowOf } from './rows.js';

const mapOf = (label: string): ContextMap => ({
  ...{ windowTokens: 1_024, thresholdTokens: 819, usedTokens: 700, attention: 'measured' },
  blocks: [{ id: 1, kind: 'file', label, tokens: 64, attention: 1.5, state: 'resident', pinned: false }],
});

suite('context in the task manager', () => {
  test('is the map of a live agent, with labels that deceive nobody', () => {
    const view = contextViewOf(mapOf('a\u202eb'), rowOf(1));
    assert.deepEqual([view.map?.blocks[0]?.label, view.note, view.isLive], ['a\\u{202e}b', '', true]);
  });

  test('says that its agent has ended, or that there is nothing', () => {
    const empty = { ...mapOf(''), blocks: [] };
    const exited = rowOf(1, { state: 'exited' });
    assert.match(contextViewOf(mapOf('a'), exited).note, /^It has ended; this is what/);
    assert.equal(contextViewOf(mapOf('a'), exited).isLive, false);
    assert.match(contextViewOf(empty, exited).note, /nothing was in its window/);
    assert.match(contextViewOf(empty, rowOf(1)).note, /^Nothing is in its window yet/);
    assert.deepEqual(lostContext('gone'), { map: null, note: 'gone', isLive: false });
  });

  test('shows the beginning of a text, escaped', () => {
    assert.deepEqual(excerptOf('one\r\n\ttwo\u001b[31m\n'), { text: 'one\n\ttwo\\u{1b}[31m', isCut: false });
    const many = excerptOf('line\n'.repeat(100));
    assert.deepEqual([many.text.split('\n').length, many.isCut], [20, true]);
    assert.deepEqual(excerptOf('x'.repeat(5_000)), { text: 'x'.repeat(2_000), isCut: true });
    assert.deepEqual(excerptOf(''), { text: '', isCut: false });
  });
});
