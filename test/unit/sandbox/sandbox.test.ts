// What a hostile module does to itself, and what it cannot do to anybody else.
import assert from 'node:assert/strict';
import { encodeFields } from '../../../src/kernel/sandbox/fields.js';
import type { HostCalls, Sandbox, SandboxLimits } from '../../../src/kernel/sandbox/sandbox.js';
import { KernelError } from '../../../src/shared/errors.js';
import { sandboxOf } from './hostileModule.js';

const never = new AbortController().signal;
const nobody: HostCalls = () => Promise.resolve(Uint8Array.of(0));
const pong: HostCalls = () => Promise.resolve(Uint8Array.from([0, ...Buffer.from('pong')]));
const input = encodeFields(['1000']);
const rssMegabytes = (): number => process.memoryUsage.rss() / 2 ** 20;

async function within<T>(
  name: string,
  work: (sandbox: Sandbox) => Promise<T>,
  own?: Partial<SandboxLimits>,
): Promise<T> {
  const sandbox = await sandboxOf(name, own);
  try {
    await sandbox.ready();
    return await work(sandbox);
  } finally {
    await sandbox.end();
  }
}

suite('sandbox', () => {
  const stopped: readonly [string, RegExp, number][] = [
    ['endlessLoop', /computed for more than 300 ms/, 450],
    ['swallowedRefusals', /computed for more than 300 ms/, 450],
    ['endlessRecursion', /it failed: Maximum call stack size exceeded/, 300],
    ['trap', /it failed: unreachable/, 300],
    ['allocationBomb', /asked for more than 4194304 bytes of host memory/, 300],
    ['emptyAllocations', /asked for more than 32000 memory blocks/, 300],
    ['negativeAllocation', /asked for more than 4194304 bytes of host memory/, 300],
    ['hugeOutput', /asked for more than 4194304 bytes of host memory/, 300],
    ['longOutput', /its result has more than 65536 bytes/, 300],
    ['hostCallFlood', /made more than 100 host calls/, 300],
    ['hugeRequest', /sent more than 65536 bytes in one host call/, 300],
    ['requestOutside', /it failed: /, 300],
    ['replyOutside', /it failed: /, 300],
  ];
  for (const [name, message, longestMs] of stopped) {
    test(`${name} is stopped`, () =>
      within(name, async (sandbox) => {
        const before = rssMegabytes();
        const start = performance.now();
        await assert.rejects(sandbox.call(input, nobody, never), { code: 'sandboxStopped', message });
        const ms = performance.now() - start;
        assert.ok(ms < 4 * longestMs, `stopped after ${ms} ms`);
        assert.ok(rssMegabytes() - before < 64, `grew by ${rssMegabytes() - before} MB`);
      }));
  }

  test('memory beyond the maximum is refused to the module, which goes on', () =>
    within('memoryBomb', async (sandbox) => {
      const { ok, output } = await sandbox.call(input, nobody, never);
      assert.equal(ok, true);
      assert.equal(output.length * 64, 64, 'the maximum of pages, and not one more');
    }));

  test('table entries beyond the maximum are refused to the module, which goes on', () =>
    within('tableBomb', async (sandbox) => {
      assert.equal((await sandbox.call(input, nobody, never)).ok, true);
    }));

  test('a start section that never ends is stopped', async () => {
    const sandbox = await sandboxOf('endlessStart', { startMs: 300 });
    await assert.rejects(sandbox.ready(), { code: 'sandboxStopped', message: /did not start within 300 ms/ });
    await sandbox.end();
  });

  test('a host call in the start section is refused', async () => {
    const sandbox = await sandboxOf('callInStart');
    await assert.rejects(sandbox.ready(), { code: 'sandboxStopped', message: /before it is started/ });
    await sandbox.end();
  });

  test('a call that was stopped by a limit or a trap leaves the sandbox usable', () =>
    within('trap', async (sandbox) => {
      for (let times = 0; times < 3; times++) {
        await assert.rejects(sandbox.call(input, nobody, never), { message: /unreachable/ });
        await sandbox.ready();
      }
    }));

  test('nothing a module keeps survives its call', () =>
    within('memoryOfCalls', async (sandbox) => {
      for (let times = 0; times < 3; times++) {
        const { output } = await sandbox.call(input, nobody, never);
        assert.equal(output.length, 1, 'each call is the first one');
        await sandbox.ready();
      }
    }));

  test('one sandbox serves call after call', () =>
    within('oneHostCall', async (sandbox) => {
      for (let times = 0; times < 200; times++) {
        const { output } = await sandbox.call(input, pong, never);
        assert.equal(Buffer.from(output).toString(), 'pong');
        await sandbox.ready();
      }
    }));

  test('a module gets the reply and not what lies beside it in host memory', () =>
    within('oneHostCall', async (sandbox) => {
      const pooled = Buffer.from('\0reply');
      assert.ok(pooled.buffer.byteLength > pooled.length, 'the reply is a part of a larger buffer');
      const { output } = await sandbox.call(input, () => Promise.resolve(pooled), never);
      assert.equal(Buffer.from(output).toString(), 'reply');
      assert.equal(output.buffer.byteLength, 5);
    }));

  test('the clock stands while a host call is open', () =>
    within('oneHostCall', async (sandbox) => {
      const slow: HostCalls = (request) =>
        new Promise((resolve) => setTimeout(() => void pong(request).then(resolve), 600));
      assert.equal((await sandbox.call(input, slow, never)).ok, true);
    }));

  test('the deadline is one budget, whatever the number of host calls', () =>
    within(
      'hostCallFlood',
      async (sandbox) => {
        const start = performance.now();
        await assert.rejects(sandbox.call(input, nobody, never), {
          message: /computed for more than 100 ms/,
        });
        assert.ok(performance.now() - start < 3000);
      },
      { hostCalls: 2 ** 31, deadlineMs: 100 },
    ));

  test('a host call that throws ends the sandbox and not the host', () =>
    within('oneHostCall', async (sandbox) => {
      await assert.rejects(
        sandbox.call(input, () => Promise.reject(new Error('oh')), never),
        { code: 'bug' },
      );
      assert.equal(sandbox.hasEnded, true);
    }));

  const revoked: readonly [string, string][] = [
    ['endlessLoop', 'while the module computes'],
    ['oneHostCall', 'while a host call is open'],
  ];
  for (const [name, when] of revoked) {
    test(`a call is taken back within milliseconds ${when}`, () =>
      within(
        name,
        async (sandbox) => {
          const controller = new AbortController();
          const call = sandbox.call(input, () => new Promise<never>(() => undefined), controller.signal);
          await new Promise((resolve) => setTimeout(resolve, 50));
          const start = performance.now();
          controller.abort();
          await assert.rejects(call, { code: 'cancelled' });
          assert.ok(performance.now() - start < 50);
          assert.equal(sandbox.hasEnded, true);
          await sandbox.end();
          assert.ok(performance.now() - start < 1000, 'its thread is gone');
        },
        { deadlineMs: 60_000 },
      ));
  }

  test('a call with a signal that is aborted already does not begin', () =>
    within('oneHostCall', async (sandbox) => {
      await assert.rejects(sandbox.call(input, pong, AbortSignal.abort()), { code: 'cancelled' });
      assert.equal((await sandbox.call(input, pong, never)).ok, true);
    }));

  test('a sandbox that is ended answers the call that is open', () =>
    within('oneHostCall', async (sandbox) => {
      const call = sandbox.call(input, () => new Promise<never>(() => undefined), never);
      const [outcome] = await Promise.all([call.catch((error: unknown) => error), sandbox.end()]);
      assert.ok(outcome instanceof KernelError && outcome.code === 'sandboxStopped');
    }));

  test('two neighbours go on while hostile modules are stopped', async () => {
    const neighbour = within('oneHostCall', async (sandbox) => {
      let longestMs = 0;
      for (let times = 0; times < 100; times++) {
        const start = performance.now();
        const { output } = await sandbox.call(input, pong, never);
        longestMs = Math.max(longestMs, performance.now() - start);
        assert.equal(Buffer.from(output).toString(), 'pong');
        await sandbox.ready();
      }
      return longestMs;
    });
    const hostile = ['endlessLoop', 'allocationBomb', 'hugeOutput', 'memoryBomb', 'hostCallFlood'].map(
      (name) => within(name, (sandbox) => sandbox.call(input, nobody, never).catch(() => undefined)),
    );
    const [longestMs] = await Promise.all([neighbour, ...hostile]);
    assert.ok(longestMs < 1000, `a neighbour's call took ${longestMs} ms`);
  }).timeout(20_000);
}).timeout(20_000);
