// `amk top`, `ps`, `stop` and the others as a whole, in this process: real command line, real socket, a kernel that is
// written in the test, and a terminal whose person is the test.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { parseCommandLine } from '../../../src/cli/commandLine.js';
import { steer, type ControlHost } from '../../../src/cli/control.js';
import type { KeyInput } from '../../../src/cli/keyboard.js';
import { ps } from '../../../src/cli/ps.js';
import { plainStyle } from '../../../src/cli/style.js';
import { top } from '../../../src/cli/top.js';
import { controlledKernel, type ControlledKernel } from '../kernel/controlledKernel.js';
import { rowOf } from '../extension/rows.js';

/** A terminal whose person watches what is drawn and presses keys. */
class Terminal extends EventEmitter implements KeyInput {
  columns = 100;
  rows = 12;
  text = '';
  /** `^` stands for the escape character. */
  write(text: string): void {
    this.text += text.replaceAll('\u001b', '^');
  }
  setRawMode = (): void => undefined;
  resume = (): void => undefined;
  pause = (): void => undefined;

  async pressWhen(shown: RegExp, ...keys: string[]): Promise<void> {
    for (let tries = 0; !shown.test(this.text); tries++) {
      assert.ok(tries < 500, `${shown.source} did not appear in: ${this.text}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.text = '';
    for (const key of keys) this.emit('data', key);
  }
}

suite('commands on a running kernel', () => {
  let kernel: ControlledKernel;
  setup(async () => {
    kernel = await controlledKernel();
  });
  teardown(() => kernel.dispose());

  const start = (argv: string[], { terminal, folders }: { terminal?: Terminal; folders?: string[] } = {}) => {
    const out = { result: '', progress: '', interrupt: (): void => undefined };
    const host: ControlHost = {
      kernelFolders: folders ?? [kernel.folder],
      writeResult: (text) => {
        out.result += text;
        return Promise.resolve();
      },
      writeProgress: (text) => (out.progress += text),
      page: { columns: 120, style: plainStyle },
      terminal: terminal && { input: terminal, output: terminal },
      onInterrupt: (listener) => {
        out.interrupt = listener;
        return { dispose: () => undefined };
      },
    };
    return Object.assign(out, { status: execute(argv, host) });
  };
  const execute = (argv: string[], host: ControlHost): Promise<number> => {
    const command = parseCommandLine(argv, '/');
    if (command.kind === 'top') return top(command, host);
    if (command.kind === 'ps') return ps(command, host);
    assert.ok('pids' in command);
    return steer(command, host);
  };

  test('ps lists the agents that live, under their kernel', async () => {
    const out = start(['ps']);
    assert.equal(await out.status, 0);
    assert.equal(
      out.result,
      `kernel ${process.pid} (cli)  tiny  cpu  /code
PID  AGENT  STATE    CLASS   NI  TOKENS      KV   WAIT  TASK
  1  scout  running  normal   0  100+10  1.0 kB  0.0 s  find it
  2  coder  paused   batch    0  100+10     0 B  0.0 s  find it  paused by you
`,
    );
  });

  test('ps --all has the ended ones as well, and says when there are none', async () => {
    const all = start(['ps', '--all']);
    await all.status;
    assert.match(all.result, /3 {2}old {4}answered/);
    kernel.rows.splice(0);
    const none = start(['ps']);
    await none.status;
    assert.match(none.result, /\nno agents\n$/);
  });

  test('ps --json has every kernel and not its token', async () => {
    const out = start(['ps', '--json']);
    await out.status;
    const { kernels } = JSON.parse(out.result) as { kernels: { pid: number; agents: { pid: number }[] }[] };
    assert.deepEqual(
      kernels.map(({ pid, agents }) => [pid, agents.map((agent) => agent.pid)]),
      [[process.pid, [1, 2]]],
    );
    assert.doesNotMatch(out.result, /[0-9a-f]{64}/);
  });

  test('a kernel that cannot be asked is named and hides no other', async () => {
    const other = await controlledKernel({
      handlers: {
        list: () => {
          throw new Error('broken');
        },
      },
    });
    const out = start(['ps'], { folders: [other.folder, kernel.folder] });
    assert.equal(await out.status, 1);
    assert.match(out.progress, /^amk: Error: broken/);
    assert.match(out.result, /scout/);
    await other.dispose();
  });

  for (const argv of [['ps'], ['top'], ['stop', '1'], ['renice', '1', '--nice', '1']]) {
    test(`without a kernel amk ${argv.join(' ')} says so`, async () => {
      await assert.rejects(start(argv, { folders: ['/no/such/folder'] }).status, {
        code: 'kernelStopped',
        message: 'no kernel is running; amk run and the editor start one',
      });
    });
  }

  test('a kernel that is not there is told from those that are', async () => {
    await assert.rejects(start(['ps', '--kernel', '1']).status, {
      code: 'kernelStopped',
      message: `there is no kernel 1; there are ${process.pid}`,
    });
    assert.equal(await start(['ps', '--kernel', String(process.pid)]).status, 0);
  });

  test('where several run, one must be chosen', async () => {
    const other = await controlledKernel();
    await assert.rejects(start(['stop', '1'], { folders: [kernel.folder, other.folder] }).status, {
      code: 'badRequest',
      message: new RegExp(
        `^choose one with --kernel PID: kernel ${process.pid} \\(cli\\) tiny cpu /code; kernel`,
      ),
    });
    assert.deepEqual(kernel.done, []);
    await other.dispose();
  });

  test('stop, pause, resume and renice reach the kernel, in the order of the agents', async () => {
    const commands = [
      'pause 1',
      'resume 2 1',
      'renice 1 2 --nice -5',
      'renice 2 --class interactive',
      'stop 1',
    ];
    for (const command of commands) {
      const out = start(command.split(' '));
      assert.deepEqual([await out.status, out.result, out.progress], [0, '', '']);
    }
    assert.deepEqual(kernel.done, [
      'pause 1',
      'resume 2',
      'resume 1',
      'renice {"pid":1,"nice":-5}',
      'renice {"pid":2,"nice":-5}',
      'renice {"pid":2,"class":"interactive"}',
      'stop 1',
    ]);
  });

  test('an agent that is not there does not keep the others from being told', async () => {
    const out = start(['pause', '8', '1', '9']);
    assert.equal(await out.status, 1);
    assert.equal(out.progress, 'amk: there is no agent with pid 8\namk: there is no agent with pid 9\n');
    assert.deepEqual(kernel.done.at(1), 'pause 1');
  });

  test('top prints once where there is no terminal, with rates', async () => {
    const out = start(['top', '--interval', '100']);
    setTimeout(() => (kernel.rows[0] = rowOf(1, { deviceMs: 600, generatedTokens: 20 })), 50);
    assert.equal(await out.status, 0);
    assert.match(
      out.result,
      /^kernel \d+ \(cli\) {2}tiny {2}cpu {2}up \d+ s {2}\/code\n2 agents, 1 ended {2}slots 1\/4/,
    );
    assert.match(out.result, /\n {2}1 {2}scout {2}running .* [1-9]\d* /);
    // eslint-disable-next-line no-control-regex -- control characters are what must not be there
    assert.doesNotMatch(out.result, /\u001b/);
  });

  test('top --once --json is one document', async () => {
    const out = start(['top', '--once', '--json', '--interval', '100'], { terminal: new Terminal() });
    assert.equal(await out.status, 0);
    const { agents } = JSON.parse(out.result) as { agents: { pid: number; deviceShare: number }[] };
    assert.deepEqual(
      agents.map(({ pid, deviceShare }) => [pid, deviceShare]),
      [
        [1, 0],
        [2, 0],
        [3, 0],
      ],
    );
  });

  test('top --json is a line a look until it is interrupted', async () => {
    const out = start(['top', '--json', '--interval', '100']);
    for (let tries = 0; out.result.split('\n').length < 3; tries++) {
      assert.ok(tries < 500);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    out.interrupt();
    assert.equal(await out.status, 130);
    for (const line of out.result.trim().split('\n')) assert.ok('kernel' in (JSON.parse(line) as object));
  });

  test('in a terminal top takes the screen, steers by keys and gives the screen back', async () => {
    const terminal = new Terminal();
    const out = start(['top', '--interval', '200'], { terminal });
    await terminal.pressWhen(/\^\[\?1049h[^]*> {2}1 {2}scout/, '\u001b[B', 'p');
    await terminal.pressWhen(/> {2}2 {2}coder {2}ready/, '+', '\u001b[19~', 'c');
    await terminal.pressWhen(/> {2}2 {2}coder {2}ready .*interactive {3}2/, 'k');
    await terminal.pressWhen(/Stop 2 coder\?/, 'y');
    await terminal.pressWhen(/2 {2}coder {2}stopped/, '\u001b[A', 'q');
    assert.equal(await out.status, 0);
    assert.ok(terminal.text.endsWith('^[?25h^[?1049l'), JSON.stringify(terminal.text));
    assert.equal(terminal.listenerCount('data') + terminal.listenerCount('resize'), 0);
    assert.deepEqual(kernel.done, [
      'resume 2',
      'renice {"pid":2,"nice":1}',
      'renice {"pid":2,"nice":2}',
      'renice {"pid":2,"class":"interactive"}',
      'stop 2',
    ]);
  });

  test('what the kernel refuses is in the last line', async () => {
    const terminal = new Terminal();
    const out = start(['top'], { terminal });
    await terminal.pressWhen(/> {2}1 {2}scout/);
    kernel.rows.shift();
    terminal.emit('data', 'p');
    await terminal.pressWhen(/there is no agent with pid 1/, '\u0003');
    assert.equal(await out.status, 0);
  });

  test('top redraws at once when the terminal changes its size', async () => {
    const terminal = new Terminal();
    const out = start(['top', '--interval', '60000'], { terminal });
    await terminal.pressWhen(/AGENT/);
    terminal.columns = 24;
    terminal.emit('resize');
    await terminal.pressWhen(/PID {2}STATE +TASK/, 'q');
    assert.equal(await out.status, 0);
  });

  test('when the kernel ends, top gives the screen back and says so', async () => {
    const terminal = new Terminal();
    const out = start(['top', '--interval', '60000'], { terminal });
    await terminal.pressWhen(/> {2}1 {2}scout/);
    kernel.socket.dispose();
    await assert.rejects(out.status, { code: 'kernelStopped', message: `kernel ${process.pid} has ended` });
    assert.ok(terminal.text.endsWith('^[?1049l'));
  });
});
