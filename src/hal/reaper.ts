/**
 * Entry point of the reaper: a small process that starts one command and outlives its kernel by a moment. When its
 * channel closes, because the command was cancelled, ran out of time or the kernel died in whatever way, it ends the
 * command and all that came of it. It starts nothing unasked and leaves nothing running.
 *
 * It must never touch its own standard output: the command writes both its streams straight to it, so that their
 * lines stay in order, and a Node stream on it would make it non-blocking for the command as well.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { endTree } from './processTree.js';
import type { ReaperReport, StartRequest } from './reaperProtocol.js';

const output = 1;

let ending: Promise<void> | undefined;

/** Both ways lead here: the command has ended, or it is to end. */
function end(child: ChildProcess, mark: string): Promise<void> {
  ending ??= child.pid === undefined ? Promise.resolve() : endTree({ leader: child.pid, mark });
  return ending;
}

/** Resolves when it is sent, or when nobody is there any more. */
function report(message: ReaperReport): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, () => resolve());
  });
}

function start({ file, argv, cwd, env, mark, verbatim }: StartRequest): ChildProcess {
  const [argv0 = file, ...rest] = argv;
  const child = spawn(file, rest, {
    argv0,
    cwd,
    env: { ...env },
    detached: process.platform !== 'win32',
    stdio: ['ignore', output, output],
    windowsHide: true,
    windowsVerbatimArguments: verbatim,
  });
  child.once('spawn', () => void report({ kind: 'started', osPid: child.pid ?? 0 }));
  child.once('error', (error: NodeJS.ErrnoException) => {
    if (child.pid === undefined) void fail(error);
  });
  child.once('exit', (code, signal) => {
    void report({ kind: 'ended', code, signal })
      .then(() => end(child, mark))
      .then(() => process.exit());
  });
  return child;
}

async function fail(error: NodeJS.ErrnoException): Promise<void> {
  await report({ kind: 'failed', errno: error.code, message: error.message });
  process.exit();
}

process.once('message', (request: StartRequest) => {
  try {
    const child = start(request);
    process.off('disconnect', leave);
    process.once('disconnect', () => void end(child, request.mark).then(leave));
  } catch (error) {
    // What cannot even be tried, such as an argument that no system can pass on.
    void fail(error as NodeJS.ErrnoException);
  }
});

const leave = (): void => process.exit();
process.once('disconnect', leave);

// Signals meant for the kernel's terminal are not for the one who cleans up after it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
