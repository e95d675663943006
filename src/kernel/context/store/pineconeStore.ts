/**
 * Blocks in a Pinecone index, through its official client: one namespace for each workspace. The index is made by the
 * person who pays for it. Metadata of one vector is limited to 40 kB, so a longer block goes on in rows of its own,
 * which are written before the row that points to them. What was written may be seen seconds later: who reads a block
 * by its id, right after it was put, waits.
 */

import { Pinecone, type Index, type PineconeRecord, type RecordMetadata } from '@pinecone-database/pinecone';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KernelError } from '../../../shared/errors.js';
import { RemoteStore, askStore, type RemoteStoreOptions, type Row, type RowFilter } from './remoteStore.js';

/** What a record's row holds; a part's row holds its piece alone. */
interface Metadata extends RecordMetadata {
  owner: string;
  /** Rows that the record takes; 0 on every row but the first. */
  parts: number;
  /** Tells the parts of this version from those of the one it replaced. */
  digest: string;
  piece: string;
}

/** Its characters are bytes: records are ASCII. With room for the other fields. */
const pieceBytes = 30_000;
/** Rows in one request, which may have 2 MB; ids in one fetch, which go into its address. */
const requestRows = 25;
const fetchIds = 50;
const listIds = 100;
const deleteIds = 1000;
/** How long what was put may be missed, and how often it is looked for. */
const freshMs = 15_000;
const retryMs = 400;

/** @throws KernelError `badRequest` without a key, `storageFailed` when the index cannot be reached */
export async function openPineconeStore(options: RemoteStoreOptions): Promise<RemoteStore> {
  if (options.key === undefined) throw new KernelError('badRequest', 'the pinecone store needs a key');
  const client = new Pinecone({ apiKey: options.key, sourceTag: 'agentic-microkernel' });
  const index = client.index<Metadata>({ host: options.url });
  await askStore('pinecone', options, () => index.describeIndexStats());
  const of = (workspace: string): Namespace =>
    new Namespace(index.namespace(hashOf(workspace)), { timeoutMs: options.timeoutMs, written });
  const written = new Map<string, number>();
  return new RemoteStore(
    {
      name: 'pinecone',
      upsert: async (rows) => {
        for (const workspace of new Set(rows.map((row) => row.workspace))) {
          await of(workspace).upsert(rows.filter((row) => row.workspace === workspace));
        }
      },
      nearest: (vector, filter, limit) => of(filter.workspace).nearest(vector, filter, limit),
      records: (filter) => of(filter.workspace).records(filter),
      remove: (filter) => of(filter.workspace).remove(filter),
      count: async (workspace) => (await of(workspace).list('')).filter(isFirstRow).length,
      close: () => Promise.resolve(),
    },
    options,
  );
}

interface NamespaceOptions {
  readonly timeoutMs: number;
  /** Rows that this process wrote lately, and when. */
  readonly written: Map<string, number>;
}

class Namespace {
  readonly #index: Index<Metadata>;
  readonly #options: NamespaceOptions;

  constructor(index: Index<Metadata>, options: NamespaceOptions) {
    this.#index = index;
    this.#options = options;
  }

  async upsert(rows: readonly Row[]): Promise<void> {
    const split = rows.map(splitRow);
    await this.#upsertRows(split.flatMap(({ rest }) => rest));
    await this.#upsertRows(split.map(({ first }) => first));
    const now = Date.now();
    for (const { first } of split) this.#options.written.set(first.id, now);
  }

