// Weaviate's client against a small server of our own: REST for the schema, gRPC for the rest, with the client's own
// message definitions. It checks the key and types as the service does, and keeps objects in memory. Not verified here,
// for want of the service: its limits, its approximate index, how it tells errors, and TLS.

import assert from 'node:assert/strict';
import { createServer as createHttpServer, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  createServer as createGrpcServer,
  ServerError,
  Status,
  type CallContext,
  type Server,
} from 'nice-grpc';
import { openBlockStore } from '../../../../../src/kernel/context/store/openBlockStore.js';
import type { BlockStore } from '../../../../../src/kernel/context/store/blockStore.js';
import { KernelError } from '../../../../../src/shared/errors.js';
import { describeStore, dimensions, makeBlock } from './storeSuite.js';
import type * as health from '../../../../../node_modules/weaviate-client/dist/node/esm/proto/google/health/v1/health.js';
import type * as weaviate from '../../../../../node_modules/weaviate-client/dist/node/esm/proto/v1/weaviate.js';
import type { AggregateRequest } from '../../../../../node_modules/weaviate-client/dist/node/esm/proto/v1/aggregate.js';
import type { Filters } from '../../../../../node_modules/weaviate-client/dist/node/esm/proto/v1/base.js';
import type { BatchDeleteRequest } from '../../../../../node_modules/weaviate-client/dist/node/esm/proto/v1/batch_delete.js';
import type { BatchObjectsRequest } from '../../../../../node_modules/weaviate-client/dist/node/esm/proto/v1/batch.js';
import type { SearchRequest } from '../../../../../node_modules/weaviate-client/dist/node/esm/proto/v1/search_get.js';

const key = 'weaviate-secret-key';
const collection = 'AgentBlocks';
const silent = (): void => undefined;
/** Objects that one deletion takes, as the service's limit does. */
const mostDeleted = 150;

/** What the client's package does not export lies beside what it does. */
async function importProtocol<T>(path: string): Promise<T> {
  return (await import(new URL(path, import.meta.resolve('weaviate-client')).href)) as T;
}

type Value = string | number;
interface StoredObject {
  readonly uuid: string;
  readonly vector: Float32Array;
  readonly properties: Readonly<Record<string, Value>>;
}
interface Schema {
  readonly class: string;
  readonly properties: readonly { readonly name: string; readonly dataType: readonly string[] }[];
}

const vectorOf = (bytes: Uint8Array): Float32Array => new Float32Array(Uint8Array.from(bytes).buffer);

class FakeWeaviate {
  readonly #objects = new Map<string, StoredObject>();
  readonly #http: HttpServer;
  readonly #grpc: Server = createGrpcServer();
  #schemas: Schema[] = [];
  /** What a batch of objects says of its first one. */
  complaint: string | undefined;

  constructor() {
    this.#http = createHttpServer((request, response) => {
      void this.#answer(request).then(([status, body]) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    });
  }

