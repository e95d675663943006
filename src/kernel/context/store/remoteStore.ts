/**
 * What the stores on other machines have in common. A service keeps rows and finds those whose vector is near; a
 * row's vector holds a block's meaning and its words, hashed, so that one search of any service finds by both, and a
 * block without an embedding by its words. The block itself travels as plain ASCII. An error names the place, never a key.
 */

import { createHash } from 'node:crypto';
import { KernelError, messageOf } from '../../../shared/errors.js';
import { decodeBlock, encodeBlock } from './blockRecord.js';
import type { BlockHit, BlockQuery, BlockStore, StoredBlock } from './blockStore.js';
import { candidatesFor, rank } from './ranking.js';
import { wordsOf } from './words.js';

export interface RemoteStoreOptions {
  readonly url: string;
  /** Name of the collection or index. */
  readonly collection: string;
  readonly key?: string | undefined;
  /** Of the embedder; {@link wordDimensions} come on top. */
  readonly dimensions: number;
  readonly timeoutMs: number;
}

/** As a service keeps it. */
export interface Row {
  /** A UUID, made of the workspace, the owner and the block's id. */
  readonly key: string;
  readonly workspace: string;
  readonly owner: string;
  readonly position: number;
  /** Of length 1. */
  readonly vector: number[];
  readonly record: string;
}

/** Blocks of a workspace: of these owners, and with these keys only, where they are given. */
export interface RowFilter {
  readonly workspace: string;
  readonly owners?: readonly string[];
  readonly keys?: readonly string[];
}

/** What differs from service to service. Anything may be thrown; it is told as a failure of this place. */
export interface VectorService {
  readonly name: string;
  /** Replaces rows of the same key; durable when it resolves. */
  upsert(rows: readonly Row[]): Promise<void>;
  /** Records, best first. */
  nearest(vector: number[], filter: RowFilter, limit: number): Promise<readonly string[]>;
  records(filter: RowFilter): Promise<readonly string[]>;
  remove(filter: RowFilter): Promise<void>;
  count(workspace: string): Promise<number>;
  close(): Promise<void>;
}

/** Words are hashed into so many numbers: with fewer, too many of them fall together. */
const wordDimensions = 512;
/** Rows in one request. */
const batchRows = 100;

export class RemoteStore implements BlockStore {
  readonly name: string;
  readonly #service: VectorService;
  readonly #options: RemoteStoreOptions;

  constructor(service: VectorService, options: RemoteStoreOptions) {
    this.name = service.name;
    this.#service = service;
    this.#options = options;
  }

