// A client and its kernel process: starting, calling, dying, restarting, ending. Real processes run a scripted fake, so
// what is checked is what the operating system does; every wait is short and ends with an event, not with a guess.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { KernelProcess } from '../../../src/client/kernelProcess.js';
import { processExists } from '../../../src/hal/processIdentity.js';
import { KernelError, type ErrorCode } from '../../../src/shared/errors.js';
import { defaultEngineSettings } from '../../../src/shared/settings.js';
import { fakeKernel, fakeKernelPath, nextState, recordStates, spawnRequest } from './fakeKernel.js';

const rejectsWith = (promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof KernelError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    return true;
  });

async function waitUntil(fact: () => boolean): Promise<void> {
  for (let tries = 0; !fact(); tries++) {
    assert.ok(tries < 300, 'it did not become true within 3 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** The OS pid of each kernel that boots, in order: the fake logs it. */
function recordPids(kernel: KernelProcess): number[] {
  const pids: number[] = [];
  kernel.on('log', ({ message }) => {
    const pid = /^pid (\d+)$/.exec(message)?.[1];
    if (pid !== undefined) pids.push(Number(pid));
  });
  return pids;
}

suite('a kernel process', function () {
  this.timeout(20_000);
  this.slow(3_000);
  let kernel: KernelProcess;

  teardown(() => kernel.dispose());

  test('starts once for any number of callers', async () => {
    kernel = fakeKernel('wellBehaved');
    const pids = recordPids(kernel);
    const states = recordStates(kernel);
    const infos = await Promise.all([kernel.start(), kernel.start(), kernel.start()]);
    assert.deepEqual(
      infos.map(({ model }) => model),
      ['fake', 'fake', 'fake'],
    );
    assert.equal((await kernel.start()).model, 'fake');
    assert.equal(pids.length, 1);
    assert.deepEqual(states, ['starting', 'running']);
  });

  test('gets the key of a vector store as it is at each start, and none where there is none', async () => {
    let storeKey: string | undefined = 'first';
    kernel = fakeKernel('wellBehaved', { storeKey: () => Promise.resolve(storeKey) });
    const keys: string[] = [];
    kernel.on('log', ({ message }) => {
      if (message.startsWith('store key ')) keys.push(message);
    });
    await kernel.start();
    storeKey = 'second';
    await kernel.restart();
    storeKey = undefined;
    await kernel.restart();
    assert.deepEqual(keys, ['store key first', 'store key second']);
  });

  test('carries calls, questions and events', async () => {
    kernel = fakeKernel('wellBehaved', {
      handlers: { askPermission: ({ target }) => ({ kind: 'allow', lifetime: 'run', scope: target }) },
    });
    const called: string[] = [];
    kernel.on('toolCalled', ({ call }) => called.push(`${call.tool} ${call.decision}`));
    await kernel.start();
    const { pid } = await kernel.call('spawn', spawnRequest('read src/a.ts'));
    const report = await kernel.call('wait', { pid });
    assert.equal(report.answer, 'read src/a.ts by /workspace/src/a.ts');
    assert.deepEqual(called, ['read_file allowed-run']);
    assert.deepEqual(
      kernel.rows.map(({ state }) => state),
      ['exited'],
    );
    await rejectsWith(kernel.call('wait', { pid: 99 }), 'notFound', /no agent 99/);
    assert.equal((await kernel.call('list', null)).length, 1);
  });

  test('tells its peak memory after a ping', async () => {
    kernel = fakeKernel('wellBehaved');
    await kernel.start();
    const { peakRssBytes } = await kernel.call('ping', null);
    assert.ok(kernel.peakRssBytes >= peakRssBytes && peakRssBytes > 1_000_000);
    await kernel.dispose();
    assert.ok(kernel.peakRssBytes >= peakRssBytes, 'the peak is kept after the end');
  });

  test('is not started by a call', async () => {
    kernel = fakeKernel('wellBehaved');
    await rejectsWith(kernel.call('list', null), 'kernelStopped', /list: the kernel is stopped/);
  });

  test('takes a call back', async () => {
    kernel = fakeKernel('wellBehaved');
    await kernel.start();
    const { pid } = await kernel.call('spawn', spawnRequest('sleep'));
    const controller = new AbortController();
    const waiting = kernel.call('wait', { pid }, controller.signal);
    controller.abort();
    await rejectsWith(waiting, 'cancelled', /wait was cancelled/);
  });

  test('refuses a kernel of another version and does not try again', async () => {
    kernel = fakeKernel('otherVersion');
    const states = recordStates(kernel);
    await rejectsWith(
      kernel.start(),
      'protocolMismatch',
      /speaks protocol 999, this program speaks protocol 2/,
    );
    assert.deepEqual(states, ['starting', 'failed']);
  });

  test('gives up on a kernel that never greets', async () => {
    kernel = fakeKernel('silent', { limits: { bootTimeoutMs: 300, restartBackoffMs: [] } });
    await rejectsWith(kernel.start(), 'kernelStopped', /stopped because it did not boot within 0\.3 s/);
    assert.equal(kernel.state.name, 'failed');
  });

  test('tries a kernel that crashes at boot again, then fails with its last words', async () => {
    kernel = fakeKernel('crashing');
    const states = recordStates(kernel);
    await rejectsWith(
      kernel.start(),
      'kernelStopped',
      /^the kernel process exited with code 1: Error: no engine in this build$/,
    );
    assert.deepEqual(states, ['starting', 'restarting', 'restarting', 'failed']);
  });

  test('is killed while it boots: the start fails and names the signal', async () => {
    const engine = { ...defaultEngineSettings, model: 'die' };
    kernel = fakeKernel('wellBehaved', { engine: () => engine, limits: { restartBackoffMs: [] } });
    await rejectsWith(kernel.start(), 'kernelStopped', /was killed by SIGKILL/);
  });

  const usersFaults = ['modelUnusable', 'outOfMemory', 'unsafeConfiguration', 'badRequest'] as const;
  for (const code of usersFaults) {
    test(`${code} at boot waits for the user, and a changed setting starts it`, async () => {
      let model: string = code === 'badRequest' ? 'badRequest' : code;
      kernel = fakeKernel('wellBehaved', { engine: () => ({ ...defaultEngineSettings, model }) });
      const states = recordStates(kernel);
      await rejectsWith(kernel.start(), code, /as the test wished/);
      assert.deepEqual(states, ['starting', 'failed']);
      model = '';
      assert.equal((await kernel.start()).model, 'fake');
    });
  }

  test('an engine setting that throws is a failed start', async () => {
    kernel = fakeKernel('wellBehaved', {
      engine: () => {
        throw new KernelError('badRequest', 'setting slots: 0 is too few');
      },
    });
    await rejectsWith(kernel.start(), 'badRequest', /slots: 0/);
    assert.equal(kernel.state.name, 'failed');
  });

  test('kill -9 during a call: the call says so, the agents are named, the next run works', async () => {
    kernel = fakeKernel('wellBehaved');
    const pids = recordPids(kernel);
    const lost: { pids: number[]; reason: string }[] = [];
    kernel.on('agentsLost', ({ rows, reason }) => lost.push({ pids: rows.map(({ pid }) => pid), reason }));
    await kernel.start();
    const states = recordStates(kernel);
    await kernel.call('spawn', spawnRequest('answer done'));
    const { pid } = await kernel.call('spawn', spawnRequest('sleep'));
    const waiting = kernel.call('wait', { pid });
    await kernel.call('wait', { pid: 1 });
    process.kill(pids[0]!, 'SIGKILL');
    await rejectsWith(waiting, 'kernelStopped', /^the kernel process was killed by SIGKILL$/);
    await kernel.start();
    assert.deepEqual(lost, [{ pids: [2], reason: 'the kernel process was killed by SIGKILL' }]);
    assert.deepEqual(states, ['restarting', 'running']);
    assert.equal(kernel.rows.length, 0);
    const again = await kernel.call('spawn', spawnRequest('answer again'));
    assert.equal((await kernel.call('wait', again)).answer, 'again');
    assert.equal(pids.length, 2);
  });

  test('an uncaught error in the kernel reaches the open call', async () => {
    kernel = fakeKernel('wellBehaved');
    await kernel.start();
    const { pid } = await kernel.call('spawn', spawnRequest('throw the device is on fire'));
    await rejectsWith(
      kernel.call('wait', { pid }),
      'kernelStopped',
      /exited with code 1: Error: the device is on fire$/,
    );
  });

  test('a hung kernel is killed and started again', async () => {
    kernel = fakeKernel('wellBehaved', { limits: { heartbeatTimeoutMs: 400 } });
    const pids = recordPids(kernel);
    await kernel.start();
    const running = nextState(kernel, 'running');
    const { pid } = await kernel.call('spawn', spawnRequest('hang'));
    await rejectsWith(
      kernel.call('wait', { pid }),
      'kernelStopped',
      /stopped because it did not answer for 0\.4 s/,
    );
    await running;
    assert.equal(processExists(pids[0]!), false);
    assert.equal(pids.length, 2);
  });

  test('a kernel that is debugged is not judged by its heartbeat', async () => {
    kernel = fakeKernel('wellBehaved', { inspectPort: 0, limits: { heartbeatTimeoutMs: 100 } });
    const messages: string[] = [];
    kernel.on('log', ({ message }) => messages.push(message));
    await kernel.start();
    assert.match(messages.join('\n'), /Debugger listening on ws:\/\/127\.0\.0\.1:/);
    await kernel.call('spawn', spawnRequest('hang'));
    const states = recordStates(kernel);
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.deepEqual(states, []);
  });

  test('a kernel that leaves its channel but stays is killed', async () => {
    kernel = fakeKernel('wellBehaved', { limits: { shutdownGraceMs: 100 } });
    const pids = recordPids(kernel);
    await kernel.start();
    const { pid } = await kernel.call('spawn', spawnRequest('leave'));
    await rejectsWith(kernel.call('wait', { pid }), 'kernelStopped', /stopped because it closed its channel/);
    assert.equal(processExists(pids[0]!), false);
  });

  test('crashes use up the schedule, and a person can start it afterwards', async () => {
    kernel = fakeKernel('wellBehaved', { limits: { restartBackoffMs: [0] } });
    await kernel.start();
    const failed = nextState(kernel, 'failed');
    for (let crash = 0; crash < 2; crash++) {
      await kernel.start();
      const { pid } = await kernel.call('spawn', spawnRequest('die SIGABRT'));
      await rejectsWith(kernel.call('wait', { pid }), 'kernelStopped', /was killed by SIGABRT/);
    }
    assert.equal((await failed).name, 'failed');
    await rejectsWith(kernel.call('list', null), 'kernelStopped', /the kernel is failed/);
    await kernel.start();
    assert.equal(kernel.state.name, 'running');
  });

  test('a calm kernel has its crashes forgotten', async () => {
    kernel = fakeKernel('wellBehaved', { limits: { restartBackoffMs: [0], restartForgetMs: 1 } });
    await kernel.start();
    for (let crash = 0; crash < 3; crash++) {
      const running = nextState(kernel, 'running');
      const { pid } = await kernel.call('spawn', spawnRequest('die'));
      await rejectsWith(kernel.call('wait', { pid }), 'kernelStopped', /SIGKILL/);
      await running;
    }
    assert.equal(kernel.state.name, 'running');
  });

  test('malformed frames are logged and change nothing', async () => {
    kernel = fakeKernel('wellBehaved');
    const warnings: string[] = [];
    kernel.on('log', ({ level, message }) => level === 'warn' && warnings.push(message));
    await kernel.start();
    await kernel.call('spawn', spawnRequest('garbage'));
    await waitUntil(() => warnings.length === 3);
    assert.deepEqual(warnings, [
      'malformed frame from the kernel: unknown frame type "nonsense"',
      'malformed frame from the kernel: an event needs a name',
      'malformed frame from the kernel: not an object',
    ]);
    assert.equal((await kernel.call('list', null)).length, 1);
  });

  test('a restart gives callers that wait the new kernel', async () => {
    kernel = fakeKernel('wellBehaved', { engine: () => ({ ...defaultEngineSettings, model: 'slow' }) });
    const pids = recordPids(kernel);
    const states = recordStates(kernel);
    const first = kernel.start();
    await waitUntil(() => pids.length === 1);
    const [info] = await Promise.all([first, kernel.restart()]);
    assert.equal(info.model, 'fake');
    assert.deepEqual(states, ['starting', 'restarting', 'running']);
    assert.equal(pids.length, 2);
    assert.equal(processExists(pids[0]!), false, 'the old kernel is gone before the new one boots');
  });

  test('dispose ends the process, open calls and waiting starts', async () => {
    kernel = fakeKernel('wellBehaved');
    const pids = recordPids(kernel);
    await kernel.start();
    const { pid } = await kernel.call('spawn', spawnRequest('sleep'));
    const waiting = rejectsWith(kernel.call('wait', { pid }), 'kernelStopped', /because it was shut down/);
    await kernel.dispose();
    await waiting;
    assert.equal(processExists(pids[0]!), false);
    await rejectsWith(kernel.start(), 'kernelStopped', /for good/);
    await rejectsWith(kernel.restart(), 'kernelStopped', /for good/);
    await kernel.dispose();
  });

  test('dispose during a start rejects the start', async () => {
    kernel = fakeKernel('silent', { limits: { shutdownGraceMs: 50 } });
    const start = rejectsWith(kernel.start(), 'kernelStopped', /the kernel was stopped/);
    await kernel.dispose();
    await start;
    assert.equal(kernel.state.name, 'stopped');
  });

  test('a kernel that does not want to end is killed after the grace time', async () => {
    kernel = fakeKernel('stubborn', { limits: { shutdownGraceMs: 100 } });
    const pids = recordPids(kernel);
    await kernel.start();
    await kernel.dispose();
    assert.equal(processExists(pids[0]!), false);
  });
});

suite('a kernel whose client dies', function () {
  this.timeout(20_000);
  this.slow(3_000);
  const modulePath = fileURLToPath(new URL('../../../src/client/kernelProcess.js', import.meta.url));

  async function startParent(fake: 'wellBehaved' | 'stubborn', ending: 'stay' | 'exit') {
    const parent = spawn(process.execPath, [
      fakeKernelPath('parent'),
      modulePath,
      fakeKernelPath(fake),
      ending,
    ]);
    const [piece] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(/^pid (\d+)/.exec(piece.toString())?.[1]);
    assert.ok(pid > 0, piece.toString());
    return { parent, pid };
  }

  test('ends when the client is killed', async () => {
    const { parent, pid } = await startParent('wellBehaved', 'stay');
    assert.ok(processExists(pid));
    parent.kill('SIGKILL');
    await waitUntil(() => !processExists(pid));
  });

  test('is killed when the client exits, even if it ignores its channel', async () => {
    const { parent, pid } = await startParent('stubborn', 'exit');
    if (parent.exitCode === null) await once(parent, 'exit');
    await waitUntil(() => !processExists(pid));
  });
});
