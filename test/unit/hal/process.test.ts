// Commands on the real system: how they end, what they see, and that nothing of them outlives its time, its caller
// or its kernel. The commands are small Node programs, and shell scripts where a process tree is needed.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createDisk, type Workspace } from '../../../src/hal/disk.js';
import { createProcesses, type CommandResult, type Processes } from '../../../src/hal/process.js';
import { listProcesses, until } from '../../support/processes.js';

const hal = new URL('../../../src/hal/', import.meta.url);
const reaperPath = fileURLToPath(new URL('reaper.js', hal));
const onPosix = process.platform === 'win32' ? test.skip : test;
const onLinux = process.platform === 'linux' ? test : test.skip;

suite('processes', function () {
  // Each command starts programs, on a machine that may be busy.
  this.timeout(30_000);

  let root: string;
  let workspace: Workspace;
  let processes: Processes;
  const environment = {
    ...process.env,
    SECRET_TOKEN: 'hunter2',
    NODE_OPTIONS: '--no-warnings',
    ELECTRON_RUN_AS_NODE: '1',
    LC_ALL: 'C',
  };

  suiteSetup(() => {
    processes = createProcesses({ reaperPath, environment });
  });

  suiteTeardown(() => processes[Symbol.asyncDispose]());

  setup(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'process-')));
    workspace = await createDisk().openWorkspace(root);
  });

  teardown(() => rm(root, { recursive: true, force: true }));

  interface Options {
    readonly timeoutMs?: number;
    readonly outputBytes?: number;
    readonly signal?: AbortSignal;
  }

  async function run(argv: readonly string[], options: Options = {}): Promise<CommandResult> {
    const { timeoutMs = 20_000, outputBytes = 64 * 1024, signal = new AbortController().signal } = options;
    const executable = await processes.resolve(argv[0] ?? '', workspace);
    return await processes.run({ executable, argv, cwd: root, timeoutMs, outputBytes }, signal);
  }

  const node = (code: string, options?: Options): Promise<CommandResult> =>
    run([process.execPath, '-e', code], options);
  const shell = (code: string, options?: Options): Promise<CommandResult> => run(['sh', '-c', code], options);
  const textOf = ({ output }: CommandResult): string => Buffer.from(output).toString();

  /** Pids that a command wrote into a file, as soon as there are so many. */
  async function pidsIn(file: string, count: number): Promise<number[]> {
    let pids: number[] = [];
    await until(`${count} pids in ${file}`, async () => {
      const text = await readFile(join(root, file), 'utf8').catch(() => '');
      pids = text.trim().split('\n').filter(Boolean).map(Number);
      return pids.length >= count;
    });
    return pids;
  }

  /** Which of them run. One that has ended and was not collected by its parent does not. */
  async function runningOf(pids: readonly number[]): Promise<number[]> {
    const all = await listProcesses();
    return all.map(({ pid }) => pid).filter((pid) => pids.includes(pid));
  }

  suite('ends', () => {
    test('with its exit status', async () => {
      assert.deepEqual((await node('')).exit, { kind: 'code', code: 0 });
      assert.deepEqual((await node('process.exitCode = 3')).exit, { kind: 'code', code: 3 });
      assert.deepEqual((await node('process.exitCode = 255')).exit, { kind: 'code', code: 255 });
    });

    onPosix('with the signal that ended it', async () => {
      assert.deepEqual((await shell('kill -KILL $$')).exit, { kind: 'signal', signal: 'SIGKILL' });
      assert.deepEqual((await shell('kill -SEGV $$')).exit, { kind: 'signal', signal: 'SIGSEGV' });
    });

    test('by its time limit, with what it had printed', async () => {
      const result = await node("console.log('begun'); setInterval(() => {}, 1000)", { timeoutMs: 4_000 });
      assert.deepEqual(result.exit, { kind: 'timeout' });
      assert.equal(textOf(result), 'begun\n');
    });

    onPosix('by its time limit together with its grandchildren', async () => {
      const running = shell('(sh -c "echo \\$\\$ >> pids; sleep 600" & sleep 600 & echo $! >> pids; wait)', {
        timeoutMs: 1_500,
      });
      const pids = await pidsIn('pids', 2);
      assert.deepEqual((await running).exit, { kind: 'timeout' });
      assert.deepEqual(await runningOf(pids), []);
    });

    onLinux('together with those who left its group and lost their parents', async () => {
      const running = shell('setsid sh -c "(setsid sh -c \'echo \\$\\$ > pids; sleep 600\' &)"; sleep 600', {
        timeoutMs: 1_500,
      });
      const pids = await pidsIn('pids', 1);
      assert.deepEqual((await running).exit, { kind: 'timeout' });
      assert.deepEqual(await runningOf(pids), []);
    });

    onPosix('by force when it does not listen', async () => {
      const result = await shell("trap '' TERM INT HUP; echo $$ > pids; while :; do sleep 600; done", {
        timeoutMs: 1_000,
      });
      assert.deepEqual(result.exit, { kind: 'timeout' });
      assert.deepEqual(await runningOf(await pidsIn('pids', 1)), []);
    });

    onPosix('with nothing left behind in the background', async () => {
      const result = await shell('sleep 600 & echo $! > pids; echo done');
      assert.deepEqual(result.exit, { kind: 'code', code: 0 });
      assert.equal(textOf(result), 'done\n');
      assert.deepEqual(await runningOf(await pidsIn('pids', 1)), []);
    });

    onPosix('politely: it may tidy up when its time is over', async () => {
      const result = await shell("trap 'echo tidied; exit 0' TERM; sleep 600 & wait", { timeoutMs: 1_000 });
      assert.deepEqual(result.exit, { kind: 'timeout' });
      assert.equal(textOf(result), 'tidied\n');
    });
  });

  suite('cancelled', () => {
    test('before it starts, it never starts', async () => {
      await assert.rejects(node("require('fs').writeFileSync('ran', '')", { signal: AbortSignal.abort() }), {
        code: 'cancelled',
      });
      await assert.rejects(readFile(join(root, 'ran')), { code: 'ENOENT' });
    });

    test('while it runs, it is gone when the call rejects', async () => {
      const controller = new AbortController();
      const running = node(
        "require('fs').writeFileSync('pids', String(process.pid)); setInterval(() => {}, 1e6)",
        {
          signal: controller.signal,
        },
      );
      const pids = await pidsIn('pids', 1);
      const start = performance.now();
      controller.abort();
      await assert.rejects(running, { code: 'cancelled' });
      assert.ok(performance.now() - start < 2_000);
      assert.deepEqual(await runningOf(pids), []);
    });

    test('at any moment of its start, it is gone when the call rejects', async () => {
      for (const afterMs of [0, 1, 5, 20, 60]) {
        const controller = new AbortController();
        const running = node(
          "require('fs').writeFileSync('pids', String(process.pid)); setInterval(() => {}, 1e6)",
          {
            signal: controller.signal,
          },
        );
        setTimeout(() => controller.abort(), afterMs);
        await assert.rejects(running, { code: 'cancelled' });
        const pid = Number(await readFile(join(root, 'pids'), 'utf8').catch(() => '0'));
        assert.deepEqual(await runningOf([pid]), []);
      }
    });
  });

  suite('output', () => {
    onPosix('of both streams keeps its order', async () => {
      const result = await shell('for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done');
      const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => `out ${i}\nerr ${i}\n`).join('');
      assert.equal(textOf(result), expected);
      assert.equal(result.truncatedBytes, 0);
    });

    test('beyond the limit keeps its beginning and its end, in bounded memory', async () => {
      const before = process.memoryUsage().arrayBuffers;
      let peak = 0;
      const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().arrayBuffers)), 5);
      const code = `
        const line = 'x'.repeat(1023) + '\\n';
        const write = (n) => { while (n-- > 0) if (!process.stdout.write(line)) return process.stdout.once('drain', () => write(n)); console.log('last'); };
        console.log('first');
        write(50_000);`;
      const result = await node(code, { outputBytes: 8192 });
      clearInterval(watch);
      assert.deepEqual(result.exit, { kind: 'code', code: 0 });
      const text = textOf(result);
      const gap = `... ${result.truncatedBytes} bytes left out\n`;
      assert.ok(text.startsWith('first\n') && text.includes(`\n${gap}`) && text.endsWith('\nlast\n'));
      assert.equal(text.length - gap.length + result.truncatedBytes, 50_000 * 1024 + 'first\nlast\n'.length);
      assert.ok(text.length <= 8192 + gap.length);
      assert.ok(peak - before < 40e6, `${(peak - before) / 1e6} MB`);
    });

    onPosix('is a blocking file for the command, as a terminal would be', async () => {
      const code = "for (let i = 0; i < 200; i++) require('fs').writeSync(1, 'x'.repeat(65536))";
      const result = await node(code, { outputBytes: 1000 });
      assert.deepEqual(result.exit, { kind: 'code', code: 0 });
      assert.ok(result.truncatedBytes > 200 * 65536 - 1100);
    });
  });

  suite('sees', () => {
    test('an environment without secrets and without what belongs to the kernel', async () => {
      const { PATH, ...rest } = JSON.parse(
        textOf(await node('console.log(JSON.stringify(process.env))')),
      ) as Record<string, string>;
      assert.equal(PATH ?? rest['Path'], process.env['PATH']);
      assert.equal(rest['TERM'], 'dumb');
      assert.equal(rest['NO_COLOR'], '1');
      assert.equal(rest['LC_ALL'], 'C');
      const names = Object.keys(rest);
      const hidden = ['SECRET_TOKEN', 'NODE_OPTIONS', 'ELECTRON_RUN_AS_NODE', 'NODE_CHANNEL_FD'];
      assert.deepEqual(
        names.filter((name) => hidden.includes(name)),
        [],
      );
    });

    test('its folder, and its words as they are', async () => {
      const words = ['a b', '$HOME', '`id`', '; exit 1', '"', "'", '*', '', 'ü\n'];
      const code = 'console.log(JSON.stringify([process.cwd(), ...process.argv.slice(1)]))';
      const result = await run([process.execPath, '-e', code, '--', ...words]);
      assert.deepEqual(JSON.parse(textOf(result)), [root, ...words]);
    });

    test('an input that is at its end', async () => {
      const code = "process.stdin.on('data', () => {}).on('end', () => console.log('end'))";
      assert.equal(textOf(await node(code)), 'end\n');
    });

    onLinux('no file of the kernel or the reaper', async () => {
      const ofParent = await import('node:fs').then(({ readdirSync }) => readdirSync('/proc/self/fd'));
      assert.ok(ofParent.length > 3);
      const code =
        "console.log(require('fs').readdirSync('/proc/self/fd').map((fd) => { try { return require('fs').readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }).filter((name) => name.startsWith('socket:')).length)";
      // Only its output, twice.
      assert.equal(textOf(await node(code)), '2\n');
    });

    onPosix('the name that it was called by, as programs with many names need', async () => {
      const bin = await realpath(await mkdtemp(join(tmpdir(), 'bin-')));
      await symlink('/bin/sh', join(bin, 'called'));
      const own = createProcesses({ reaperPath, environment: { PATH: bin } });
      const executable = await own.resolve('called', workspace);
      assert.deepEqual(executable, { path: join(bin, 'called'), real: await realpath('/bin/sh') });
      const argv = ['called', '-c', 'echo $0'];
      const command = { executable, argv, cwd: root, timeoutMs: 20_000, outputBytes: 100 };
      assert.equal(textOf(await own.run(command, new AbortController().signal)), 'called\n');
      await own[Symbol.asyncDispose]();
      await rm(bin, { recursive: true });
    });
  });

  suite('the program', () => {
    const script = async (path: string, text: string, mode = 0o755): Promise<void> => {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
      await chmod(join(root, path), mode);
    };

    test('is told by its real path', async () => {
      const { path, real } = await processes.resolve(process.execPath, workspace);
      assert.deepEqual([path, real], [process.execPath, await realpath(process.execPath)]);
    });

    test('that is nowhere is not found', async () => {
      await assert.rejects(processes.resolve('no-such-program', workspace), {
        code: 'notFound',
        message: 'no-such-program not found',
      });
      await assert.rejects(processes.resolve('./missing', workspace), { code: 'notFound' });
      await assert.rejects(processes.resolve('', workspace), { code: 'badRequest' });
      await assert.rejects(processes.resolve('a\0b', workspace), { code: 'badRequest' });
    });

    onPosix('may lie in the workspace when it is named by a path', async () => {
      await script('bin/hello', '#!/bin/sh\necho hello $1\n');
      assert.equal(textOf(await run(['bin/hello', 'you'])), 'hello you\n');
      assert.equal(textOf(await run([join(root, 'bin', 'hello')])), 'hello\n');
    });

    onPosix('may not lie outside by a relative path, nor behind a link that leaves', async () => {
      await symlink('/bin', join(root, 'bin'));
      for (const word of ['../x', 'bin/sh']) {
        await assert.rejects(processes.resolve(word, workspace), {
          code: 'badRequest',
          message: `${word} is outside the workspace`,
        });
      }
    });

    onPosix('is never taken from the workspace by its name alone', async () => {
      await script('true', '#!/bin/sh\necho planted\n');
      for (const path of [root, '', '.', `${root}/.`]) {
        const planted = createProcesses({
          reaperPath,
          environment: { PATH: [path, process.env['PATH']].join(delimiter) },
        });
        const { real } = await planted.resolve('true', workspace);
        assert.ok(!real.startsWith(root), real);
        await planted[Symbol.asyncDispose]();
      }
    });

    onPosix('that cannot be executed is none', async () => {
      await script('plain', '#!/bin/sh\n', 0o644);
      await mkdir(join(root, 'folder'));
      for (const word of ['./plain', './folder']) {
        await assert.rejects(processes.resolve(word, workspace), {
          code: 'notFound',
          message: `${word} is not a program`,
        });
      }
    });

    onPosix('that was exchanged after it was shown is not started', async () => {
      await symlink(process.execPath, join(root, 'program'));
      const executable = { path: join(root, 'program'), real: '/bin/other' };
      const command = { executable, argv: ['program'], cwd: root, timeoutMs: 1_000, outputBytes: 100 };
      await assert.rejects(processes.run(command, new AbortController().signal), {
        code: 'badRequest',
        message: 'program is no longer /bin/other',
      });
    });

    onPosix('that the system cannot start is a typed failure', async () => {
      await script('nothing', '#!/no/such/interpreter\n');
      await assert.rejects(run(['./nothing']), {
        code: 'badRequest',
        message: './nothing cannot start: its interpreter or the working folder is missing',
      });
      await assert.rejects(run(['sh', '-c', 'x'.repeat(4e6)]), {
        code: 'badRequest',
        message: 'sh cannot start: its arguments are too long',
      });
    });

    onPosix('may fail to start and others still run', async () => {
      await script('nothing', '#!/no/such/interpreter\n');
      const results = await Promise.allSettled([
        ...[1, 2, 3].map((code) => shell(`exit ${code}`)),
        run(['./nothing']),
      ]);
      assert.deepEqual(
        results.map((each) => (each.status === 'fulfilled' ? each.value.exit : 'failed')),
        [{ kind: 'code', code: 1 }, { kind: 'code', code: 2 }, { kind: 'code', code: 3 }, 'failed'],
      );
    });
  });

  suite('whatever dies', () => {
    const stubborn = `
      process.on('SIGTERM', () => {});
      require('fs').appendFileSync('pids', process.pid + '\\n');
      require('child_process').spawn('sh', ['-c', 'echo $$ >> pids; sleep 600'], { detached: true });
      setInterval(() => {}, 1e6);`;

    /** A process that uses commands as the kernel does. */
    const kernel = () => {
      const code = `
        import { createProcesses } from ${JSON.stringify(new URL('process.js', hal).href)};
        import { createDisk } from ${JSON.stringify(new URL('disk.js', hal).href)};
        const workspace = await createDisk().openWorkspace('.');
        const processes = createProcesses({ reaperPath: ${JSON.stringify(reaperPath)} });
        const executable = await processes.resolve(process.execPath, workspace);
        const argv = ['node', '-e', ${JSON.stringify(stubborn)}];
        const command = { executable, argv, cwd: '.', timeoutMs: 600_000, outputBytes: 1000 };
        void processes.run(command, new AbortController().signal);`;
      return spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: root, stdio: 'inherit' });
    };

    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGINT'] as const) {
      onPosix(`a kernel ended by ${signal} leaves no command behind`, async () => {
        const child = kernel();
        const pids = await pidsIn('pids', 2);
        child.kill(signal);
        await once(child, 'exit');
        await until('the processes are gone', async () => (await runningOf(pids)).length === 0);
      });
    }

    onPosix('the end of the processes ends every command', async () => {
      const own = createProcesses({ reaperPath, environment });
      const executable = await own.resolve(process.execPath, workspace);
      const argv = ['node', '-e', stubborn];
      const command = { executable, argv, cwd: root, timeoutMs: 60_000, outputBytes: 1000 };
      const running = own.run(command, new AbortController().signal).catch((error: unknown) => error);
      const pids = await pidsIn('pids', 2);
      await own[Symbol.asyncDispose]();
      assert.deepEqual(await runningOf(pids), []);
      await running;
      await assert.rejects(own.run(command, new AbortController().signal), { code: 'cancelled' });
    });

    onLinux('a reaper that is killed itself takes the command with it, and says so', async () => {
      const running = node(stubborn).catch((error: unknown) => error);
      const pids = await pidsIn('pids', 2);
      const stat = await readFile(`/proc/${pids[0] ?? 0}/stat`, 'utf8');
      process.kill(Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]), 'SIGKILL');
      assert.equal(((await running) as { code: string }).code, 'peerGone');
      assert.deepEqual(await runningOf(pids), []);
      assert.deepEqual((await node('')).exit, { kind: 'code', code: 0 });
    });

    test('an idle one never keeps its process alive', async () => {
      const code = `
        import { createProcesses } from ${JSON.stringify(new URL('process.js', hal).href)};
        import { createDisk } from ${JSON.stringify(new URL('disk.js', hal).href)};
        const workspace = await createDisk().openWorkspace('.');
        const processes = createProcesses({ reaperPath: ${JSON.stringify(reaperPath)} });
        const executable = await processes.resolve(process.execPath, workspace);
        const command = { executable, argv: ['node', '-e', ''], cwd: '.', timeoutMs: 60_000, outputBytes: 100 };
        console.log((await processes.run(command, new AbortController().signal)).exit);`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: root });
      const [status] = (await Promise.race([once(child, 'exit'), sleep(20_000, ['still alive'])])) as [
        unknown,
      ];
      assert.equal(status, 0);
    });
  });
});
