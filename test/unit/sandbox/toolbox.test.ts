// A tool call from its arguments to its text: real modules, real worker threads, a real folder, a scripted person.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createDisk } from '../../../src/hal/disk.js';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { createProcesses, type Processes } from '../../../src/hal/process.js';
import { MemoryAudit } from '../../../src/kernel/audit/memoryAudit.js';
import { Broker, type Prompter } from '../../../src/kernel/sandbox/broker.js';
import type { SandboxLimits } from '../../../src/kernel/sandbox/sandbox.js';
import { createToolbox, type Toolbox, type ToolOutcome } from '../../../src/kernel/sandbox/toolbox.js';
import { toolNames } from '../../../src/shared/agentDefinition.js';
import { sandboxLimits } from '../../../src/shared/limits.js';
import type { PermissionAnswer, PermissionRequest } from '../../../src/shared/protocol.js';
import { workerUrl } from './hostileModule.js';

const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const toolsDir = join(repository, 'wasm-tools');
const hostileDir = join(repository, 'test/fixtures/hostile');
const reaperPath = fileURLToPath(new URL('../../../src/hal/reaper.js', import.meta.url));
const never = new AbortController().signal;
const posixTest = process.platform === 'win32' ? test.skip : test;

const deny: PermissionAnswer = { kind: 'deny', reason: '' };
const allowOnce = ({ access }: PermissionRequest): PermissionAnswer => ({
  kind: 'allow',
  lifetime: 'once',
  scope: access.capability === 'process.run' ? '*' : access.path,
});

/** A toolbox with its broker and its person, who says no until a test tells otherwise. */
interface Bench extends AsyncDisposable {
  readonly toolbox: Toolbox;
  readonly broker: Broker;
  readonly logged: string[];
  readonly audit: MemoryAudit;
  asked: PermissionRequest[];
  answer:
    | PermissionAnswer
    | ((request: PermissionRequest, signal: AbortSignal) => PermissionAnswer | Promise<PermissionAnswer>);
  call(tool: string, given: Record<string, string>, own?: Partial<CallOptions>): Promise<ToolOutcome>;
}

interface CallOptions {
  readonly signal: AbortSignal;
  readonly pid: number;
  readonly resultBytes: number;
}

