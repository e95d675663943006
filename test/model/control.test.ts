/** One program runs agents, others look at them and steer them: `amk run` here, `amk ps`, `top`, `renice`, `stop` there. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentReport, AgentRow } from '../../src/shared/protocol.js';
import { useOwnStateFolder } from '../support/stateFolder.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const cli = fromRoot('dist/cli.js');
const agentCount = 48;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Kernels {
  readonly kernels: readonly { readonly pid: number; readonly agents: readonly AgentRow[] }[];
}

interface Top {
  readonly kernel: {
    readonly pid: number;
    readonly client: string;
    readonly slots: { readonly total: number };
  };
  readonly agents: readonly (AgentRow & { readonly deviceShare: number })[];
}

suite('amk top and its like, on a kernel of another process', function () {
  this.timeout(120_000);
  let root: string;
  let folder: string;

  useOwnStateFolder();
  suiteSetup(() => {
    assert.ok(existsSync(cli), `${cli} is missing: run "npm run build" first`);
  });
  setup(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'amk-control-')));
    folder = join(root, 'kernels');
    await cp(fromRoot('test/fixtures/ledger'), join(root, 'ledger'), { recursive: true });
  });
  teardown(() => rm(root, { recursive: true, force: true }));

  const amk = (...args: string[]): Promise<Ended> => {
    const child = spawn(process.execPath, [cli, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, AMK_RUNTIME_DIR: folder },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
    child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
    return new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => resolve({ status, stdout, stderr }));
    });
  };
  const json = async <T>(...args: string[]): Promise<T> => {
    const ended = await amk(...args, '--json');
    assert.equal(ended.status, 0, ended.stderr);
    return JSON.parse(ended.stdout) as T;
  };

  test('agents are seen, reniced, paused, resumed and stopped from outside', async () => {
    // So many that the last two are paused before they can be done, on a fast machine as well.
    const tasks = Array.from({ length: agentCount }, () => 'Where is Ledger defined?');
    const [stopped, kept] = [agentCount - 1, agentCount];
    const run = amk('run', '--json', '-w', join(root, 'ledger'), '-g', 'fs.read:.', ...tasks);
    const first = await firstAgents(agentCount);
    const kernel = String(first.kernel);
    const paused = await amk('pause', '--kernel', kernel, String(stopped), String(kept));
    assert.deepEqual(paused, { status: 0, stdout: '', stderr: '' });

    assert.equal((await amk('renice', String(kept), '--nice', '-7', '--class', 'batch')).status, 0);
    const top = await json<Top>('top', '--once', '--interval', '200');
    assert.deepEqual([top.kernel.pid, top.kernel.client], [first.kernel, 'cli']);
    assert.equal(top.agents.length, tasks.length);
    assert.ok(top.agents.some(({ deviceMs }) => deviceMs > 0));
    for (const { deviceShare } of top.agents) assert.ok(deviceShare >= 0 && deviceShare <= 1);
    const reniced = top.agents.find(({ pid }) => pid === kept);
    assert.deepEqual([reniced?.nice, reniced?.class], [-7, 'batch']);

    assert.equal((await amk('stop', String(stopped))).status, 0);
    const missing = await amk('stop', '99');
    assert.deepEqual([missing.status, missing.stderr], [1, 'amk: there is no agent with pid 99\n']);
    assert.equal((await amk('resume', String(kept))).status, 0);

    const ended = await run;
    const { agents } = JSON.parse(ended.stdout) as { agents: AgentReport[] };
    assert.equal(ended.status, 1, ended.stderr);
    assert.deepEqual(
      agents.filter(({ state }) => state !== 'answered').map(({ pid, state }) => [pid, state]),
      [[stopped, 'stopped']],
    );
    assert.deepEqual(await readdir(folder), []);
    const nobody = await amk('top', '--once');
    assert.deepEqual(
      [nobody.status, nobody.stderr],
      [3, 'amk: no kernel is running; amk run and the editor start one\n'],
    );
  });

  /** As soon as a kernel is there and its agents are. */
  async function firstAgents(count: number): Promise<{ kernel: number }> {
    for (let tries = 0; tries < 100; tries++) {
      const ended = await amk('ps', '--all', '--json');
      if (ended.status === 0) {
        const [kernel] = (JSON.parse(ended.stdout) as Kernels).kernels;
        if ((kernel?.agents.length ?? 0) >= count) return { kernel: kernel?.pid ?? 0 };
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('no kernel appeared');
  }
});
