import assert from 'node:assert/strict';
import type { ContextBlock } from '../../../src/shared/protocol.js';
import {
  actionsFor,
  attentionFill,
  attentionNote,
  cellWidths,
  factsOfBlock,
  levelsOf,
  nameOfBlock,
} from '../../../webview/mapLayout.js';

const blockOf = (fields: Partial<ContextBlock> = {}): ContextBlock => ({
  ...{
    id: 17,
    kind: 'file',
    label: 'src/a.ts 40-92',
    tokens: 412,
    attention: null,
    state: 'paged',
    pinned: false,
  },
  ...fields,
});

suite('context map', () => {
  test('cells are as wide as their tokens, and never too small to hit', () => {
    assert.deepEqual(cellWidths([{ tokens: 512 }, { tokens: 256 }, { tokens: 1 }]), [72, 36, 12]);
    assert.deepEqual(cellWidths([{ tokens: 0 }]), [12]);
    assert.deepEqual(cellWidths([]), []);
  });

  test('attention fills half a cell for an even share, and nothing is made of what was not measured', () => {
    assert.equal(attentionFill(null), null);
    assert.deepEqual([0, 1 / 16, 1 / 4, 1, 4, 16, 1e9].map(attentionFill), [0, 0, 0.25, 0.5, 0.75, 1, 1]);
  });

  test('the bar stays a bar where more is used than there is, and where the window is not known', () => {
    const full = levelsOf({ usedTokens: 1_100, thresholdTokens: 819, windowTokens: 1_024 }, 'en');
    assert.deepEqual([full.used, full.text], [1, '1,100 of 1,024 tokens; above 819, blocks leave']);
    assert.equal(full.threshold, 819 / 1_024);
    assert.deepEqual(levelsOf({ usedTokens: 0, thresholdTokens: 0, windowTokens: 0 }, 'en').used, 0);
  });

  test('says whether attention was measured, and why not', () => {
    assert.equal(attentionNote('measured'), 'attention: measured');
    assert.equal(attentionNote('no probe'), 'attention: not measured (no probe)');
  });

  test('a block is named by kind and label, once', () => {
    assert.equal(nameOfBlock(blockOf()), 'File src/a.ts 40-92');
    assert.equal(nameOfBlock(blockOf({ kind: 'message', label: 'message' })), 'Message');
  });

  test('tells tokens, state, attention and pin in a line', () => {
    assert.equal(factsOfBlock(blockOf(), false, 'en'), '412 tokens · paged out');
    assert.equal(
      factsOfBlock(blockOf(), true, 'en'),
      '412 tokens · paged out · comes back with its next turn',
    );
    const read = blockOf({ tokens: 1_200, state: 'resident', attention: 2.345, pinned: true });
    assert.equal(
      factsOfBlock(read, false, 'en'),
      '1,200 tokens · in the window · attention 2.3× an even share · pinned',
    );
  });

  const offered: [string, Partial<ContextBlock>, boolean, readonly string[]][] = [
    ['one in the window leaves or is pinned', { state: 'resident' }, false, ['out', 'pin']],
    ['a pinned one is unpinned first', { state: 'resident', pinned: true }, false, ['unpin']],
    ['a paged one comes back', { state: 'paged' }, false, ['in', 'pin']],
    ['one that was asked back can stay', { state: 'paged' }, true, ['leave', 'pin']],
    ['a recalled one leaves again', { state: 'recalled' }, false, ['out', 'pin']],
    ['a stale one may be here or there', { state: 'stale' }, false, ['out', 'in', 'pin']],
    ['the system text stays', { kind: 'system', state: 'resident', pinned: true }, false, []],
  ];
  for (const [title, fields, isAsked, actions] of offered) {
    test(title, () => assert.deepEqual(actionsFor(blockOf(fields), isAsked), actions));
  }
});