suite('toolbox', () => {
  let processes: Processes;
  let bench: Bench;
  let folder: string;
  let root: string;
  let outside: string;

  async function createBench(tools: string, limits: SandboxLimits = sandboxLimits): Promise<Bench> {
    const ask: Prompter['ask'] = async (request, signal) => {
      created.asked.push(request);
      const { answer } = created;
      return typeof answer === 'function' ? await answer(request, signal) : answer;
    };
    const audit = new MemoryAudit();
    const broker = new Broker({ prompter: { ask }, clock: createManualClock(0), audit });
    const logged: string[] = [];
    const toolbox = await createToolbox({
      ...{ toolsDir: tools, workerUrl, disk: createDisk(), processes, broker, audit, limits },
      log: (_, message) => void logged.push(message),
    });
    const created: Bench = {
      ...{ toolbox, broker, audit, asked: [], logged, answer: deny },
      call: (tool, given, { signal = never, pid = 1, resultBytes = 4096 } = {}) =>
        toolbox.invoke(
          { pid, agent: 'scout', task: 'look', tool, arguments: given, workspaceRoot: root, resultBytes },
          signal,
        ),
      [Symbol.asyncDispose]: () => toolbox[Symbol.asyncDispose](),
    };
    return created;
  }

  // Shared by all tests, since worker threads take their time to start; grants and questions are each test's own.
  suiteSetup(async () => {
    processes = createProcesses({ reaperPath });
    bench = await createBench(toolsDir);
  });

  suiteTeardown(async () => {
    await bench[Symbol.asyncDispose]();
    await processes[Symbol.asyncDispose]();
  });

  setup(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'toolbox-')));
    root = join(folder, 'workspace');
    outside = join(folder, 'outside');
    cpSync(join(repository, 'test/fixtures/ledger'), root, { recursive: true });
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret.txt'), 'secret\n');
    bench.asked = [];
    bench.answer = deny;
  });

  teardown(() => {
    for (const pid of [1, 2, 3, 4]) bench.broker.endRun(pid);
    rmSync(folder, { recursive: true, force: true });
  });

  const grant = (
    scope: string,
    capability: 'fs.read' | 'fs.write' | 'process.run' = 'fs.read',
    pid = 1,
  ): number => bench.broker.grant({ capability, scope }, { pid, lifetime: 'run' }).id;

  test('has every tool of the closed list, with its parameters in order', () => {
    const signatures = bench.toolbox.signatures(toolNames);
    assert.deepEqual(
      signatures.map(({ name, parameters }) => `${name}(${Object.keys(parameters).join(', ')})`),
      [
        'read_file(path)',
        'list_dir(path)',
        'search(query)',
        'edit_file(path, find, replace)',
        'run(command)',
      ],
    );
    assert.deepEqual(
      bench.toolbox.signatures(['run']).map(({ name }) => name),
      ['run'],
    );
  });

  test('a granted call reads, tells and reports what it used', async () => {
    grant('.');
    const { text, ok, capability, decision } = await bench.call('search', { query: 'parseEntries' });
    assert.match(text, /^src\/parseCsv\.ts:\d+: export function parseEntries/);
    assert.deepEqual([ok, capability, decision], [true, 'fs.read', 'granted']);
    assert.equal(bench.asked.length, 0);
  });

  test('a refused call reads nothing and says so in the words the model knows', async () => {
    for (const [tool, given, capability] of [
      ['read_file', { path: 'src/tax.ts' }, 'fs.read'],
      ['list_dir', { path: 'src' }, 'fs.read'],
      ['search', { query: 'tax' }, 'fs.read'],
      ['edit_file', { path: 'src/tax.ts', find: 'a', replace: 'b' }, 'fs.write'],
      ['run', { command: 'node --version' }, 'process.run'],
    ] as const) {
      const { ms, ...outcome } = await bench.call(tool, given);
      assert.ok(ms >= 0);
      const text = `denied: no grant for ${capability}`;
      assert.deepEqual(outcome, { text, ok: false, capability, decision: 'denied' });
    }
    assert.deepEqual(
      bench.asked.map(({ tool, access }) => [tool, access.capability === 'process.run' ? '' : access.path]),
      [
        ['read_file', 'src/tax.ts'],
        ['list_dir', 'src'],
        ['search', '.'],
        ['edit_file', 'src/tax.ts'],
        ['run', ''],
      ],
    );
  });

  test("a person's reason reaches the model in a line of its own", async () => {
    bench.answer = { kind: 'deny', reason: 'not this\nfile' };
    const { text } = await bench.call('read_file', { path: 'src/tax.ts' });
    assert.equal(text, 'denied: no grant for fs.read\nnot this file');
  });

  test('a person is shown the real path, and the resolved program with its arguments', async () => {
    symlinkSync(join(root, 'src/tax.ts'), join(root, 'harmless.txt'));
    await bench.call('read_file', { path: './harmless.txt' });
    await bench.call('run', { command: 'node "a b"' });
    const [read, run] = bench.asked;
    assert.equal(read?.target, join(root, 'src/tax.ts'));
    assert.deepEqual(read.access, { capability: 'fs.read', path: 'src/tax.ts' });
    assert.match(run?.target ?? '', /^\/.*node.* "a b"$/);
    assert.deepEqual(run?.access, {
      capability: 'process.run',
      argv: ['node', 'a b'],
      executable: run?.target.split(' ')[0] ?? '',
    });
  });

  test('an edit is one question and leaves the rest of the file as it was', async () => {
    bench.answer = allowOnce;
    const path = join(root, 'crlf.txt');
    writeFileSync(path, '\ufeffone\r\ntwo “one”\r\n');
    const { text, ok, capability, decision } = await bench.call('edit_file', {
      path: 'crlf.txt',
      find: 'one',
      replace: 'three',
    });
    assert.deepEqual(
      [text, ok, capability, decision],
      ['replaced 2 occurrences', true, 'fs.write', 'allowed-once'],
    );
    assert.equal(readFileSync(path, 'utf8'), '\ufeffthree\r\ntwo “three”\r\n');
    assert.equal(bench.asked.length, 1);
    await bench.call('edit_file', { path: 'crlf.txt', find: 'three', replace: 'four' });
    assert.equal(bench.asked.length, 2, 'once is this tool call and no other');
  });

  test('an answer for the run is not asked for again', async () => {
    bench.answer = { kind: 'allow', lifetime: 'run', scope: 'src' };
    assert.equal((await bench.call('read_file', { path: 'src/tax.ts' })).decision, 'allowed-run');
    assert.equal((await bench.call('read_file', { path: 'src/money.ts' })).decision, 'granted');
    assert.equal(bench.asked.length, 1);
    assert.equal(
      (await bench.call('read_file', { path: 'README.md' })).decision,
      'denied',
      'src is not the root',
    );
  });

  const bad: readonly [string, string, Record<string, string>, RegExp][] = [
    ['an unknown tool', 'delete_all', {}, /^error: there is no tool delete_all$/],
    ['a missing argument', 'read_file', {}, /^error: read_file needs path$/],
    ['an argument too many', 'search', { query: 'x', path: 'y' }, /^error: search takes query and no path$/],
    [
      'an argument of another type',
      'search',
      { query: 1 as unknown as string },
      /^error: query .* must be a text$/,
    ],
    [
      'an inherited argument',
      'search',
      Object.create({ query: 'x' }) as Record<string, string>,
      /needs query$/,
    ],
    ['a file that does not exist', 'read_file', { path: 'nope.ts' }, /^error: nope\.ts does not exist$/],
    ['a folder that does not exist', 'list_dir', { path: 'nope' }, /^error: nope does not exist$/],
    ['a folder read as a file', 'read_file', { path: 'src' }, /^error: src is a folder$/],
    ['a file listed as a folder', 'list_dir', { path: 'README.md' }, /^error: README\.md is not a folder$/],
    [
      'a path above the root',
      'read_file',
      { path: '../outside/secret.txt' },
      /^error: .* is outside the workspace$/,
    ],
    [
      'an absolute path elsewhere',
      'read_file',
      { path: '/etc/passwd' },
      /^error: .* is outside the workspace$/,
    ],
    ['a path with a NUL', 'read_file', { path: 'src/tax.ts\0.png' }, /^error: .*NUL/],
    [
      'a write above the root',
      'edit_file',
      { path: '../x', find: 'a', replace: 'b' },
      /outside the workspace$/,
    ],
    ['an empty command', 'run', { command: '  ' }, /^error: /],
    ['a command with a pipe', 'run', { command: 'ls | rm -rf /' }, /^error: .*no shell/],
    [
      'a program that does not exist',
      'run',
      { command: 'no-such-program-here' },
      /^error: .*no-such-program-here/,
    ],
  ];
  for (const [name, tool, given, message] of bad) {
    test(`${name} is told to the model, and nobody is asked`, async () => {
      const { text, ok, capability, decision } = await bench.call(tool, given);
      assert.match(text, message);
      assert.ok(!text.includes('\n'));
      assert.deepEqual([ok, capability, decision], [false, null, 'none']);
      assert.equal(bench.asked.length, 0);
    });
  }

  test('a link that leaves the workspace is refused, and nobody is asked', async () => {
    symlinkSync(join(outside, 'secret.txt'), join(root, 'link.txt'));
    symlinkSync(outside, join(root, 'linked'));
    grant('.', 'fs.write');
    for (const [tool, path] of [
      ['read_file', 'link.txt'],
      ['read_file', 'linked/secret.txt'],
      ['list_dir', 'linked'],
    ] as const) {
      const { text, ok } = await bench.call(tool, { path });
      assert.deepEqual([text, ok], [`error: ${path} is outside the workspace`, false]);
    }
    const edit = await bench.call('edit_file', { path: 'link.txt', find: 'secret', replace: 'x' });
    assert.equal(edit.text, 'error: link.txt is outside the workspace');
    assert.equal(readFileSync(join(outside, 'secret.txt'), 'utf8'), 'secret\n');
    assert.equal((await bench.call('search', { query: 'secret' })).text, 'no matches');
  });

  test('what is no text of a modest size is refused by name', async () => {
    grant('.');
    writeFileSync(join(root, 'binary.dat'), Buffer.from([1, 0, 2, 0]));
    writeFileSync(join(root, 'latin.txt'), Buffer.from([0x63, 0x61, 0x66, 0xe9]));
    writeFileSync(join(root, 'huge.log'), '');
    truncateSync(join(root, 'huge.log'), 2 ** 30);
    for (const path of ['binary.dat', 'latin.txt', 'huge.log']) {
      const start = performance.now();
      const { text, ok } = await bench.call('read_file', { path });
      assert.match(text, new RegExp(`^error: ${path.replace('.', '\\.')} [^\\n]+$`));
      assert.equal(ok, false);
      assert.ok(performance.now() - start < 2000);
    }
  });

  posixTest('a pipe in the workspace is refused and does not hold the call', async () => {
    grant('.');
    execFileSync('mkfifo', [join(root, 'pipe')]);
    assert.match((await bench.call('read_file', { path: 'pipe' })).text, /^error: pipe /);
    assert.equal((await bench.call('search', { query: 'parseEntries' })).ok, true);
  });

  test('a file that changes between reading and writing is not overwritten', async () => {
    const path = join(root, 'busy.txt');
    writeFileSync(path, 'one');
    let asked = 0;
    bench.answer = (request) => {
      asked += 1;
      // The person saves the file in the editor, then allows the edit.
      writeFileSync(path, 'one, and more');
      return allowOnce(request);
    };
    const { text } = await bench.call('edit_file', { path: 'busy.txt', find: 'one', replace: 'two' });
    assert.equal(asked, 1);
    assert.equal(text, 'replaced 1 occurrence', 'what was read after the answer is what is changed');
    assert.equal(readFileSync(path, 'utf8'), 'two, and more');
  });

  test('a file swapped for a link while the person thinks is not followed', async () => {
    const path = join(root, 'swapped.txt');
    writeFileSync(path, 'harmless');
    bench.answer = (request) => {
      rmSync(path);
      symlinkSync(join(outside, 'secret.txt'), path);
      return allowOnce(request);
    };
    const { text } = await bench.call('read_file', { path: 'swapped.txt' });
    assert.match(text, /^error: swapped\.txt /);
    assert.ok(!text.includes('secret'));
  });

  test('a folder swapped for a link while the person thinks is not followed', async () => {
    mkdirSync(join(root, 'notes'));
    writeFileSync(join(root, 'notes/secret.txt'), 'harmless');
    bench.answer = (request) => {
      rmSync(join(root, 'notes'), { recursive: true });
      symlinkSync(outside, join(root, 'notes'));
      return allowOnce(request);
    };
    const read = await bench.call('read_file', { path: 'notes/secret.txt' });
    assert.match(read.text, /^error: /);
    assert.ok(!read.text.includes('1: secret'));
  });

  test('a command runs in the workspace, and its output and status are told', async () => {
    writeFileSync(join(root, 'say.cjs'), 'console.log(process.cwd()); process.exit(3);');
    grant('node say.cjs', 'process.run');
    const { text, ok, capability, decision } = await bench.call('run', { command: 'node say.cjs' });
    assert.equal(text, `${root}\nexit 3`);
    assert.deepEqual([ok, capability, decision], [true, 'process.run', 'granted']);
  });

  test('revoking a grant stops the call that uses it, and tells the model', async () => {
    const id = grant('node *', 'process.run');
    writeFileSync(
      join(root, 'wait.cjs'),
      'setInterval(() => {}, 1000); require("fs").writeFileSync("up", "");',
    );
    const call = bench.call('run', { command: 'node wait.cjs' });
    while (!readdirSync(root).includes('up')) await new Promise((resolve) => setTimeout(resolve, 10));
    const start = performance.now();
    bench.broker.revoke(id);
    const { text, ok, capability, decision } = await call;
    assert.ok(performance.now() - start < 200);
    assert.equal(text, 'denied: no grant for process.run');
    assert.deepEqual([ok, capability, decision], [false, 'process.run', 'denied']);
  });

  test('revoking another grant stops nothing', async () => {
    grant('.');
    const id = grant('src', 'fs.write');
    const call = bench.call('search', { query: 'money' });
    bench.broker.revoke(id);
    assert.equal((await call).ok, true);
  });

  test('a stopped agent takes its call and its question back', async () => {
    const controller = new AbortController();
    let taken = false;
    bench.answer = (_, signal) =>
      new Promise((__, reject) =>
        signal.addEventListener('abort', () => {
          taken = true;
          reject(new Error('taken back'));
        }),
      );
    const call = bench.call('read_file', { path: 'src/tax.ts' }, { signal: controller.signal });
    while (bench.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const start = performance.now();
    controller.abort();
    await assert.rejects(call, { code: 'cancelled' });
    assert.ok(performance.now() - start < 100);
    assert.equal(taken, true);
    bench.answer = allowOnce;
    assert.equal((await bench.call('read_file', { path: 'src/tax.ts' })).ok, true);
  });

  test('calls of several agents run at once, each with its own rights', async () => {
    for (const pid of [1, 2, 3]) grant('.', 'fs.read', pid);
    const calls = [1, 2, 3, 4].map((pid) => bench.call('search', { query: 'parseEntries' }, { pid }));
    const outcomes = await Promise.all(calls);
    assert.deepEqual(
      outcomes.map(({ decision }) => decision),
      ['granted', 'granted', 'granted', 'denied'],
    );
  });

  test('a result keeps to what the agent can afford', async () => {
    grant('.');
    writeFileSync(join(root, 'long.txt'), 'größer 😀 word\n'.repeat(5000));
    for (const resultBytes of [300, 1000, 5000]) {
      for (const [tool, given] of [
        ['read_file', { path: 'long.txt' }],
        ['search', { query: 'größer' }],
      ] as const) {
        const { text, ok } = await bench.call(tool, given, { resultBytes });
        assert.equal(ok, true, text);
        assert.ok(
          Buffer.byteLength(text) <= resultBytes,
          `${tool} took ${Buffer.byteLength(text)} of ${resultBytes}`,
        );
        assert.ok(!text.includes('\ufffd'));
      }
    }
  });

  test('a workspace that is gone is told and not thrown', async () => {
    grant('.');
    rmSync(root, { recursive: true });
    assert.match((await bench.call('search', { query: 'x' })).text, /^error: .* does not exist$/);
  });

  test('a hostile tool is stopped within its limits while two others go on', async () => {
    const tools = join(folder, 'tools');
    cpSync(toolsDir, tools, { recursive: true });
    const limits = { ...sandboxLimits, deadlineMs: 500, startMs: 3000 };
    for (const module of [
      'endlessLoop',
      'endlessStart',
      'memoryBomb',
      'allocationBomb',
      'hugeOutput',
      'swallowedRefusals',
    ]) {
      copyFileSync(join(hostileDir, `${module}.wasm`), join(tools, 'list_dir/list_dir.wasm'));
      await using trapped = await createBench(tools, limits);
      for (const pid of [1, 2, 3]) {
        trapped.broker.grant({ capability: 'fs.read', scope: '.' }, { pid, lifetime: 'run' });
      }
      const start = performance.now();
      const hostile = trapped.call('list_dir', { path: '.' }, { pid: 3 });
      const [found, read] = await Promise.all([
        trapped.call('search', { query: 'parseEntries' }),
        trapped.call('read_file', { path: 'src/tax.ts' }, { pid: 2 }),
      ]);
      assert.deepEqual([found.ok, read.ok], [true, true]);
      const { text, ok } = await hostile;
      assert.ok(performance.now() - start < 5000);
      // What asks for more memory than there is, is refused it and goes on.
      if (module === 'memoryBomb') continue;
      assert.match(text, /^error: list_dir was stopped: /);
      assert.equal(ok, false);
      assert.match(trapped.logged.join('\n'), /list_dir, called by agent 3, was stopped/);
    }
  }).timeout(60_000);

  const broken: readonly [string, (tools: string) => void, RegExp][] = [
    ['without a module', (tools) => rmSync(join(tools, 'run/run.wasm')), /the tool run cannot be used: /],
    [
      'whose module imports what its manifest does not name',
      (tools) => copyFileSync(join(hostileDir, 'unofferedRight.wasm'), join(tools, 'search/search.wasm')),
      /the tool search cannot be used: it imports .*process_run/,
    ],
    [
      'with a manifest that is no JSON',
      (tools) => writeFileSync(join(tools, 'search/tool.json'), '{'),
      /the tool search cannot be used: /,
    ],
    [
      'with an unknown capability',
      (tools) => writeFileSync(join(tools, 'search/tool.json'), '{"name":"search","capabilities":["net"]}'),
      /the tool search cannot be used: tool\.json/,
    ],
  ];
  for (const [name, damage, message] of broken) {
    test(`a tool ${name} is refused at boot`, async () => {
      const tools = join(folder, 'tools');
      cpSync(toolsDir, tools, { recursive: true });
      damage(tools);
      await assert.rejects(createBench(tools), { code: 'badRequest', message });
    });
  }
}).timeout(20_000);
