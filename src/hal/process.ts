/**
 * Running commands. Each is started by a reaper, a small process that ends it when this one is gone, so nothing an
 * agent started outlives the kernel. A command gets a working folder, a scrubbed environment, no input, a time limit
 * and a bounded output, and it has ended only when everything it started has ended. No shell is involved.
 */

import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { KernelError } from '../shared/errors.js';
import { BoundedOutput } from './boundedOutput.js';
import { commandEnvironment, invocationOf, isPathLike, programPaths } from './commandLine.js';
import { findExecutable, type Executable, type Workspace } from './disk.js';
import { endTree } from './processTree.js';
import type { ReaperReport, StartRequest } from './reaperProtocol.js';
import { pathRules, relativeTo } from './workspacePath.js';

export interface Command {
  readonly executable: Executable;
  /** The name it is called by, then its arguments. */
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly timeoutMs: number;
  readonly outputBytes: number;
}

export type CommandExit =
  | { readonly kind: 'code'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: string }
  | { readonly kind: 'timeout' };

export interface CommandResult {
  readonly exit: CommandExit;
  /** Both streams as they came. Where it is too long its middle is left out, which a line in it says. */
  readonly output: Uint8Array;
  readonly truncatedBytes: number;
}

export interface Processes extends AsyncDisposable {
  /**
   * The program that a command's first word names: a path inside the workspace, an absolute path, or a name in PATH.
   * @throws KernelError whose message a model can be told, when there is no such program.
   */
  resolve(word: string, workspace: Workspace): Promise<Executable>;
  /**
   * Runs a command to its end.
   * @throws KernelError `cancelled` when the signal ended it, `badRequest` when it could not be started.
   */
  run(command: Command, signal: AbortSignal): Promise<CommandResult>;
}

export interface ProcessesOptions {
  /** Bundle of `reaper.ts`. */
  readonly reaperPath: string;
  /** What a command's environment is taken from. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Beyond what a reaper takes to end the most stubborn command; then it is stuck itself. */
const reaperGraceMs = 5_000;
/** A process nobody could end may hold the output open; it is not waited for any longer than this. */
const outputGraceMs = 250;

/** The variable that carries a command's mark. */
const markVariable = 'AGENT_COMMAND_ID';

export function createProcesses(options: ProcessesOptions): Processes {
  const environment = options.environment ?? process.env;
  const reapers = new Reapers(options.reaperPath);
  return {
    resolve: (word, workspace) => {
      reapers.prepare();
      return resolveProgram(word, workspace, environment);
    },
    run: async (command, signal) => {
      if (signal.aborted) throw cancelled();
      const request = await requestFor(command, environment);
      // Read through a function: the abort may have come during the wait.
      if (isAborted(signal)) throw cancelled();
      return await runWith(reapers.take(), request, command, signal).finally(() => reapers.prepare());
    },
    [Symbol.asyncDispose]: () => reapers.end(),
  };
}

const isAborted = (signal: AbortSignal): boolean => signal.aborted;
const cancelled = (): KernelError => new KernelError('cancelled', 'the command was taken back');

async function resolveProgram(
  word: string,
  workspace: Workspace,
  environment: NonNullable<ProcessesOptions['environment']>,
): Promise<Executable> {
  if (word === '' || word.includes('\0')) {
    throw new KernelError('badRequest', 'the command does not name a program');
  }
  const isPath = isPathLike(word, pathRules);
  const isRelative = isPath && !pathRules.isAbsolute(word);
  for (const path of programPaths(word, environment, pathRules)) {
    const found = await findExecutable([isRelative ? await insidePath(path, workspace) : path]);
    // What an agent can write must not be able to pose as a program of the system.
    if (found !== undefined && (isPath || relativeTo(workspace.root, found.real) === undefined)) return found;
  }
  throw new KernelError('notFound', isPath ? `${word} is not a program` : `${word} not found`);
}

/** @throws KernelError when it leads out of the workspace */
async function insidePath(path: string, workspace: Workspace): Promise<string> {
  try {
    return (await workspace.resolve(path)).real;
  } catch (error) {
    // On Windows the next ending may exist. A path that does not exist is no program.
    if (error instanceof KernelError && error.code === 'notFound')
      return pathRules.join(workspace.root, path);
    throw error;
  }
}

async function requestFor(
  { executable, argv, cwd }: Command,
  environment: NonNullable<ProcessesOptions['environment']>,
): Promise<StartRequest> {
  const found = await findExecutable([executable.path]);
  if (found?.real !== executable.real) {
    throw new KernelError('badRequest', `${argv[0] ?? executable.path} is no longer ${executable.real}`);
  }
  const mark = randomUUID();
  const env = { ...commandEnvironment(environment, pathRules), [markVariable]: mark };
  return { ...invocationOf(executable.path, argv, env, pathRules), cwd, env, mark };
}

interface Reaper {
  readonly child: ChildProcess;
  /** What the command prints. */
  readonly stdout: Socket;
}

/** Reapers, one a command. One is kept ready, because starting a process takes longer than most commands run. */
class Reapers {
  readonly #path: string;
  readonly #live = new Set<ChildProcess>();
  #spare: Reaper | undefined;
  #hasEnded = false;

  constructor(path: string) {
    this.#path = path;
  }

