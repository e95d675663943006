/**
 * Blocks in a Chroma server, through its official client. Everything a block is lies in its row's metadata; the
 * server embeds nothing. One collection holds all workspaces.
 */

import { ChromaClient, type Where } from 'chromadb';
import { RemoteStore, askStore, type RemoteStoreOptions, type RowFilter } from './remoteStore.js';

/** @throws KernelError `storageFailed` when the server cannot be reached or refuses */
export async function openChromaStore(options: RemoteStoreOptions): Promise<RemoteStore> {
  const { hostname, port, protocol } = new URL(options.url);
  const isSecure = protocol === 'https:';
  const client = new ChromaClient({
    host: hostname,
    port: port === '' ? (isSecure ? 443 : 80) : Number(port),
    ssl: isSecure,
    ...(options.key !== undefined && { headers: { 'x-chroma-token': options.key } }),
  });
  const collection = await askStore('chroma', options, () =>
    client.getOrCreateCollection({
      name: options.collection,
      embeddingFunction: null,
      configuration: { hnsw: { space: 'cosine' } },
    }),
  );
  const recordsOf = (metadatas: readonly (Record<string, unknown> | null)[]): string[] =>
    metadatas.map((metadata) => String(metadata?.['record']));
  const selection = (filter: RowFilter): { where: Where; ids?: string[] } => ({
    where: whereOf(filter),
    ...(filter.keys !== undefined && { ids: [...filter.keys] }),
  });
  return new RemoteStore(
    {
      name: 'chroma',
      upsert: (rows) =>
        collection.upsert({
          ids: rows.map(({ key }) => key),
          embeddings: rows.map(({ vector }) => vector),
          metadatas: rows.map(({ key: _key, vector: _vector, ...metadata }) => metadata),
        }),
      nearest: async (vector, filter, limit) => {
        const found = await collection.query({
          queryEmbeddings: [vector],
          nResults: limit,
          where: whereOf(filter),
          include: ['metadatas'],
        });
        return recordsOf(found.metadatas[0] ?? []);
      },
      records: async (filter) => {
        const found = await collection.get({ ...selection(filter), include: ['metadatas'] });
        return recordsOf(found.metadatas);
      },
      remove: async (filter) => {
        await collection.delete(selection(filter));
      },
      count: async (workspace) => (await collection.get({ where: { workspace }, include: [] })).ids.length,
      close: () => Promise.resolve(),
    },
    options,
  );
}

function whereOf({ workspace, owners }: RowFilter): Where {
  return owners === undefined ? { workspace } : { $and: [{ workspace }, { owner: { $in: [...owners] } }] };
}
