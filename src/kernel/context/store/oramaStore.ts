/**
 * The store inside the kernel: blocks in memory, an index of words for each owner of a workspace, and a log on disk
 * from which all of it is made anew at the next start. Without a log, blocks end with the kernel. An index is made
 * when it is first asked, or when the kernel has nothing else to do; to put a block never waits for that.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { BlockHit, BlockQuery, BlockStore, StoredBlock } from './blockStore.js';
import { keyOf, type BlockLog } from './blockLog.js';
import { candidatesFor, rank } from './ranking.js';
import { VectorTable } from './vectorTable.js';
import { WordIndex } from './wordIndex.js';

const sliceMs = 8;

interface Shard {
  readonly blocks: Map<string, StoredBlock>;
  readonly words: WordIndex;
  /** By the length of the vectors, since those of two models cannot be compared. */
  readonly vectors: Map<number, VectorTable>;
}

export class OramaStore implements BlockStore {
  readonly name = 'orama';
  readonly #log: BlockLog | undefined;
  readonly #shards = new Map<string, Shard>();
  #indexing: Promise<void> = Promise.resolve();

  /** Without a log nothing outlives this object; with one, `open` is what takes over what is in it. */
  constructor(log?: BlockLog) {
    this.#log = log;
  }

  /** With what is in the log, which it closes at its end. Others run while it is taken over. */
  static async open(log: BlockLog): Promise<OramaStore> {
    const store = new OramaStore(log);
    let sliceBegan = performance.now();
    for (const block of log.blocks.values()) {
      store.#enter(block);
      if (performance.now() - sliceBegan < sliceMs) continue;
      await nextTurn();
      sliceBegan = performance.now();
    }
    store.#indexInBackground();
    return store;
  }

  async put(blocks: readonly StoredBlock[]): Promise<void> {
    if (blocks.length === 0) return;
    // Who put them may go on with what they are made of.
    const kept = blocks.map((block) => ({ ...block, vector: block.vector?.slice() }));
    await this.#log?.put(kept);
    for (const block of kept) this.#enter(block);
    this.#indexInBackground();
  }

  async search(query: BlockQuery): Promise<readonly BlockHit[]> {
    const candidates: StoredBlock[] = [];
    const limit = candidatesFor(query.limit);
    for (const owner of new Set(query.owners)) {
      const shard = this.#shards.get(shardKey(query.workspace, owner));
      if (shard === undefined) continue;
      const ids = new Set(await shard.words.find(query.text, limit));
      const table = shard.vectors.get(query.vector?.length ?? 0);
      for (const id of table?.nearest(query.vector, limit) ?? []) ids.add(id);
      candidates.push(...[...ids].flatMap((id) => shard.blocks.get(id) ?? []));
    }
    return rank(candidates, query, ({ id, owner, workspace }) =>
      this.#shards.get(shardKey(workspace, owner))?.words.countsOf(id),
    );
  }

  read(owner: string, workspace: string, ids?: readonly string[]): Promise<readonly StoredBlock[]> {
    return Promise.resolve(this.#select(owner, workspace, ids).sort((a, b) => a.position - b.position));
  }

  async remove(owner: string, workspace: string, ids?: readonly string[]): Promise<void> {
    const removed = this.#select(owner, workspace, ids);
    if (removed.length === 0) return;
    await this.#log?.remove(removed.map(keyOf));
    const key = shardKey(workspace, owner);
    const shard = this.#shards.get(key);
    for (const { id } of removed) {
      shard?.blocks.delete(id);
      shard?.words.delete(id);
      for (const table of shard?.vectors.values() ?? []) table.delete(id);
    }
    if (shard?.blocks.size === 0) this.#shards.delete(key);
  }

  count(workspace: string): Promise<number> {
    let count = 0;
    for (const [key, { blocks }] of this.#shards) {
      if (key.startsWith(shardKey(workspace, ''))) count += blocks.size;
    }
    return Promise.resolve(count);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { words } of this.#shards.values()) words.dropChanges();
    this.#shards.clear();
    await this.#indexing;
    await this.#log?.[Symbol.asyncDispose]();
  }

  #enter(block: StoredBlock): void {
    const key = shardKey(block.workspace, block.owner);
    const shard = this.#shards.get(key) ?? newShard();
    this.#shards.set(key, shard);
    shard.blocks.set(block.id, block);
    shard.words.set(block);
    const dimensions = block.vector?.length ?? 0;
    if (!shard.vectors.has(dimensions)) shard.vectors.set(dimensions, new VectorTable(dimensions));
    for (const table of shard.vectors.values()) table.set(block.id, block.vector);
  }

  #select(owner: string, workspace: string, ids: readonly string[] | undefined): StoredBlock[] {
    const blocks = this.#shards.get(shardKey(workspace, owner))?.blocks;
    if (blocks === undefined) return [];
    return ids === undefined ? [...blocks.values()] : [...new Set(ids)].flatMap((id) => blocks.get(id) ?? []);
  }

  /** One owner after the other, so that a start with many of them lets others run. */
  #indexInBackground(): void {
    this.#indexing = this.#indexing.then(async () => {
      for (const { words } of this.#shards.values()) await words.settle();
    });
  }
}

const newShard = (): Shard => ({ blocks: new Map(), words: new WordIndex(), vectors: new Map() });

/** No path holds a NUL. */
const shardKey = (workspace: string, owner: string): string => `${workspace}\0${owner}`;
