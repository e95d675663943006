// `amk run` as a whole, in this process: real command line, real client, a scripted fake kernel, and a terminal whose
// person is the test. Exit status, stdout and stderr are what is promised to scripts.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { parseCommandLine } from '../../../src/cli/commandLine.js';
import type { KeyInput } from '../../../src/cli/keyboard.js';
import { run, type RunHost } from '../../../src/cli/run.js';
import { plainStyle } from '../../../src/cli/style.js';
import { KernelError } from '../../../src/shared/errors.js';
import { fakeKernelPath, shortLimits, type FakeKernel } from '../client/fakeKernel.js';

interface Document {
  agents: {
    pid: number;
    state: string;
    answer: string;
    error: { code: string } | null;
    toolCalls: object[];
  }[];
  kernel: { driver: string; model: string; peakRssBytes: number; ms: { boot: number; total: number } };
  error?: { code: string };
}

/** A terminal whose person watches what is drawn and presses keys. */
class Terminal extends EventEmitter implements KeyInput {
  columns = 100;
  rows = 24;
  text = '';
  write(text: string): void {
    this.text += text;
  }
  setRawMode = (): void => undefined;
  resume = (): void => undefined;
  pause = (): void => undefined;

  async pressWhen(shown: RegExp, key: string): Promise<void> {
    for (let tries = 0; !shown.test(this.text); tries++) {
      assert.ok(tries < 500, `${shown.source} did not appear in: ${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    // A new question does not listen at once.
    await new Promise((resolve) => setTimeout(resolve, 200));
    this.text = '';
    this.emit('data', key);
  }
}

interface Setup {
  kernel?: FakeKernel;
  terminal?: Terminal;
  isResultShown?: boolean;
}

/** Runs `amk run …` on a fake kernel; `interrupt` is ctrl-c from outside. */
function start(argv: string[], { kernel = 'wellBehaved', terminal, isResultShown = false }: Setup = {}) {
  const out = { result: '', progress: '', exits: [] as number[], interrupt: (): void => undefined };
  const command = parseCommandLine(['run', ...argv], '/code');
  assert.ok(command.kind === 'run');
  const host: RunHost = {
    kernelPath: fakeKernelPath(kernel),
    kernelOptions: { limits: shortLimits },
    readText: () => Promise.reject(new Error('no files here')),
    realFolder: (path) =>
      path === '/code'
        ? Promise.resolve('/real/code')
        : Promise.reject(new KernelError('badRequest', `workspace ${path} does not exist`)),
    writeResult: (text) => {
      out.result += text;
      return Promise.resolve();
    },
    writeProgress: (text) => (terminal ? terminal.write(text) : (out.progress += text)),
    terminal: terminal && { input: terminal, output: terminal, style: plainStyle },
    isResultShown,
    onInterrupt: (listener) => {
      out.interrupt = listener;
      return { dispose: () => undefined };
    },
    exitNow: (status) => out.exits.push(status),
  };
  return Object.assign(out, { status: run(command, host) });
}

async function progressed(out: { readonly progress: string }, ...lines: readonly string[]): Promise<void> {
  for (let tries = 0; !lines.every((line) => out.progress.includes(line)); tries++) {
    assert.ok(tries < 1000, out.progress);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

suite('amk run', function () {
  this.timeout(20_000);
  this.slow(3_000);

  test('one task: the answer alone on stdout, everything else beside it', async () => {
    const out = start(['answer forty-two']);
    assert.equal(await out.status, 0);
    assert.equal(out.result, 'forty-two\n');
    assert.equal(
      out.progress,
      '[1] coder running: answer forty-two\n[1] coder answered\n' +
        'Answered by fake, the small embedded model; --model FILE chooses a better one (GGUF).\n',
    );
  });

  test('several tasks run as agents numbered in their order, all at once', async () => {
    const out = start(['--agent', 'scout', 'answer one', 'answer two', 'answer three', '--model', 'm.gguf']);
    assert.equal(await out.status, 0);
    assert.equal(
      out.result,
      '[1] scout: answer one\none\n\n[2] scout: answer two\ntwo\n\n[3] scout: answer three\nthree\n',
    );
    assert.doesNotMatch(out.progress, /embedded model/);
  });

  test('--json: exactly one document on stdout', async () => {
    const out = start(['--json', 'answer one', 'denied']);
    assert.equal(await out.status, 1);
    const { agents, kernel } = JSON.parse(out.result) as Document;
    assert.deepEqual(
      agents.map(({ pid, state, answer, toolCalls }) => [pid, state, answer, toolCalls.length]),
      [
        [1, 'answered', 'one', 0],
        [2, 'answered', 'I may not.', 1],
      ],
    );
    assert.equal(kernel.model, 'fake');
    assert.ok(kernel.peakRssBytes > 1_000_000);
    assert.ok(kernel.ms.boot > 0 && kernel.ms.total >= kernel.ms.boot);
  });

  test('without a terminal a question is refused and says which grant would do', async () => {
    const out = start(['read src/a b.ts']);
    assert.equal(await out.status, 1);
    assert.equal(out.result, 'refused: \n');
    assert.match(
      out.progress,
      /^coder \(1\) wants to read src\/a b\.ts \(\/real\/code\/src\/a b\.ts\): denied, no terminal to ask; give --grant 'fs\.read:src\/a b\.ts'$/m,
    );
    assert.match(out.progress, /^\[1\] read_file\(path: "src\/a b\.ts"\): denied fs\.read, 5 ms, failed$/m);
    assert.match(
      out.progress,
      /^amk: \[1\] coder answered without what it was denied: read_file \(fs\.read\)$/m,
    );
    // eslint-disable-next-line no-control-regex -- that there is none is what is checked
    assert.doesNotMatch(out.progress, /[\u0000-\u0009\u000b-\u001f]/);
  });

  test('an agent that fails is named with its reason', async () => {
    const out = start(['fail too many steps']);
    assert.equal(await out.status, 1);
    assert.equal(out.result, '');
    assert.match(out.progress, /^amk: \[1\] coder failed: too many steps$/m);
  });

  test('a kernel that crashes fails its agents, and the document stays whole', async () => {
    const out = start(['--json', 'answer one', 'sleep', 'die SIGSEGV']);
    assert.equal(await out.status, 1);
    const { agents } = JSON.parse(out.result) as Document;
    assert.deepEqual(
      agents.map(({ pid, state }) => [pid, state]),
      [
        [1, 'answered'],
        [2, 'failed'],
        [3, 'failed'],
      ],
    );
    assert.equal(agents[1]?.error?.code, 'kernelStopped');
    assert.match(out.progress, /^amk: \[2\] coder failed: the kernel process was killed by SIGSEGV$/m);
  });

  test('a kernel that does not start is exit status 3', async () => {
    const out = start(['--model', 'modelUnusable', 'answer one']);
    assert.equal(await out.status, 3);
    assert.equal(out.result, '');
    assert.equal(out.progress, 'amk: modelUnusable: as the test wished\n');
    const json = start(['--json', 'answer one'], { kernel: 'crashing' });
    assert.equal(await json.status, 3);
    const document = JSON.parse(json.result) as Document;
    assert.deepEqual([document.agents, document.error?.code], [[], 'kernelStopped']);
    assert.match(json.progress, /exited with code 1: Error: no engine in this build$/m);
  });

  test('a workspace or agents file that is not there is the user’s error', async () => {
    const isBadRequest = (error: unknown): boolean =>
      error instanceof KernelError && error.code === 'badRequest';
    await assert.rejects(start(['-w', '/nowhere', 'x']).status, isBadRequest);
    await assert.rejects(start(['--agents', 'team.json', 'x']).status, isBadRequest);
  });

  test('an interrupt stops the agents and reports what there is', async () => {
    const out = start(['answer one', 'sleep', 'sleep']);
    await progressed(out, '[1] coder answered', '[3] coder running');
    out.interrupt();
    assert.equal(await out.status, 130);
    assert.match(out.progress, /^stopping the agents; once more ends at once$/m);
    assert.match(out.progress, /^amk: \[3\] coder was stopped$/m);
    assert.match(out.result, /^\[1\] coder: answer one\none\n/);
    assert.deepEqual(out.exits, []);
  });

  test('a second interrupt ends the process', async () => {
    const out = start(['hang']);
    await progressed(out, '[1] coder running');
    out.interrupt();
    out.interrupt();
    assert.deepEqual(out.exits, [130]);
    await out.status;
  });

  test('an interrupt during the boot ends the run', async () => {
    const out = start(['--model', 'slow', 'answer one']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    out.interrupt();
    assert.equal(await out.status, 130);
    assert.equal(out.result, '');
  });

  test('in a terminal: a live table, a question, its answer', async () => {
    const terminal = new Terminal();
    const out = start(['read src/a.ts', 'answer two'], { terminal });
    await terminal.pressWhen(
      /coder \(1\) wants to read src\/a\.ts \(\/real\/code\/src\/a\.ts\)[^]*\[d\]eny\?/,
      'r',
    );
    await terminal.pressWhen(/for this run: \[1\] src\/a\.ts/, '3');
    assert.equal(await out.status, 0);
    assert.match(out.result, /read src\/a\.ts by src\n/);
    assert.match(terminal.text, /1 {2}coder {2}answered[^]*2 {2}coder {2}answered/);
    assert.ok(terminal.text.includes('\u001b[?25h'), 'the cursor is back');
    assert.equal(terminal.listenerCount('data'), 0);
  });

  test('in a terminal: ctrl-c is a key', async () => {
    const terminal = new Terminal();
    const out = start(['sleep'], { terminal });
    await terminal.pressWhen(/1 {2}coder {2}running/, '\u0003');
    assert.equal(await out.status, 130);
  });

  test('a terminal does not obey what a model wrote, a pipe gets it as it is', async () => {
    const task = 'answer a\u001b[2Jb';
    const shown = start([task], { isResultShown: true });
    assert.equal(await shown.status, 0);
    assert.equal(shown.result, 'a\\u{1b}[2Jb\n');
    const piped = start([task]);
    assert.equal(await piped.status, 0);
    assert.equal(piped.result, 'a\u001b[2Jb\n');
  });
});