  /** Beyond 100 blocks, those before the failure may be kept. */
  async put(blocks: readonly StoredBlock[]): Promise<void> {
    for (let at = 0; at < blocks.length; at += batchRows) {
      const rows = blocks.slice(at, at + batchRows).map((block) => this.#rowOf(block));
      await this.#ask(() => this.#service.upsert(rows));
    }
  }

  async search(query: BlockQuery): Promise<readonly BlockHit[]> {
    if (query.owners.length === 0) return [];
    const vector = vectorOf(query, this.#options.dimensions);
    const limit = 2 * candidatesFor(query.limit);
    const { workspace, owners } = query;
    const records = await this.#ask(() => this.#service.nearest(vector, { workspace, owners }, limit));
    return rank(this.#blocksOf(records), query);
  }

  async read(owner: string, workspace: string, ids?: readonly string[]): Promise<readonly StoredBlock[]> {
    const blocks: StoredBlock[] = [];
    for (const filter of filtersOf(owner, workspace, ids)) {
      blocks.push(...this.#blocksOf(await this.#ask(() => this.#service.records(filter))));
    }
    return blocks.sort((a, b) => a.position - b.position);
  }

  async remove(owner: string, workspace: string, ids?: readonly string[]): Promise<void> {
    for (const filter of filtersOf(owner, workspace, ids)) {
      await this.#ask(() => this.#service.remove(filter));
    }
  }

  count(workspace: string): Promise<number> {
    return this.#ask(() => this.#service.count(workspace));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask(() => this.#service.close());
  }

  #rowOf(block: StoredBlock): Row {
    const { workspace, owner, position } = block;
    const vector = vectorOf(block, this.#options.dimensions);
    return { key: keyOf(block), workspace, owner, position, vector, record: encodeBlock(block) };
  }

  #blocksOf(records: readonly string[]): StoredBlock[] {
    return records.map((record) => {
      const block = decodeBlock(record);
      if (block !== undefined) return block;
      throw storeError(this.name, this.#options, new Error('it holds a record that is no block'));
    });
  }

  #ask<T>(work: () => Promise<T>): Promise<T> {
    return askStore(this.name, this.#options, work);
  }
}

/** Does what a service is asked for, within its time. @throws KernelError `storageFailed` */
export async function askStore<T>(
  name: string,
  options: RemoteStoreOptions,
  work: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error(`no answer within ${options.timeoutMs} ms`)),
      options.timeoutMs,
    );
  });
  try {
    return await Promise.race([work(), late]);
  } catch (error) {
    throw storeError(name, options, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Clients put all they know of a request into their errors: the key goes out of it, and what is not the reason. */
function storeError(name: string, { url, key }: RemoteStoreOptions, error: unknown): KernelError {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : '';
  const [line = ''] = `${messageOf(error)}${cause}`.split('\n');
  const reason = key === undefined || key === '' ? line : line.replaceAll(key, '…');
  return new KernelError('storageFailed', `the ${name} store at ${url} failed: ${reason.slice(0, 300)}`);
}

/** Without ids: all of the owner. */
function filtersOf(owner: string, workspace: string, ids: readonly string[] | undefined): RowFilter[] {
  const owners = [owner];
  if (ids === undefined) return [{ workspace, owners }];
  const keys = [...new Set(ids)].map((id) => keyOf({ workspace, owner, id }));
  const filters: RowFilter[] = [];
  for (let at = 0; at < keys.length; at += batchRows) {
    filters.push({ workspace, owners, keys: keys.slice(at, at + batchRows) });
  }
  return filters;
}

function keyOf({ workspace, owner, id }: Pick<StoredBlock, 'workspace' | 'owner' | 'id'>): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([workspace, owner, id]))
    .digest('hex');
  // Variant and version bits of a UUID that is made of a name (RFC 9562, version 8).
  const hex = `${digest.slice(0, 12)}8${digest.slice(13, 16)}8${digest.slice(17, 32)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Meaning and words, half each; of what has neither, a direction that nothing else has. */
function vectorOf({ text, vector }: Pick<BlockQuery, 'text' | 'vector'>, dimensions: number): number[] {
  const words = hashWords(text);
  const parts = [...(vector?.length === dimensions ? vector : new Float32Array(dimensions)), ...words];
  const length = Math.hypot(...parts);
  if (length > 0) return parts.map((value) => value / length);
  return parts.map((_, index) => (index === parts.length - 1 ? 1 : 0));
}

/** Each word that a text has counts 1 or −1 in one of the places (feature hashing, Weinberger et al., 2009). */
function hashWords(text: string): number[] {
  const places = new Array<number>(wordDimensions).fill(0);
  for (const word of new Set(wordsOf(text))) {
    const hash = hashOf(word);
    const place = hash % wordDimensions;
    places[place] = (places[place] ?? 0) + (hash >= 2 ** 31 ? 1 : -1);
  }
  const length = Math.hypot(...places);
  return length === 0 ? places : places.map((value) => value / length);
}

/** FNV-1a, mixed once more so that its low bits depend on all of the word. */
function hashOf(word: string): number {
  let hash = 2_166_136_261;
  for (let at = 0; at < word.length; at++) hash = Math.imul(hash ^ word.charCodeAt(at), 16_777_619);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 12)) >>> 0;
}
