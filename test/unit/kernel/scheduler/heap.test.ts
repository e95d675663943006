// The heap against a sorted array, on random operations with a fixed seed.
import assert from 'node:assert/strict';
import { Heap } from '../../../../src/kernel/scheduler/heap.js';

interface Item {
  readonly key: number;
}

/** A small linear congruential generator: the same numbers in every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
}

suite('heap', () => {
  test('pops, peeks and removes what a sorted array would', () => {
    const random = randomNumbers(7);
    const heap = new Heap<Item>((a, b) => a.key < b.key);
    const sorted: Item[] = [];
    for (let round = 0; round < 5000; round++) {
      const dice = random();
      if (dice < 0.5) {
        const item = { key: random() };
        heap.push(item);
        sorted.push(item);
        sorted.sort((a, b) => a.key - b.key);
      } else if (dice < 0.75) {
        assert.equal(heap.pop(), sorted.shift());
      } else if (sorted.length > 0) {
        const [item] = sorted.splice(Math.floor(random() * sorted.length), 1);
        heap.remove(item!);
        assert.equal(heap.has(item!), false);
      }
      assert.equal(heap.size, sorted.length);
      assert.equal(heap.peek(), sorted[0]);
    }
  });

  test('removing what is not there changes nothing', () => {
    const heap = new Heap<Item>((a, b) => a.key < b.key);
    heap.push({ key: 1 });
    heap.remove({ key: 1 });
    assert.equal(heap.size, 1);
  });
});
