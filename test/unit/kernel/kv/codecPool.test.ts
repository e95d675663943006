// The codec on threads: it answers as the functions do, and goes on after a thread that did not.
import assert from 'node:assert/strict';
import { CodecPool } from '../../../../src/kernel/kv/codecPool.js';
import { encodeSnapshot, inspectSnapshot } from '../../../../src/kernel/kv/snapshot.js';
import { buildFile, factsOf } from './stateBuilder.js';

const workerUrl = new URL('../../../../src/kernel/kv/codecWorker.js', import.meta.url);
const facts = factsOf();

/** A worker of a few lines, for what the real one never does. */
const scripted = (body: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads';\n${body}`)}`,
  );

async function within(
  work: (pool: CodecPool) => Promise<void>,
  own: Partial<ConstructorParameters<typeof CodecPool>[0]> = {},
): Promise<void> {
  const pool = new CodecPool({ workerUrl, threads: 2, timeoutMs: 10_000, ...own });
  try {
    await work(pool);
  } finally {
    await pool[Symbol.asyncDispose]();
  }
}

suite('codec pool', () => {
  test('encodes, inspects and decodes as the functions do', () =>
    within(async (pool) => {
      const expected = encodeSnapshot(buildFile(), { quantisation: 'k8v4', facts });
      const snapshot = await pool.encode(buildFile(), { quantisation: 'k8v4', facts });
      assert.deepEqual(snapshot, expected);
      assert.deepEqual(await pool.inspect(snapshot.slice()), inspectSnapshot(expected));
      const exact = await pool.encode(buildFile(), { quantisation: 'f16', facts });
      assert.deepEqual(await pool.decode(exact, facts), buildFile());
    }));

  test('bytes are moved where they can be, and copied where others lie beside them', () =>
    within(async (pool) => {
      const own = buildFile();
      const shared = new Uint8Array(own.length + 8);
      shared.set(own, 8);
      await pool.encode(shared.subarray(8), { quantisation: 'f16', facts });
      assert.equal(shared.length, own.length + 8);
      await pool.encode(own, { quantisation: 'f16', facts });
      assert.equal(own.length, 0);
    }));

  test('refusals keep their code and their reason', () =>
    within(async (pool) => {
      await assert.rejects(pool.decode(new Uint8Array(200), facts), {
        code: 'stateInvalid',
        message: 'these 200 bytes are not a snapshot',
      });
      const snapshot = encodeSnapshot(buildFile(), { quantisation: 'f16', facts });
      await assert.rejects(pool.decode(snapshot, { ...facts, engine: 'other' }), { code: 'stateMismatch' });
    }));

  test('many at once are all served', () =>
    within(async (pool) => {
      const all = await Promise.all(
        Array.from({ length: 40 }, (_, seed) =>
          pool.encode(buildFile({ seed }), { quantisation: 'q4_0', facts }),
        ),
      );
      const expected = all.map((_, seed) =>
        encodeSnapshot(buildFile({ seed }), { quantisation: 'q4_0', facts }),
      );
      assert.deepEqual(all, expected);
    }));

  test('a thread that crashes fails its request, and the next is served', () =>
    within(
      async (pool) => {
        const failing = pool.inspect(Uint8Array.of(1));
        const waiting = pool.inspect(Uint8Array.of(2));
        await assert.rejects(failing, { code: 'bug', message: /the codec's thread crashed: no good/ });
        assert.deepEqual(await waiting, { served: 2 });
      },
      {
        threads: 1,
        workerUrl: scripted(`parentPort.on('message', ({ snapshot }) => {
          if (snapshot[0] === 1) throw new Error('no good');
          parentPort.postMessage({ ok: true, value: { served: snapshot[0] } });
        });`),
      },
    ));

  test('a thread that ends fails its request', () =>
    within(
      async (pool) => {
        await assert.rejects(pool.inspect(Uint8Array.of(1)), {
          code: 'bug',
          message: /crashed: it ended with 3/,
        });
      },
      { workerUrl: scripted(`parentPort.on('message', () => process.exit(3));`) },
    ));

  test('a thread that cannot start fails its request', () =>
    within(
      async (pool) => {
        await assert.rejects(pool.inspect(Uint8Array.of(1)), { code: 'bug' });
      },
      { workerUrl: new URL('file:///nowhere/codecWorker.js') },
    ));

  test('a thread that hangs is ended after its time, and the next request is served', () =>
    within(
      async (pool) => {
        const start = performance.now();
        const failing = pool.inspect(Uint8Array.of(1));
        const waiting = pool.inspect(Uint8Array.of(2));
        await assert.rejects(failing, { code: 'limitReached', message: 'the codec took more than 500 ms' });
        assert.ok(performance.now() - start < 2_500);
        assert.deepEqual(await waiting, { served: 2 });
      },
      {
        threads: 1,
        timeoutMs: 500,
        workerUrl: scripted(`parentPort.on('message', ({ snapshot }) => {
          while (snapshot[0] === 1);
          parentPort.postMessage({ ok: true, value: { served: snapshot[0] } });
        });`),
      },
    ));

  test('closing answers everybody', async () => {
    const pool = new CodecPool({
      workerUrl: scripted(`parentPort.on('message', () => undefined);`),
      threads: 1,
      timeoutMs: 10_000,
    });
    const open = [1, 2, 3].map((each) => pool.inspect(Uint8Array.of(each)));
    const outcomes = Promise.allSettled(open);
    await pool[Symbol.asyncDispose]();
    for (const outcome of await outcomes) {
      assert.ok(outcome.status === 'rejected');
      assert.equal((outcome.reason as { code: string }).code, 'cancelled');
    }
    await assert.rejects(pool.inspect(Uint8Array.of(1)), { code: 'cancelled' });
  });
});
