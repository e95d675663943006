// The storage and its lock: one kernel at a time, whatever became of the one before, also across real processes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemFileCalls } from '../../../src/hal/fileCalls.js';
import { systemProcesses, type ProcessIdentity, type Processes } from '../../../src/hal/processIdentity.js';
import { openStorage, type Storage } from '../../../src/hal/storage.js';

const isWindows = process.platform === 'win32';

/** Processes of which only the named ones run. */
function processes(self: number, ...running: readonly number[]): Processes {
  const identity = (pid: number): ProcessIdentity => ({ pid, started: `start of ${pid}` });
  return {
    self: () => Promise.resolve(identity(self)),
    isRunning: ({ pid, started }) =>
      Promise.resolve(running.includes(pid) && started === identity(pid).started),
  };
}

suite('storage', () => {
  let root: string;
  let path: string;
  setup(async () => {
    root = await mkdtemp(join(tmpdir(), 'storage-'));
    path = join(root, 'store');
  });
  teardown(() => rm(root, { recursive: true, force: true }));

  const locked = (pid: number): object => ({
    name: 'KernelError',
    code: 'storeLocked',
    message: `the store ${path} is in use by process ${pid}`,
  });

  test('gives each part a folder of its own, and says how much room there is', async () => {
    await using storage = await openStorage({ path });
    const folder = await storage.folder('journal');
    await folder.writeAtomically('a', Buffer.from('1'));
    assert.deepEqual((await readdir(path)).sort(), ['journal', 'lock']);
    assert.ok((await storage.freeBytes()) > 0);
    await assert.rejects(storage.folder('../outside'), { code: 'badRequest' });
  });

  test('a second kernel is refused and told the process, until the first is gone', async () => {
    const first = await openStorage({ path });
    await assert.rejects(openStorage({ path }), locked(process.pid));
    await first[Symbol.asyncDispose]();
    const second = await openStorage({ path });
    await second[Symbol.asyncDispose]();
    assert.deepEqual(await readdir(path), []);
  });

  test('the lock of a process that is gone is free, also when its number was given again', async () => {
    await openStorage({ path, processes: processes(7, 7) });
    await assert.rejects(openStorage({ path, processes: processes(8, 7, 8) }), locked(7));
    await openStorage({ path, processes: processes(8, 8) });
    const sameNumber = { ...processes(9), isRunning: () => Promise.resolve(false) };
    await openStorage({ path, processes: sameNumber });
    assert.match(await readFile(join(path, 'lock'), 'utf8'), /"pid":9/);
    assert.deepEqual(await readdir(path), ['lock']);
  });

  test('a lock that nobody finished writing is free', async () => {
    await openStorage({ path, processes: processes(7, 7) });
    for (const text of ['', '{"pid":7', '{"pid":-1,"started":""}']) {
      await writeFile(join(path, 'lock'), text);
      await using storage = await openStorage({ path, processes: processes(8, 8) });
      await assert.rejects(openStorage({ path, processes: processes(9, 8, 9) }), locked(8));
      assert.equal(storage.path, path);
    }
  });

  test('of many kernels that come at once, one gets in', async () => {
    for (const stale of [false, true]) {
      if (stale) await openStorage({ path, processes: processes(1) });
      const pids = [11, 12, 13, 14, 15, 16];
      const results = await Promise.allSettled(
        pids.map((pid) => openStorage({ path, processes: processes(pid, ...pids) })),
      );
      const won = results.filter(
        (each): each is PromiseFulfilledResult<Storage> => each.status === 'fulfilled',
      );
      assert.equal(won.length, 1, stale ? 'over a stale lock' : 'over none');
      for (const each of results) {
        if (each.status === 'rejected') assert.equal((each.reason as { code: string }).code, 'storeLocked');
      }
      await won[0]!.value[Symbol.asyncDispose]();
    }
  });

  test('giving a lock back leaves that of another alone', async () => {
    const first = await openStorage({ path, processes: processes(7) });
    const second = await openStorage({ path, processes: processes(8, 8) });
    await first[Symbol.asyncDispose]();
    await assert.rejects(openStorage({ path, processes: processes(9, 8) }), locked(8));
    await second[Symbol.asyncDispose]();
  });

  test('a folder that cannot be made is told by name', async () => {
    await writeFile(path, 'a file');
    await assert.rejects(openStorage({ path }), {
      code: 'storageFailed',
      message: new RegExp(`^the store ${path}`),
    });
  });

  (isWindows ? test.skip : test)('a real process that is killed leaves its store to the next', async () => {
    const hal = (name: string): string => new URL(`../../../src/hal/${name}.js`, import.meta.url).href;
    const program = `
      import { openStorage } from ${JSON.stringify(hal('storage'))};
      await openStorage({ path: ${JSON.stringify(path)} });
      console.log('open');
      setInterval(() => undefined, 1000);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      await assert.rejects(openStorage({ path }), locked(child.pid ?? 0));
    } finally {
      child.kill('SIGKILL');
    }
    await exited;
    await using storage = await openStorage({ path });
    assert.equal(storage.path, path);
  });

  test('a process is known by its number and its start', async () => {
    const self = await systemProcesses.self();
    assert.equal(self.pid, process.pid);
    assert.equal(await systemProcesses.isRunning(self), true);
    assert.equal(await systemProcesses.isRunning({ ...self, started: '1' }), false);
    assert.equal(await systemProcesses.isRunning({ ...self, pid: 2 ** 30 }), false);
    assert.ok((await systemFileCalls.freeBytes(root)) > 0);
  });
});
