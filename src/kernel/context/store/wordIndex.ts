/**
 * Which blocks of one owner have the words of a question: Orama over their texts, with postings of our own in the place
 * of its radix tree, which matches beginnings of words, finds fewer of the right blocks and takes a hundred times as
 * long. Filled in slices that let others run. Meaning is compared elsewhere: a plain scan of vectors is faster than
 * Orama's, which also keeps each as an array of boxed numbers.
 */

import { create, insert, remove, search, type AnyOrama } from '@orama/orama';
import { index as usualIndex } from '@orama/orama/components';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StoredBlock } from './blockStore.js';
import { Postings } from './postings.js';
import type { BlockWords } from './ranking.js';

/** One block takes a few tenths of a millisecond. */
const sliceMs = 8;

interface IndexParts {
  readonly postings: Postings;
  /** What the postings call each text, by its id. */
  readonly numbers: Map<string, number>;
  /** Of the search at work: Orama does not tell its index. */
  readonly limit: () => number;
}

function createIndex({ postings, numbers, limit }: IndexParts): AnyOrama {
  const index: typeof usualIndex = {
    ...usualIndex,
    insert: (_implementation, _index, _property, id, number, text) => {
      numbers.set(String(id), number);
      postings.add(number, text as string);
    },
    remove: (_implementation, _index, _property, id, number, text) => {
      numbers.delete(String(id));
      postings.remove(number, text as string);
      return true;
    },
    search: (_index, term) => postings.find(term, limit()),
  };
  return create({ schema: { text: 'string' }, sort: { enabled: false }, components: { index } });
}

export class WordIndex {
  readonly #postings = new Postings();
  readonly #numbers = new Map<string, number>();
  #limit = 0;
  readonly #index = createIndex({
    postings: this.#postings,
    numbers: this.#numbers,
    limit: () => this.#limit,
  });
  /** By id: what its entry becomes. */
  readonly #changes = new Map<string, StoredBlock | undefined>();
  #work: Promise<void> | undefined;

  /** Takes the place of what was there under that id. */
  set(block: StoredBlock): void {
    this.#changes.set(block.id, block);
  }

  delete(id: string): void {
    this.#changes.set(id, undefined);
  }

  /** Nobody will search any more. */
  dropChanges(): void {
    this.#changes.clear();
  }

  /** Resolves when everything that was told until now can be found. */
  settle(): Promise<void> {
    if (this.#changes.size === 0) return this.#work ?? Promise.resolve();
    this.#work ??= this.#applyChanges().finally(() => (this.#work = undefined));
    return this.#work;
  }

  /** Ids, best first. */
  async find(text: string, limit: number): Promise<string[]> {
    await this.settle();
    // Orama asks its index before it returns.
    this.#limit = limit;
    const { hits } = await search(this.#index, { term: text, properties: ['text'], limit });
    return hits.map(({ id }) => id);
  }

  /** Undefined for what is not indexed as it is now. */
  countsOf(id: string): BlockWords | undefined {
    const number = this.#numbers.get(id);
    if (number === undefined || this.#changes.has(id)) return undefined;
    return {
      total: this.#postings.totalOf(number),
      countOf: (word) => this.#postings.countOf(word, number),
    };
  }

  async #applyChanges(): Promise<void> {
    let sliceBegan = performance.now();
    for (const [id, block] of this.#changes) {
      this.#changes.delete(id);
      if (this.#numbers.has(id)) await remove(this.#index, id);
      if (block !== undefined) await insert(this.#index, { id, text: block.text });
      if (performance.now() - sliceBegan < sliceMs) continue;
      await nextTurn();
      sliceBegan = performance.now();
    }
  }
}