  async start(): Promise<{ readonly url: string; readonly grpcPort: number }> {
    const { WeaviateDefinition } = await importProtocol<typeof weaviate>('./proto/v1/weaviate.js');
    const { HealthDefinition } = await importProtocol<typeof health>('./proto/google/health/v1/health.js');
    const { search, batchObjects, batchDelete, aggregate } = WeaviateDefinition.methods;
    this.#grpc.add(HealthDefinition, {
      check: () => Promise.resolve({ status: 1 }),
      watch: () => {
        throw new ServerError(Status.UNIMPLEMENTED, 'nobody watches');
      },
    });
    this.#grpc.add(
      { ...WeaviateDefinition, methods: { search, batchObjects, batchDelete, aggregate } },
      {
        search: (request, context) => this.#checked(context, () => this.#search(request)),
        batchObjects: (request, context) => this.#checked(context, () => this.#put(request)),
        batchDelete: (request, context) => this.#checked(context, () => this.#delete(request)),
        aggregate: (request, context) => this.#checked(context, () => this.#aggregate(request)),
      },
    );
    const grpcPort = await this.#grpc.listen('127.0.0.1:0');
    await new Promise<void>((resolve) => this.#http.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`, grpcPort };
  }

  stop(): void {
    this.#grpc.forceShutdown();
    this.#http.closeAllConnections();
    this.#http.close();
  }

  async #answer(request: IncomingMessage): Promise<readonly [status: number, body: unknown]> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const call = `${request.method ?? ''} ${request.url ?? ''}`;
    if (call === 'GET /v1/.well-known/openid-configuration') return [404, {}];
    if (request.headers.authorization !== `Bearer ${key}`) return [401, { error: [{ message: 'no key' }] }];
    switch (call) {
      case 'GET /v1/meta':
        return [200, { version: '1.36.0', grpcMaxMessageSize: 104_858_000 }];
      case 'GET /v1/schema':
        return [200, { classes: this.#schemas }];
      case 'POST /v1/schema': {
        const schema = JSON.parse(Buffer.concat(pieces).toString()) as Schema;
        this.#schemas = [...this.#schemas, schema];
        return [200, schema];
      }
      default:
        return [404, { error: [{ message: `no such call: ${call}` }] }];
    }
  }

  #checked<T>({ metadata }: CallContext, work: () => T): Promise<T> {
    if (metadata.get('authorization') !== `Bearer ${key}`)
      throw new ServerError(Status.UNAUTHENTICATED, 'no key');
    return Promise.resolve(work());
  }

  #typeOf(name: string): string | undefined {
    return this.#schemas
      .find((schema) => schema.class === collection)
      ?.properties.find((property) => property.name === name)?.dataType[0];
  }

  #put({ objects }: BatchObjectsRequest) {
    if (this.complaint !== undefined) return { took: 0, errors: [{ index: 0, error: this.complaint }] };
    for (const { uuid, properties, vectorBytes, vectors, collection: name } of objects) {
      assert.equal(name, collection);
      const vector = vectorOf(vectors[0]?.vectorBytes ?? vectorBytes);
      assert.equal(vector.length, dimensions + 512);
      const values = (properties?.nonRefProperties ?? {}) as Record<string, Value>;
      for (const [property, value] of Object.entries(values)) {
        const type = this.#typeOf(property);
        assert.equal(typeof value, type === 'int' ? 'number' : 'string', property);
        assert.ok(type !== 'int' || Number.isInteger(value), property);
      }
      this.#objects.set(uuid, { uuid, vector, properties: values });
    }
    return { took: 0, errors: [] };
  }

  #search({ collection: name, filters, limit, nearVector, sortBy, properties }: SearchRequest) {
    assert.equal(name, collection);
    assert.ok(limit > 0 && limit <= 10_000, 'the service answers so many at most');
    const found = this.#select(filters);
    const near = nearVector?.vectors[0]?.vectorBytes;
    if (near !== undefined) {
      const query = vectorOf(near);
      const nearness = ({ vector }: StoredObject): number =>
        vector.reduce((sum, value, at) => sum + value * (query[at] ?? 0), 0);
      found.sort((a, b) => nearness(b) - nearness(a));
    }
    const [order] = sortBy;
    if (order !== undefined) {
      assert.deepEqual(order, { ascending: true, path: ['position'] });
      found.sort((a, b) => Number(a.properties['position']) - Number(b.properties['position']));
    }
    const wanted = properties?.nonRefProperties ?? [];
    return {
      results: found.slice(0, limit).map((object) => ({
        metadata: { id: object.uuid, idAsBytes: Buffer.from(object.uuid.replaceAll('-', ''), 'hex') },
        properties: {
          nonRefProps: {
            fields: Object.fromEntries(wanted.map((field) => [field, shown(object.properties[field])])),
          },
        },
      })),
    };
  }

  #delete({ collection: name, filters, dryRun }: BatchDeleteRequest) {
    assert.equal(name, collection);
    assert.equal(dryRun, false);
    const matching = this.#select(filters).slice(0, mostDeleted);
    for (const { uuid } of matching) this.#objects.delete(uuid);
    return { took: 0, failed: 0, matches: matching.length, successful: matching.length };
  }

  #aggregate({ collection: name, filters, objectsCount }: AggregateRequest) {
    assert.equal(name, collection);
    assert.equal(objectsCount, true);
    return { singleResult: { objectsCount: this.#select(filters).length } };
  }

  #select(filters: Filters | undefined): StoredObject[] {
    assert.ok(filters !== undefined, 'nothing is asked of all workspaces');
    return [...this.#objects.values()].filter((object) => this.#matches(object, filters));
  }

  /** Operators by their numbers in the protocol. A value of another type than its property's is refused. */
  #matches(object: StoredObject, filter: Filters): boolean {
    const target = filter.target?.property ?? '';
    const value = target === '_id' ? object.uuid : object.properties[target];
    const operator: number = filter.operator;
    switch (operator) {
      case 7:
        return filter.filters.every((inner) => this.#matches(object, inner));
      case 1:
        return value === filter.valueText;
      case 4:
        assert.equal(this.#typeOf(target), 'int');
        assert.ok(filter.valueInt !== undefined, 'a property of whole numbers is compared with one');
        return Number(value) >= filter.valueInt;
      case 12:
        return filter.valueTextArray?.values.includes(String(value)) === true;
      default:
        throw new ServerError(Status.INVALID_ARGUMENT, `operator ${operator}`);
    }
  }
}

const shown = (value: Value | undefined): { readonly textValue: string } | { readonly intValue: number } =>
  typeof value === 'number' ? { intValue: value } : { textValue: value ?? '' };

suite('block store: weaviate, on a server of our own', () => {
  let server: FakeWeaviate;
  let place: { readonly url: string; readonly grpcPort: number };
  const open = (fields: { readonly key?: string; readonly url?: string } = {}): Promise<BlockStore> =>
    openBlockStore({
      setting: { kind: 'weaviate', ...place, url: fields.url ?? place.url, collection },
      ...{ key: fields.key ?? key, dimensions, log: silent, timeoutMs: 4_000 },
    });
  setup(async () => {
    server = new FakeWeaviate();
    place = await server.start();
  });
  teardown(() => server.stop());

  describeStore(
    () => open(),
    async (store) => {
      await store[Symbol.asyncDispose]();
      return await open();
    },
  );

  test('a failure names the address and never the key', async () => {
    const isTold = (error: unknown): boolean =>
      error instanceof KernelError &&
      error.code === 'storageFailed' &&
      error.message.includes('http://127.0.0.1:') &&
      !error.message.includes('wrong-key-of-mine') &&
      !error.message.includes(key);
    await assert.rejects(open({ key: 'wrong-key-of-mine' }), isTold);
    await assert.rejects(open({ url: 'http://127.0.0.1:9' }), isTold);
    await using store = await open();
    server.complaint = `the object is refused for ${key}`;
    await assert.rejects(store.put([makeBlock('1', 'text')]), isTold);
  });
});
