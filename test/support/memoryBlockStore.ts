/** A block store in memory, for tests of what uses one: it finds by shared words and vectors, and fails on request. */

import type {
  BlockHit,
  BlockQuery,
  BlockStore,
  StoredBlock,
} from '../../src/kernel/context/store/blockStore.js';
import { cosineOf, sharedWords, wordsOf } from '../../src/kernel/context/similarity.js';

export class MemoryBlockStore implements BlockStore {
  readonly name = 'memory';
  /** Asked before each request; what it throws, the request throws. */
  fault: (request: 'put' | 'search' | 'read') => Promise<void> | void = () => undefined;
  readonly #words = new WeakMap<StoredBlock, Set<string>>();
  readonly #blocks = new Map<string, StoredBlock>();

  async put(blocks: readonly StoredBlock[]): Promise<void> {
    await this.fault('put');
    for (const block of blocks)
      this.#blocks.set(`${block.workspace}\n${block.owner}\n${block.id}`, { ...block });
  }

  async search({ text, vector, workspace, owners, limit }: BlockQuery): Promise<readonly BlockHit[]> {
    await this.fault('search');
    const words = wordsOf(text);
    return [...this.#blocks.values()]
      .filter((block) => block.workspace === workspace && owners.includes(block.owner))
      .map((block) => {
        const near = cosineOf(vector, block.vector) ?? 0;
        return { block, score: sharedWords(words, this.#wordsOf(block)) + near };
      })
      .filter(({ score }) => score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, limit);
  }

  async read(owner: string, workspace: string, ids?: readonly string[]): Promise<readonly StoredBlock[]> {
    await this.fault('read');
    return this.#of(owner, workspace, ids).sort((a, b) => a.position - b.position);
  }

  remove(owner: string, workspace: string, ids?: readonly string[]): Promise<void> {
    for (const { id } of this.#of(owner, workspace, ids))
      this.#blocks.delete(`${workspace}\n${owner}\n${id}`);
    return Promise.resolve();
  }

  count(workspace: string): Promise<number> {
    return Promise.resolve(
      [...this.#blocks.values()].filter((block) => block.workspace === workspace).length,
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  #wordsOf(block: StoredBlock): Set<string> {
    const known = this.#words.get(block) ?? wordsOf(block.text);
    this.#words.set(block, known);
    return known;
  }

  #of(owner: string, workspace: string, ids: readonly string[] | undefined): StoredBlock[] {
    return [...this.#blocks.values()].filter(
      (block) =>
        block.owner === owner &&
        block.workspace === workspace &&
        (ids === undefined || ids.includes(block.id)),
    );
  }
}
