/** The whole way, as a user goes it: `dist/cli.js`, the real kernel, the embedded model, Wasm tools, real files. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AgentReport } from '../../src/shared/protocol.js';
import { useOwnStateFolder } from '../support/stateFolder.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const cli = fromRoot('dist/cli.js');

interface Document {
  readonly agents: readonly AgentReport[];
  readonly kernel: {
    readonly driver: string;
    readonly model: string;
    readonly peakRssBytes: number;
    readonly ms: { readonly boot: number; readonly total: number };
  };
}

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function amk(...args: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
}

suite('amk run on the embedded model', function () {
  this.timeout(120_000);
  let root: string;

  useOwnStateFolder();
  suiteSetup(() => {
    assert.ok(existsSync(cli), `${cli} is missing: run "npm run build" first`);
  });
  setup(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'amk-cli-')));
    await cp(fromRoot('test/fixtures/ledger'), root, { recursive: true });
  });
  teardown(() => rm(root, { recursive: true, force: true }));

  const readLines = async (path: string): Promise<string[]> =>
    (await readFile(join(root, path), 'utf8')).split('\n');
  const runJson = async (...args: string[]): Promise<{ ended: Ended; document: Document }> => {
    const ended = await amk('run', '--json', '--workspace', root, ...args);
    assert.doesNotThrow(() => JSON.parse(ended.stdout), `${ended.stdout}\n${ended.stderr}`);
    return { ended, document: JSON.parse(ended.stdout) as Document };
  };

  test('three agents answer truly, and every access is in the report with its decision', async () => {
    const { ended, document } = await runJson(
      ...['--grant', 'fs.read:.', '--grant', 'fs.write:src/report.ts'],
      ...['Where is parseEntries defined?', 'Where is Ledger defined?'],
      'Rename calcTotal to totalOf in src/report.ts.',
    );
    const [where, ledger, rename] = document.agents;
    assert.ok(where && ledger && rename, ended.stderr);
    const lineOf = async (path: string, text: string): Promise<string> =>
      `${path}:${(await readLines(path)).findIndex((line) => line.includes(text)) + 1}`;
    assert.ok(where.answer.includes(await lineOf('src/parseCsv.ts', 'function parseEntries')), where.answer);
    assert.ok(ledger.answer.includes(await lineOf('src/ledger.ts', 'class Ledger')), ledger.answer);
    const original = await readFile(fromRoot('test/fixtures/ledger/src/report.ts'), 'utf8');
    assert.equal((await readLines('src/report.ts')).join('\n'), original.replaceAll('calcTotal', 'totalOf'));
    for (const { state, toolCalls } of document.agents) {
      assert.equal(state, 'answered');
      assert.ok(toolCalls.length > 0);
      for (const { decision, ok } of toolCalls) assert.deepEqual([decision, ok], ['granted', true]);
    }
    assert.deepEqual(
      document.agents.map(({ toolCalls }) => toolCalls[0]?.capability),
      ['fs.read', 'fs.read', 'fs.write'],
    );
    assert.equal(ended.status, 0);
    const { kernel } = document;
    assert.equal(kernel.driver, 'llama');
    assert.ok(kernel.peakRssBytes > 10_000_000);
    assert.ok(kernel.ms.boot > 0 && kernel.ms.total > kernel.ms.boot);
  });

  test('without a grant nothing is read or changed, the agent says so, and the status is 1', async () => {
    const { ended, document } = await runJson(
      'Where is parseEntries defined?',
      'Rename calcTotal to totalOf in src/report.ts.',
    );
    assert.equal(ended.status, 1);
    for (const { answer, toolCalls } of document.agents) {
      assert.match(answer, /no grant for fs\.(read|write)/);
      for (const { decision, ok } of toolCalls) assert.deepEqual([decision, ok], ['denied', false]);
    }
    assert.equal(
      (await readLines('src/report.ts')).join('\n'),
      await readFile(fromRoot('test/fixtures/ledger/src/report.ts'), 'utf8'),
    );
  });

  test('many agents at once answer what one answers alone', async () => {
    const tasks = ['Where is Ledger defined?', 'What does src/money.ts export?'];
    const { document: alone } = await runJson('--grant', 'fs.read:.', ...tasks);
    const expected = new Map(alone.agents.map(({ task, answer }) => [task, answer]));
    for (let round = 0; round < 3; round++) {
      const many = Array.from({ length: 12 }, (_, index) => tasks[index % tasks.length] ?? '');
      const { document } = await runJson('--grant', 'fs.read:.', ...many);
      for (const { task, answer } of document.agents) assert.equal(answer, expected.get(task));
    }
  });

  test('one answer stands alone on stdout, and a line beside it names the model', async () => {
    const ended = await amk('run', '-w', root, '-g', 'fs.read:.', 'Where is taxOf defined?');
    assert.equal(ended.status, 0, ended.stderr);
    assert.match(ended.stdout, /^[^\n]*src\/tax\.ts:6[^\n]*\n$/);
    assert.match(ended.stderr, /embedded model; --model FILE/);
  });

  test('ctrl-c reaches the kernel as well, but stops the agents only', async function () {
    if (process.platform === 'win32') this.skip();
    const args = ['run', '-w', root, '-g', 'fs.read:.', 'Where is taxOf defined?', 'What is in src?'];
    // A process group of its own, as a terminal's foreground has one.
    const child = spawn(process.execPath, [cli, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (piece: string) => {
      if (stderr === '') process.kill(-(child.pid ?? 0), 'SIGINT');
      stderr += piece;
    });
    const [status] = (await once(child, 'close')) as [number | null];
    assert.equal(status, 130, stderr);
    assert.match(stderr, /stopping the agents/);
    assert.doesNotMatch(stderr, /kernel process/);
  });

  test('agents come from a file, and a file that is wrong is named', async () => {
    const team = join(root, 'team.json');
    await writeFile(team, JSON.stringify({ agents: [{ name: 'finder', maxSteps: 4 }] }));
    const { ended, document } = await runJson('--agents', team, '-g', 'fs.read:.', 'Where is taxOf defined?');
    assert.equal(ended.status, 0, ended.stderr);
    assert.equal(document.agents[0]?.name, 'finder');
    await writeFile(team, '[{"name": "finder", "rights": "all"}]');
    const wrong = await amk('run', '--agents', team, 'x');
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /team\.json at 0: .*rights/);
  });

  test('a model file that is none is exit status 3 and named', async () => {
    const model = join(root, 'README.md');
    const ended = await amk('run', '-w', root, '--model', model, 'x');
    assert.equal(ended.status, 3);
    assert.ok(ended.stderr.includes(model), ended.stderr);
    assert.equal(ended.stdout, '');
  });
});
