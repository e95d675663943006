// Pinecone's client against a small server of our own that speaks the part of its REST interface that is used, checks
// the key and what a request may hold, and keeps rows in memory. Not verified here, for want of the service: real
// limits and rates, how soon what was written is seen, indexes made of pods, and TLS.

import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { openBlockStore } from '../../../../../src/kernel/context/store/openBlockStore.js';
import type { BlockStore } from '../../../../../src/kernel/context/store/blockStore.js';
import { KernelError } from '../../../../../src/shared/errors.js';
import { describeStore, dimensions, makeBlock } from './storeSuite.js';

const key = 'pcsk-secret-key';
const silent = (): void => undefined;

interface Vector {
  readonly id: string;
  readonly values: readonly number[];
  readonly metadata: Readonly<Record<string, unknown>> & { readonly owner: string; readonly parts: number };
}
interface QueryBody {
  readonly namespace: string;
  readonly vector: readonly number[];
  readonly topK: number;
  readonly filter: {
    readonly owner: { readonly $in: readonly string[] };
    readonly parts: { readonly $gt: number };
  };
}
type Answer = readonly [status: number, body: unknown];

class FakePinecone {
  readonly #namespaces = new Map<string, Map<string, Vector>>();
  readonly #server: Server;
  /** Rows that a fetch hides so often, as a service that is behind does. */
  hiddenFetches = 0;
  requests = 0;

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(([status, body]) => {
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    this.requests += 1;
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const text = Buffer.concat(pieces).toString();
    if (request.headers['api-key'] !== key) return [401, { message: 'invalid key' }];
    if (text.length > 2_000_000) return [400, { message: 'the request is too large' }];
    const url = new URL(request.url ?? '/', 'http://localhost');
    const body: unknown = text === '' ? {} : JSON.parse(text);
    return this.#call(`${request.method ?? ''} ${url.pathname}`, url.searchParams, body);
  }

  #call(call: string, params: URLSearchParams, body: unknown): Answer {
    switch (call) {
      case 'POST /describe_index_stats':
        return [200, { namespaces: {}, dimension: dimensions + 512, indexFullness: 0, totalVectorCount: 0 }];
      case 'POST /vectors/upsert':
        return this.#upsert(body as { namespace: string; vectors: Vector[] });
      case 'POST /query':
        return this.#query(body as QueryBody);
      case 'GET /vectors/fetch':
        return this.#fetch(params);
      case 'GET /vectors/list':
        return this.#list(params);
      case 'POST /vectors/delete': {
        const { namespace, ids } = body as { namespace: string; ids: string[] };
        for (const id of ids) this.#rows(namespace).delete(id);
        return [200, {}];
      }
      default:
        return [404, { message: `no such call: ${call}` }];
    }
  }

  #rows(namespace: string): Map<string, Vector> {
    const rows = this.#namespaces.get(namespace) ?? new Map<string, Vector>();
    this.#namespaces.set(namespace, rows);
    return rows;
  }

  #upsert({ namespace, vectors }: { namespace: string; vectors: Vector[] }): Answer {
    for (const { id, values, metadata } of vectors) {
      if (values.length !== dimensions + 512) return [400, { message: 'another dimension' }];
      if (values.every((value) => value === 0)) return [400, { message: 'a dense vector needs a value' }];
      if (JSON.stringify(metadata).length > 40_960)
        return [400, { message: `metadata of ${id} is too large` }];
    }
    for (const vector of vectors) this.#rows(namespace).set(vector.id, vector);
    return [200, { upsertedCount: vectors.length }];
  }

  #query({ namespace, vector, topK, filter }: QueryBody): Answer {
    const matches = [...this.#rows(namespace).values()]
      .filter(
        ({ metadata }) => filter.owner.$in.includes(metadata.owner) && metadata.parts > filter.parts.$gt,
      )
      .map(({ values, ...rest }) => ({
        ...rest,
        score: values.reduce((sum, value, at) => sum + value * (vector[at] ?? 0), 0),
      }))
      .sort((a, b) => b.score - a.score);
    return [200, { namespace, matches: matches.slice(0, topK) }];
  }

  #fetch(params: URLSearchParams): Answer {
    const namespace = params.get('namespace') ?? '';
    const isBehind = this.hiddenFetches > 0;
    if (isBehind) this.hiddenFetches -= 1;
    const found = isBehind ? [] : params.getAll('ids').flatMap((id) => this.#rows(namespace).get(id) ?? []);
    return [200, { namespace, vectors: Object.fromEntries(found.map((row) => [row.id, row])) }];
  }

  #list(params: URLSearchParams): Answer {
    const namespace = params.get('namespace') ?? '';
    const ids = [...this.#rows(namespace).keys()]
      .filter((id) => id.startsWith(params.get('prefix') ?? ''))
      .sort();
    const [from, limit] = [Number(params.get('paginationToken') ?? 0), Number(params.get('limit') ?? 100)];
    const next = from + limit < ids.length ? { pagination: { next: String(from + limit) } } : {};
    return [200, { namespace, vectors: ids.slice(from, from + limit).map((id) => ({ id })), ...next }];
  }
}

suite('block store: pinecone, on a server of our own', () => {
  let server: FakePinecone;
  let url: string;
  const open = (fields: { readonly key?: string; readonly url?: string } = {}): Promise<BlockStore> =>
    openBlockStore({
      setting: { kind: 'pinecone', url: fields.url ?? url, collection: 'AgentBlocks' },
      ...{ key: fields.key ?? key, dimensions, log: silent, timeoutMs: 4_000 },
    });
  setup(async () => {
    server = new FakePinecone();
    url = await server.start();
  });
  teardown(() => server.stop());

  describeStore(() => open());

  test('waits for what was written and is not seen yet', async () => {
    const store = await open();
    await store.put([makeBlock('1', 'just now')]);
    server.hiddenFetches = 2;
    const read = await store.read('agent:scout', makeBlock('', '').workspace, ['1']);
    assert.equal(read[0]?.text, 'just now');
  });

  test('a failure names the address and never the key', async () => {
    const isTold = (error: unknown): boolean =>
      error instanceof KernelError &&
      error.code === 'storageFailed' &&
      error.message.includes('http://127.0.0.1:') &&
      !error.message.includes('wrong-key-of-mine') &&
      !error.message.includes(key);
    await assert.rejects(open({ key: 'wrong-key-of-mine' }), isTold);
    await assert.rejects(open({ url: 'http://127.0.0.1:9' }), isTold);
    const store = await open();
    server.stop();
    await assert.rejects(store.put([makeBlock('1', 'text')]), isTold);
  });
});