  take(): Reaper {
    if (this.#hasEnded) throw cancelled();
    const spare = this.#spare;
    this.#spare = undefined;
    const reaper = spare !== undefined && isUsable(spare) ? spare : this.#start();
    reaper.child.ref();
    reaper.child.channel?.ref();
    reaper.stdout.ref();
    return reaper;
  }

  /** Has one ready for the next command, if the system has room. An idle one never keeps this process alive. */
  prepare(): void {
    if (this.#hasEnded || (this.#spare !== undefined && isUsable(this.#spare))) return;
    try {
      const spare = this.#start();
      spare.child.unref();
      spare.child.channel?.unref();
      spare.stdout.unref();
      this.#spare = spare;
    } catch {
      this.#spare = undefined;
    }
  }

  /** Ends what runs, and resolves when all of it is gone. */
  async end(): Promise<void> {
    this.#hasEnded = true;
    await Promise.all(
      [...this.#live].map(async (child) => {
        const exited = new Promise((resolve) => child.once('exit', resolve));
        child.ref();
        if (child.connected) child.disconnect();
        await exited;
      }),
    );
  }

  #start(): Reaper {
    const { NODE_OPTIONS: _, ...own } = process.env;
    const child = fork(this.#path, [], {
      // A group of its own, so that what ends the kernel's group does not end the one who cleans up.
      detached: process.platform !== 'win32',
      stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
      execArgv: [],
      // An Electron binary is a Node only while this variable says so.
      env: { ...own, ELECTRON_RUN_AS_NODE: '1' },
    });
    // What could not be started is seen below; what could not be sent to it, by its end.
    child.on('error', () => undefined);
    // Node leaves both out when the system refuses another process.
    const { pid, stdout } = child as { readonly pid?: number; readonly stdout?: Socket | null };
    if (pid === undefined || !stdout) {
      throw new KernelError('limitReached', 'the system cannot start another process');
    }
    this.#live.add(child);
    child.once('exit', () => this.#live.delete(child));
    return { child, stdout };
  }
}

function isUsable({ child }: Reaper): boolean {
  return child.connected && child.exitCode === null && child.signalCode === null;
}

/** How a command ended: the first thing that ended it counts, later ones are its consequences. */
type Outcome = CommandExit | KernelError;

async function runWith(
  reaper: Reaper,
  request: StartRequest,
  command: Command,
  signal: AbortSignal,
): Promise<CommandResult> {
  const { child, stdout } = reaper;
  const output = new BoundedOutput(command.outputBytes);
  const name = command.argv[0] ?? request.file;
  let outcome: Outcome | undefined;
  let osPid: number | undefined;
  let backstop: NodeJS.Timeout | undefined;
  const settle = (first: Outcome): void => {
    outcome ??= first;
    backstop ??= setTimeout(() => child.kill('SIGKILL'), reaperGraceMs);
  };
  const stop = (why: Outcome): void => {
    settle(why);
    if (child.connected) child.disconnect();
  };
  const abort = (): void => stop(cancelled());
  const timer = setTimeout(() => stop({ kind: 'timeout' }), command.timeoutMs);
  signal.addEventListener('abort', abort, { once: true });
  stdout.on('data', (chunk: Buffer) => output.add(chunk));
  child.on('message', (report: ReaperReport) => {
    if (report.kind === 'started') osPid = report.osPid;
    else settle(outcomeOf(report, name));
  });
  child.send(request, (error) => {
    if (error !== null) stop(lost());
  });
  try {
    const wasKilled = await gone(reaper);
    // The reaper itself was killed. What it left running is ended from here.
    if (wasKilled && osPid !== undefined) await endTree({ leader: osPid, mark: request.mark });
  } finally {
    clearTimeout(timer);
    clearTimeout(backstop);
    signal.removeEventListener('abort', abort);
  }
  outcome ??= lost();
  if (outcome instanceof KernelError) throw outcome;
  return { exit: outcome, ...output.result() };
}

const lost = (): KernelError => new KernelError('peerGone', 'the process that runs the command was ended');

/**
 * Resolves when the reaper has exited and its output is read to the end: whether something killed it. (Node's own
 * `close` never comes for a child whose channel was closed from this side.)
 */
async function gone({ child, stdout }: Reaper): Promise<boolean> {
  const drained = new Promise((resolve) => stdout.once('close', resolve));
  const wasKilled = await new Promise<boolean>((resolve) =>
    child.once('exit', (_, signal) => resolve(signal !== null)),
  );
  const grace = setTimeout(() => stdout.destroy(), outputGraceMs);
  await drained;
  clearTimeout(grace);
  return wasKilled;
}

function outcomeOf(report: Exclude<ReaperReport, { kind: 'started' }>, name: string): Outcome {
  if (report.kind === 'failed') return new KernelError('badRequest', reasonOf(report, name));
  if (report.signal !== null) return { kind: 'signal', signal: report.signal };
  return { kind: 'code', code: report.code ?? 0 };
}

/** Why the system did not start it. */
function reasonOf({ errno, message }: Extract<ReaperReport, { kind: 'failed' }>, name: string): string {
  switch (errno) {
    case 'ENOENT':
      return `${name} cannot start: its interpreter or the working folder is missing`;
    case 'EACCES':
    case 'EPERM':
      return `${name} cannot start: this user may not run it`;
    case 'E2BIG':
      return `${name} cannot start: its arguments are too long`;
    case undefined:
    default:
      return `${name} cannot start: ${message}`;
  }
}
