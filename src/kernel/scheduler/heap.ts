/**
 * A binary min-heap that knows where its items are, so that any of them can be removed in O(log n), and that can be
 * read in order without being taken apart.
 */

import { invariant } from '../../shared/errors.js';

export class Heap<T> {
  readonly #items: T[] = [];
  readonly #at = new Map<T, number>();
  readonly #before: (a: T, b: T) => boolean;
  #changes = 0;

  /** @param before a strict order: whether `a` comes out earlier than `b`; an item's place in it must not change */
  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  has(item: T): boolean {
    return this.#at.has(item);
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    this.#changes++;
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  pop(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Removes the item wherever it is; absent items are ignored. */
  remove(item: T): void {
    const index = this.#at.get(item);
    if (index === undefined) return;
    this.#changes++;
    this.#at.delete(item);
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#sink(last, index);
  }

  /**
   * All items, the least first, each in O(log of those read so far): the next is always a child of one already read.
   * The heap stays as it is, and must not be changed meanwhile.
   */
  *inOrder(): Generator<T, void, void> {
    const changes = this.#changes;
    const frontier = new Heap<number>((a, b) => this.#before(this.#items[a] as T, this.#items[b] as T));
    for (let index: number | undefined = 0; index !== undefined; index = frontier.pop()) {
      if (index >= this.#items.length) continue;
      yield this.#items[index] as T;
      invariant(changes === this.#changes, 'a heap is not changed while it is read');
      for (const child of [2 * index + 1, 2 * index + 2]) {
        if (child < this.#items.length) frontier.push(child);
      }
    }
  }

  #place(item: T, index: number): void {
    this.#items[index] = item;
    this.#at.set(item, index);
  }

  /** Places the item at the hole or above it. */
  #rise(item: T, hole: number): void {
    let index = hole;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = this.#items[parent] as T;
      if (!this.#before(item, above)) break;
      this.#place(above, index);
      index = parent;
    }
    this.#place(item, index);
  }

  /** Places the item at the hole, below it, or above it. */
  #sink(item: T, hole: number): void {
    const { length } = this.#items;
    let index = hole;
    for (let child = 2 * index + 1; child < length; child = 2 * index + 1) {
      const right = child + 1;
      if (right < length && this.#before(this.#items[right] as T, this.#items[child] as T)) child = right;
      const below = this.#items[child] as T;
      if (!this.#before(below, item)) break;
      this.#place(below, index);
      index = child;
    }
    this.#rise(item, index);
  }
}
