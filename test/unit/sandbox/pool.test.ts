// Worker threads on loan: one call each, a warm one kept, a bound on how many.
import assert from 'node:assert/strict';
import { SandboxPool } from '../../../src/kernel/sandbox/pool.js';
import type { Sandbox, SandboxOptions } from '../../../src/kernel/sandbox/sandbox.js';
import { compile, limits, workerUrl } from './hostileModule.js';

const never = new AbortController().signal;

async function optionsFor(name: string): Promise<SandboxOptions> {
  return { workerUrl, name, module: await compile(name), hostFunctions: ['fs_read'], limits };
}

/** Work that holds its sandbox until it is told to go on. */
function held(): {
  work: (sandbox: Sandbox) => Promise<Sandbox>;
  started: Promise<void>;
  release: () => void;
} {
  let release = (): void => undefined;
  let begin = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const started = new Promise<void>((resolve) => (begin = resolve));
  return {
    work: async (sandbox) => {
      begin();
      await released;
      return sandbox;
    },
    started,
    release: () => release(),
  };
}

suite('sandbox pool', () => {
  test('keeps one sandbox warm for the next call, and ends the others', async () => {
    await using pool = new SandboxPool({ warmWorkers: 1, maxWorkers: 4 });
    const options = await optionsFor('oneHostCall');
    const [a, b] = [held(), held()];
    const both = [pool.use(options, never, a.work), pool.use(options, never, b.work)];
    await Promise.all([a.started, b.started]);
    a.release();
    const first = await both[0];
    b.release();
    const second = await both[1];
    assert.notEqual(first, second, 'calls at once have a sandbox each');
    assert.deepEqual([first?.hasEnded, second?.hasEnded], [false, true]);
    assert.equal(await pool.use(options, never, (sandbox) => Promise.resolve(sandbox)), first);
  });

  test('never lends a sandbox of another tool', async () => {
    await using pool = new SandboxPool({ warmWorkers: 1, maxWorkers: 4 });
    const same = (sandbox: Sandbox): Promise<Sandbox> => Promise.resolve(sandbox);
    const first = await pool.use(await optionsFor('oneHostCall'), never, same);
    assert.notEqual(await pool.use(await optionsFor('trap'), never, same), first);
  });

  test('replaces a sandbox that was ended while it was warm', async () => {
    await using pool = new SandboxPool({ warmWorkers: 1, maxWorkers: 4 });
    const options = await optionsFor('oneHostCall');
    const first = await pool.use(options, never, (sandbox) => Promise.resolve(sandbox));
    await first.end();
    const second = await pool.use(options, never, (sandbox) => Promise.resolve(sandbox));
    assert.notEqual(second, first);
    assert.equal(second.hasEnded, false);
  });

  test('gives its place back when the module cannot be started', async () => {
    await using pool = new SandboxPool({ warmWorkers: 1, maxWorkers: 1 });
    const broken = await optionsFor('callInStart');
    for (let times = 0; times < 3; times++) {
      await assert.rejects(
        pool.use(broken, never, () => Promise.resolve()),
        { code: 'sandboxStopped' },
      );
    }
  });

  test('beyond its bound calls wait in order, and leave when they are taken back', async () => {
    await using pool = new SandboxPool({ warmWorkers: 1, maxWorkers: 1 });
    const options = await optionsFor('oneHostCall');
    const first = held();
    const order: string[] = [];
    const calls = [pool.use(options, never, first.work)];
    await first.started;
    const controller = new AbortController();
    const leaver = pool.use(options, controller.signal, first.work);
    const waiters = ['a', 'b', 'c'].map((name) =>
      pool.use(options, never, () => {
        order.push(name);
        return Promise.resolve();
      }),
    );
    controller.abort();
    await assert.rejects(leaver, { code: 'cancelled' });
    first.release();
    await Promise.all([...calls, ...waiters]);
    assert.deepEqual(order, ['a', 'b', 'c']);
  });

  test('ends everything when it is disposed, and answers who waits', async () => {
    const pool = new SandboxPool({ warmWorkers: 1, maxWorkers: 1 });
    const options = await optionsFor('oneHostCall');
    const first = held();
    const open = pool.use(options, never, async (sandbox) => {
      await first.work(sandbox);
      return sandbox;
    });
    await first.started;
    const waiter = pool.use(options, never, first.work);
    const refused = assert.rejects(waiter, { code: 'sandboxStopped' });
    await pool[Symbol.asyncDispose]();
    first.release();
    assert.equal((await open).hasEnded, true);
    await refused;
  });
}).timeout(20_000);
