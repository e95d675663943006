/**
 * Blocks in a Weaviate server, through its official client, which speaks REST for the schema and gRPC for the rest. A
 * block is an object with a vector of ours; the server embeds nothing and reads no text. The collection is made when
 * it is missing, and holds all workspaces.
 */

import weaviate, {
  ApiKey,
  Filters,
  type Collection,
  type FilterValue,
  type WeaviateClient,
} from 'weaviate-client';
import { RemoteStore, askStore, type RemoteStoreOptions, type RowFilter } from './remoteStore.js';

export interface WeaviateOptions extends RemoteStoreOptions {
  readonly grpcPort: number;
}

/** What an object holds. */
type Properties = Record<'workspace' | 'owner' | 'record', string> & {
  /** Whole: a filter with a whole number does not fit a property that may have others. */
  readonly position: number;
};
type Blocks = Collection<Properties>;

/** Objects in one answer, far below what a message may take. */
const pageRows = 200;

/** @throws KernelError `storageFailed` when the server cannot be reached or refuses */
export async function openWeaviateStore(options: WeaviateOptions): Promise<RemoteStore> {
  const ask = <T>(work: () => Promise<T>): Promise<T> => askStore('weaviate', options, work);
  const client = await ask(() => connect(options));
  const collection = await ask(() => openCollection(client, options.collection));
  return new RemoteStore(
    {
      name: 'weaviate',
      upsert: async (rows) => {
        const answer = await collection.data.insertMany(
          rows.map(({ key, vector, position, ...properties }) => ({
            id: key,
            vectors: vector,
            properties: { ...properties, position: Math.floor(position) },
          })),
        );
        const [error] = Object.values(answer.errors);
        if (error !== undefined) throw new Error(error.message);
      },
      nearest: async (vector, filter, limit) => {
        const filters = filterOf(collection, filter);
        const { objects } = await collection.query.nearVector(vector, {
          filters,
          limit,
          returnProperties: ['record'],
        });
        return objects.map(({ properties }) => properties.record);
      },
      records: (filter) => readAll(collection, filter),
      remove: async (filter) => {
        // One call deletes no more than a server's limit.
        for (let matches = 1; matches > 0;) {
          const answer = await collection.data.deleteMany(filterOf(collection, filter));
          if (answer.failed > 0) throw new Error(`${answer.failed} objects could not be deleted`);
          matches = answer.matches;
        }
      },
      count: async (workspace) => {
        const filters = filterOf(collection, { workspace });
        return (await collection.aggregate.overAll({ filters })).totalCount;
      },
      close: () => client.close(),
    },
    options,
  );
}

function connect({ url, grpcPort, key, timeoutMs }: WeaviateOptions): Promise<WeaviateClient> {
  const { hostname, port, protocol } = new URL(url);
  const isSecure = protocol === 'https:';
  const seconds = Math.ceil(timeoutMs / 1000);
  return weaviate.connectToCustom({
    httpHost: hostname,
    httpPort: port === '' ? (isSecure ? 443 : 80) : Number(port),
    httpSecure: isSecure,
    grpcHost: hostname,
    grpcPort,
    grpcSecure: isSecure,
    timeout: { init: seconds, query: seconds, insert: seconds },
    ...(key !== undefined && { authCredentials: new ApiKey(key) }),
  });
}

async function openCollection(client: WeaviateClient, name: string): Promise<Blocks> {
  if (await client.collections.exists(name)) return client.collections.get<Properties>(name);
  const exact = { dataType: 'text', tokenization: 'field', indexSearchable: false } as const;
  await client.collections.create({
    name,
    vectorizers: weaviate.configure.vectors.selfProvided({
      vectorIndexConfig: weaviate.configure.vectorIndex.hnsw({ distanceMetric: 'cosine' }),
    }),
    properties: [
      { ...exact, name: 'workspace' },
      { ...exact, name: 'owner' },
      { ...exact, name: 'record', indexFilterable: false },
      { name: 'position', dataType: 'int', indexFilterable: true, indexRangeFilters: true },
    ],
  });
  return client.collections.get<Properties>(name);
}

/** Page after page by position, since a filter rules out the server's own cursor and an offset has a limit. */
async function readAll(collection: Blocks, filter: RowFilter): Promise<string[]> {
  const records = new Map<string, string>();
  let from = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const known = records.size;
    const { objects } = await collection.query.fetchObjects({
      filters: Filters.and(
        filterOf(collection, filter),
        collection.filter.byProperty('position').greaterOrEqual(from),
      ),
      sort: collection.sort.byProperty('position'),
      limit: pageRows,
      returnProperties: ['record', 'position'],
    });
    for (const { uuid, properties } of objects) {
      records.set(uuid, properties.record);
      from = properties.position;
    }
    if (objects.length < pageRows || records.size === known) return [...records.values()];
  }
}

function filterOf({ filter }: Blocks, { workspace, owners, keys }: RowFilter): FilterValue {
  return Filters.and(
    filter.byProperty('workspace').equal(workspace),
    ...(owners === undefined ? [] : [filter.byProperty('owner').containsAny([...owners])]),
    ...(keys === undefined ? [] : [filter.byId().containsAny([...keys])]),
  );
}
