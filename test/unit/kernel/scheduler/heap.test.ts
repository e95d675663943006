// The heap against a sorted array, on random operations with a fixed seed.
import assert from 'node:assert/strict';
import { Heap } from '../../../../src/kernel/scheduler/heap.js';
import { randomNumbers } from '../../../../src/kernel/scheduler/simulatedAgent.js';

interface Item {
  readonly key: number;
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

  test('is read in order without being changed, as far as anybody wants', () => {
    const random = randomNumbers(11);
    const heap = new Heap<Item>((a, b) => a.key < b.key);
    const items = Array.from({ length: 1000 }, () => ({ key: random() }));
    for (const item of items) heap.push(item);
    items.sort((a, b) => a.key - b.key);
    const [first, second] = heap.inOrder();
    assert.deepEqual([first, second], items.slice(0, 2));
    assert.deepEqual([...heap.inOrder()], items);
    assert.deepEqual([...heap.inOrder()], items);
    assert.deepEqual([...new Heap<Item>(() => false).inOrder()], []);
  });

  test('changing it while it is read is a bug', () => {
    const heap = new Heap<Item>((a, b) => a.key < b.key);
    heap.push({ key: 1 });
    heap.push({ key: 2 });
    const items = heap.inOrder();
    items.next();
    heap.pop();
    assert.throws(() => items.next(), { code: 'bug' });
  });

  test('removing what is not there changes nothing', () => {
    const heap = new Heap<Item>((a, b) => a.key < b.key);
    heap.push({ key: 1 });
    heap.remove({ key: 1 });
    assert.equal(heap.size, 1);
  });
});