  async nearest(vector: number[], { owners = [] }: RowFilter, limit: number): Promise<string[]> {
    const { matches } = await this.#index.query({
      vector,
      topK: limit,
      includeMetadata: true,
      filter: { owner: { $in: [...owners] }, parts: { $gt: 0 } },
    });
    return this.#join(matches);
  }

  async records({ owners = [], keys }: RowFilter): Promise<string[]> {
    const prefixes = owners.map(hashOf);
    if (keys === undefined) {
      const ids = await this.#listAll(prefixes);
      return this.#join(await this.#fetch(ids.filter(isFirstRow)));
    }
    return this.#join(
      await this.#fetchFresh(prefixes.flatMap((prefix) => keys.map((key) => `${prefix}:${key}`))),
    );
  }

  async remove({ owners = [], keys }: RowFilter): Promise<void> {
    const prefixes = owners.map(hashOf);
    const wanted =
      keys === undefined ? prefixes : prefixes.flatMap((prefix) => keys.map((key) => `${prefix}:${key}`));
    const ids = await this.#listAll(wanted);
    for (const slice of slicesOf(ids, deleteIds)) await this.#index.deleteMany({ ids: slice });
    for (const id of ids) this.#options.written.delete(id);
  }

  async list(prefix: string): Promise<string[]> {
    const ids: string[] = [];
    let paginationToken: string | undefined;
    do {
      const page = await this.#index.listPaginated({
        limit: listIds,
        ...(prefix !== '' && { prefix }),
        ...(paginationToken !== undefined && { paginationToken }),
      });
      ids.push(...(page.vectors ?? []).flatMap(({ id }) => id ?? []));
      paginationToken = page.pagination?.next;
    } while (paginationToken !== undefined && paginationToken !== '');
    return ids;
  }

  async #listAll(prefixes: readonly string[]): Promise<string[]> {
    const ids: string[] = [];
    for (const prefix of prefixes) ids.push(...(await this.list(prefix)));
    return ids;
  }

  async #upsertRows(records: readonly PineconeRecord<Metadata>[]): Promise<void> {
    for (const slice of slicesOf(records, requestRows)) await this.#index.upsert({ records: slice });
  }

  async #fetch(ids: readonly string[]): Promise<PineconeRecord<Metadata>[]> {
    const found: PineconeRecord<Metadata>[] = [];
    for (const slice of slicesOf(ids, fetchIds)) {
      found.push(...Object.values((await this.#index.fetch({ ids: slice })).records));
    }
    return found;
  }

  /** Those that this process wrote a moment ago are there, though the service may not show them yet. */
  async #fetchFresh(ids: readonly string[]): Promise<PineconeRecord<Metadata>[]> {
    const { timeoutMs, written } = this.#options;
    const until = Date.now() + timeoutMs / 2;
    for (;;) {
      const found = await this.#fetch(ids);
      const seen = new Set(found.map(({ id }) => id));
      const now = Date.now();
      const isMissing = ids.some((id) => !seen.has(id) && now - (written.get(id) ?? 0) < freshMs);
      if (!isMissing || now > until) return found;
      await sleep(retryMs);
    }
  }

  async #join(rows: readonly PineconeRecord<Metadata>[]): Promise<string[]> {
    const records: string[] = [];
    for (const { id, metadata } of rows) {
      const { parts = 1, digest = '', piece = '' } = metadata ?? {};
      const ids = Array.from({ length: parts - 1 }, (_, part) => partId(id, digest, part + 1));
      const rest = new Map((await this.#fetchFresh(ids)).map((row) => [row.id, row.metadata?.piece]));
      const pieces = [piece, ...ids.map((part) => rest.get(part))];
      if (pieces.includes(undefined)) throw new Error(`a part of the block ${id} is missing`);
      records.push(pieces.join(''));
    }
    return records;
  }
}

/** A row's first piece, and rows for the others that no search finds. */
function splitRow({ key, owner, vector, record }: Row): {
  readonly first: PineconeRecord<Metadata>;
  readonly rest: readonly PineconeRecord<Metadata>[];
} {
  const digest = hashOf(record);
  const id = `${hashOf(owner)}:${key}`;
  const pieces: string[] = [];
  for (let at = 0; at < record.length; at += pieceBytes) pieces.push(record.slice(at, at + pieceBytes));
  const [piece = '', ...others] = pieces;
  return {
    first: { id, values: vector, metadata: { owner, parts: pieces.length, digest, piece } },
    rest: others.map((other, index) => ({
      id: partId(id, digest, index + 1),
      values: vector,
      metadata: { owner, parts: 0, digest, piece: other },
    })),
  };
}

const partId = (id: string, digest: string, part: number): string => `${id}:${digest}:${part}`;

const isFirstRow = (id: string): boolean => id.split(':').length === 2;

const hashOf = (text: string): string =>
  createHash('sha256').update(JSON.stringify(text)).digest('hex').slice(0, 32);

function slicesOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
