/**
 * One agent's part of the block store: what it puts there and finds again. Every request has a time limit, and after
 * one that failed the store is left alone for a while, so that a store that hangs costs an agent seconds and not its
 * work. Vectors are made where there is an embedder; without one, blocks are found by their words, which is said once.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../hal/clock.js';
import type { Embedder } from '../../hal/embedder.js';
import { KernelError, messageOf } from '../../shared/errors.js';
import type { LogLevel } from '../../shared/protocol.js';
import type { Block } from './block.js';
import type { BlockTable } from './blockTable.js';
import type { BlockHit, BlockStore, StoredBlock } from './store/blockStore.js';

/** Who searches, and what besides its own blocks it may see. */
export interface ShelfOwner {
  /** Name that outlives the kernel. */
  readonly owner: string;
  readonly workspace: string;
}

export interface ShelfParts {
  readonly store: BlockStore | undefined;
  readonly embedder: Pick<Embedder, 'embed'> | undefined;
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string) => void;
}

const storeTimeoutMs = 2_000;
/** A whole conversation. */
const readTimeoutMs = 30_000;
const embedTimeoutMs = 5_000;
/** How long a store that failed is left alone. */
const retryMs = 10_000;
/** Blocks in one request. */
const batch = 64;

/** What it is asked for: a store that finds nothing may still keep, and the other way round. */
type Task = 'keep' | 'find';

export class Shelf {
  readonly #parts: ShelfParts;
  readonly #place: ShelfOwner;
  /** When it last failed to keep, and to find. */
  readonly #failedAt = new Map<Task, number>();
  #embeds: boolean;

  constructor(parts: ShelfParts, place: ShelfOwner) {
    this.#parts = parts;
    this.#place = place;
    this.#embeds = parts.embedder !== undefined;
  }

  /** Why nothing can be paged now, or undefined. */
  get unavailable(): string | undefined {
    const { store } = this.#parts;
    if (store === undefined) return 'there is no block store';
    return this.#isResting('keep') ? `the block store ${store.name} failed` : undefined;
  }

  /**
   * Makes blocks durable; those that are already are passed over.
   * @param isUrgent also asks a store that has just failed
   * @returns whether all of them are, else it is logged
   */
  async keep(table: BlockTable, blocks: readonly Block[], isUrgent = false): Promise<boolean> {
    const fresh = blocks.filter(({ isStored }) => !isStored);
    if (fresh.length === 0) return true;
    const { store } = this.#parts;
    if (store === undefined || (this.#isResting('keep') && !isUrgent)) return false;
    await this.embed(table, fresh);
    try {
      for (let start = 0; start < fresh.length; start += batch) {
        const part = fresh.slice(start, start + batch);
        await within(
          store.put(part.map((block) => this.#stored(table, block))),
          storeTimeoutMs,
          `the block store ${store.name}`,
        );
        for (const block of part) block.isStored = true;
      }
      return true;
    } catch (error) {
      this.#fail('keep', `blocks stay in the window: ${messageOf(error)}`);
      return false;
    }
  }

  /** Best first; nothing where the store fails, which is logged. */
  async search(text: string, vector: Float32Array | undefined, limit: number): Promise<readonly BlockHit[]> {
    const { store } = this.#parts;
    if (store === undefined || this.#isResting('find')) return [];
    const { owner, workspace } = this.#place;
    try {
      const found = store.search({ text, vector, workspace, owners: [owner], limit });
      return await within(found, storeTimeoutMs, `the block store ${store.name}`);
    } catch (error) {
      this.#fail('find', `nothing is found: ${messageOf(error)}`);
      return [];
    }
  }

  /** All of the agent's blocks that the store has, by position. @throws KernelError `storageFailed` */
  async read(): Promise<readonly StoredBlock[]> {
    const { store } = this.#parts;
    if (store === undefined) return [];
    const read = store.read(this.#place.owner, this.#place.workspace);
    return await within(read, readTimeoutMs, `the block store ${store.name}`);
  }

  /** Takes note of what is there of an agent that goes on, with its vectors. Nothing where the store fails. */
  async adopt(table: BlockTable): Promise<void> {
    try {
      for (const { id, text, vector } of await this.read()) {
        const block = table.get(Number(id));
        if (block === undefined || table.text(block) !== text) continue;
        block.isStored = true;
        block.vector = vector;
      }
    } catch (error) {
      this.#fail('find', `what is paged is not seen: ${messageOf(error)}`);
    }
  }

  /** The agent needs nothing any more. */
  async clear(): Promise<void> {
    const { store } = this.#parts;
    if (store === undefined) return;
    try {
      const gone = store.remove(this.#place.owner, this.#place.workspace);
      await within(gone, storeTimeoutMs, `the block store ${store.name}`);
    } catch (error) {
      this.#fail('keep', `blocks that nobody needs stay: ${messageOf(error)}`);
    }
  }

  /** Gives those a vector that have none, as far as there is an embedder. */
  async embed(table: BlockTable, blocks: readonly Block[]): Promise<void> {
    const wanting = blocks.filter(({ vector }) => vector === undefined);
    const vectors = await this.vectorsOf(wanting.map((block) => table.text(block)));
    for (const [index, block] of wanting.entries()) block.vector = vectors[index];
  }

  async vectorsOf(texts: readonly string[]): Promise<readonly (Float32Array | undefined)[]> {
    const { embedder, log } = this.#parts;
    if (embedder === undefined || !this.#embeds || texts.length === 0) return [];
    try {
      return await within(embedder.embed(texts), embedTimeoutMs, 'the embedder');
    } catch (error) {
      this.#embeds = false;
      log('warn', `${this.#place.owner} finds blocks by their words alone from now on: ${messageOf(error)}`);
      return [];
    }
  }

  #stored(table: BlockTable, block: Block): StoredBlock {
    const { id, source, vector } = block;
    const at = this.#parts.clock.wallClock();
    return { id: String(id), ...this.#place, position: id, text: table.text(block), source, vector, at };
  }

  #isResting(task: Task): boolean {
    const failedAt = this.#failedAt.get(task);
    return failedAt !== undefined && this.#parts.clock.now() - failedAt < retryMs;
  }

  #fail(task: Task, what: string): void {
    this.#failedAt.set(task, this.#parts.clock.now());
    this.#parts.log('warn', `${this.#place.owner}: ${what}`);
  }
}

/** @throws KernelError `storageFailed` when it takes longer; what it does then still happens, or not */
async function within<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
  const over = new AbortController();
  const late = delay(limitMs, undefined, { ref: false, signal: over.signal }).then(() => {
    throw new KernelError('storageFailed', `${what} did not answer within ${limitMs / 1000} s`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
    work.catch(() => undefined);
  }
}
