// Finding the longest stored beginning of a token list by hashes, against comparing everything with everything.

import assert from 'node:assert/strict';
import { blockTokens, hashPrefix } from '../../../../src/kernel/kv/prefixHash.js';
import { PrefixIndex } from '../../../../src/kernel/kv/prefixIndex.js';
import { seededRandom } from '../../hal/unreliableDisk.js';

const tokens = (length: number, from = 0): number[] => Array.from({ length }, (_, index) => from + index);

function indexOf(snapshots: Readonly<Record<string, readonly number[]>>, model = 'm'): PrefixIndex {
  const index = new PrefixIndex();
  for (const [key, list] of Object.entries(snapshots)) {
    index.add({ key, model, tokens: list.length, ...hashPrefix(model, list) });
  }
  return index;
}

suite('prefix index', () => {
  test('hashes depend on the model, on every token and on what came before', () => {
    const list = tokens(200);
    const { blocks, whole } = hashPrefix('m', list);
    assert.equal(blocks.length, 3);
    assert.deepEqual(hashPrefix('m', list.slice(0, 130)).blocks, blocks.slice(0, 2));
    assert.deepEqual(hashPrefix('m', list.slice(0, 128)).whole, blocks[1]);
    const other = hashPrefix('m', [7, ...list.slice(1)]);
    assert.ok(other.blocks.every((hash) => !blocks.includes(hash)));
    assert.notEqual(hashPrefix('n', list).blocks[0], blocks[0]);
    assert.notEqual(hashPrefix('m', list.slice(0, -1)).whole, whole);
    assert.notEqual(hashPrefix('m', [...list.slice(0, -1), -1]).whole, whole);
  });

  test('a whole snapshot is found to its last token, others to their last common block', () => {
    const index = indexOf({ short: tokens(10), middle: tokens(100), long: tokens(300) });
    const find = (list: readonly number[]): unknown => index.find('m', list);
    assert.deepEqual(find(tokens(50)), [{ key: 'short', shared: 10 }]);
    assert.deepEqual(find(tokens(120)), [{ key: 'middle', shared: 100 }]);
    assert.deepEqual(find(tokens(250)), [{ key: 'long', shared: 192 }]);
    assert.deepEqual(find(tokens(1000)), [{ key: 'long', shared: 300 }]);
    assert.deepEqual(find([...tokens(64), ...tokens(100, 5000)]), [
      { key: 'middle', shared: 64 },
      { key: 'long', shared: 64 },
    ]);
    assert.deepEqual(find(tokens(9)), []);
    assert.deepEqual(find(tokens(50, 1)), []);
    assert.deepEqual(find([]), []);
    assert.deepEqual(index.find('other', tokens(300)), []);
  });

  test('what was removed or replaced is found no more', () => {
    const index = indexOf({ a: tokens(100) });
    index.add({ key: 'a', model: 'm', tokens: 5, ...hashPrefix('m', tokens(5, 9)) });
    assert.deepEqual(index.find('m', tokens(100)), []);
    assert.deepEqual(index.find('m', tokens(100, 9)), [{ key: 'a', shared: 5 }]);
    index.remove('a');
    index.remove('a');
    assert.deepEqual(index.find('m', tokens(100, 9)), []);
  });

  test('it finds what a comparison of all lists finds, within a block', () => {
    const random = seededRandom(3);
    const pick = (below: number): number => Math.floor(random() * below);
    const lists: Record<string, number[]> = {};
    for (let key = 0; key < 60; key++) {
      const parent = lists[String(pick(key))] ?? [];
      lists[String(key)] = [
        ...parent.slice(0, pick(parent.length + 1)),
        ...Array.from({ length: 1 + pick(200) }, () => pick(3)),
      ];
    }
    const index = indexOf(lists);
    for (let trial = 0; trial < 100; trial++) {
      const base = lists[String(pick(60))]!;
      const asked = [
        ...base.slice(0, pick(base.length + 1)),
        ...Array.from({ length: pick(100) }, () => pick(3)),
      ];
      const exact = (list: readonly number[]): number => {
        const end = list.findIndex((token, at) => token !== asked[at]);
        return end === -1 ? list.length : end;
      };
      // Blocks in common, and the rest where the whole list is a beginning of what is asked for.
      const expected = Object.entries(lists).map(([key, list]) => {
        const common = exact(list);
        return { key, shared: common === list.length ? common : common - (common % blockTokens) };
      });
      const longest = Math.max(...expected.map(({ shared }) => shared));
      const found = index.find('m', asked);
      if (longest === 0) assert.deepEqual(found, []);
      else {
        assert.deepEqual(new Set(found.map(({ shared }) => shared)), new Set([longest]));
        assert.deepEqual(
          found.map(({ key }) => key).sort(),
          expected
            .filter(({ shared }) => shared === longest)
            .map(({ key }) => key)
            .sort(),
        );
      }
    }
  });
});
