/**
 * `amk run`: starts a kernel, runs one agent a task, and says what came of it. It promises an exit status, the
 * answers or one JSON document on stdout and nothing else there, and that no kernel is left behind. It knows no
 * global: streams, files and signals are arguments, so that a test runs it as it is.
 */

import { KernelProcess, type KernelProcessOptions } from '../client/kernelProcess.js';
import { covers } from '../shared/capability.js';
import { KernelError, messageOf, toErrorData, type ErrorData } from '../shared/errors.js';
import { escapeLines } from '../shared/escape.js';
import { DisposableStore } from '../shared/lifecycle.js';
import type {
  AgentReport,
  AgentRow,
  KernelInfo,
  PermissionAnswer,
  PermissionRequest,
  Pid,
  ToolCallReport,
} from '../shared/protocol.js';
import { defaultEngineSettings } from '../shared/settings.js';
import { agentsFor, type Choice } from './agentChoice.js';
import type { RunCommand } from './commandLine.js';
import type { KeyInput } from './keyboard.js';
import type { TerminalOutput } from './liveScreen.js';
import { livePresentation, plainPresentation, type Presentation } from './presentation.js';
import {
  answersText,
  complaint,
  exitStatus,
  isComplete,
  jsonDocument,
  jsonFailure,
  lostReport,
} from './report.js';
import type { Style } from './style.js';

export interface RunHost {
  readonly kernelPath: string;
  readonly kernelOptions?: Pick<KernelProcessOptions, 'limits'>;
  /** Where other commands find the kernel; without it they do not. */
  readonly controlFolder?: string;
  /** Where agents of a workspace outlive their kernel; without it they do not. */
  readonly stateFolder?: (workspace: string) => string;
  /** What is kept of them is encrypted with this; undefined where it is not. */
  readonly stateKey?: () => Promise<string | undefined>;
  /** What an external vector store asks for. */
  readonly storeKey?: () => string | undefined;
  readonly readText: (path: string) => Promise<string>;
  /** Real path of a folder; rejects with `badRequest` when it is none. */
  readonly realFolder: (path: string) => Promise<string>;
  readonly writeResult: (text: string) => Promise<void>;
  readonly writeProgress: (text: string) => void;
  /** Where there is somebody to watch and to answer. */
  readonly terminal:
    { readonly output: TerminalOutput; readonly input: KeyInput; readonly style: Style } | undefined;
  /** Whether what is written as the result goes to a terminal, which must not obey what a model wrote. */
  readonly isResultShown: boolean;
  /** Called by the run with what to do when a person or the system wants it to end. */
  readonly onInterrupt: (listener: () => void) => { dispose(): void };
  /** Ends the process at once, with everything it started. */
  readonly exitNow: (status: number) => void;
}

/** @throws KernelError `badRequest` when the command asks for something that is not there. */
export async function run(command: RunCommand, host: RunHost): Promise<number> {
  const choices = await agentsFor(command, host.readText);
  const root = await host.realFolder(command.workspace);
  // Taken in any case, so that the kernel does not find them in its environment.
  const storeKey = host.storeKey?.();
  const encryptionKey = await host.stateKey?.();
  const crew = new Crew(command, host, { root, encryptionKey, storeKey });
  try {
    return await crew.work(choices);
  } finally {
    await crew.dispose();
  }
}

/** A kernel that dies a third time in a row will not get far. */
const restartBackoffMs = [0, 1_000];

interface CrewPlace {
  /** Real path of the workspace. */
  readonly root: string;
  readonly encryptionKey: string | undefined;
  readonly storeKey: string | undefined;
}

/** The agents of one run and the kernel they live in. */
class Crew {
  readonly #command: RunCommand;
  readonly #host: RunHost;
  /** Real path of the workspace. */
  readonly #root: string;
  readonly #kernel: KernelProcess;
  readonly #presentation: Presentation;
  readonly #store = new DisposableStore();
  readonly #calls = new Map<Pid, ToolCallReport[]>();
  readonly #rows = new Map<Pid, AgentRow>();
  /** Agents of an earlier run that this one leaves alone. */
  readonly #others = new Set<Pid>();
  readonly #startedAt = performance.now();
  #interrupts = 0;

  constructor(command: RunCommand, host: RunHost, { root, encryptionKey, storeKey }: CrewPlace) {
    this.#command = command;
    this.#host = host;
    this.#root = root;
    const interrupt = (): void => this.#interrupt();
    this.#store.add(host.onInterrupt(interrupt));
    this.#presentation = this.#store.add(
      host.terminal === undefined
        ? plainPresentation({ write: host.writeProgress, isVerbose: command.verbose })
        : livePresentation({ ...host.terminal, isVerbose: command.verbose, onInterrupt: interrupt }),
    );
    const folder = host.controlFolder;
    const dir = command.state ? host.stateFolder?.(root) : undefined;
    this.#kernel = new KernelProcess({
      kernelPath: host.kernelPath,
      engine: () => ({ ...defaultEngineSettings, ...command.engine }),
      handlers: { askPermission: (wish, signal) => this.#permit(wish, signal) },
      // Where agents do not outlive their kernel, there is nothing to restart for: a run does not outlive its agents.
      limits: { ...host.kernelOptions?.limits, restartBackoffMs: dir === undefined ? [] : restartBackoffMs },
      ...(dir !== undefined && {
        state: () => ({
          ...{ dir, resume: command.resume ? 'run' : 'pause' },
          ...(encryptionKey !== undefined && { encryptionKey }),
        }),
      }),
      ...(folder !== undefined && { control: () => ({ folder, client: 'cli', workspaces: [root] }) }),
      storeKey: () => storeKey,
    });
    this.#listen();
  }

  async work(choices: readonly Choice[]): Promise<number> {
    let kernel: KernelInfo;
    try {
      kernel = await this.#kernel.start();
    } catch (error) {
      return this.#bootFailed(error);
    }
    const boot = this.#elapsedMs();
    const agents = await Promise.all([...this.#takeOver(), ...(await this.#runAgents(choices))]);
    await this.#kernel.call('ping', null).catch(() => undefined);
    const { peakRssBytes } = this.#kernel;
    await this.#kernel.dispose();
    this.#store.dispose();
    this.#comment(agents, kernel);
    const ms = { boot, total: this.#elapsedMs() };
    await this.#host.writeResult(
      this.#command.json
        ? jsonDocument({ agents, kernel, peakRssBytes, ms })
        : this.#shown(answersText(agents)),
    );
    if (this.#interrupts > 0) return exitStatus.interrupted;
    return agents.every(isComplete) ? exitStatus.ok : exitStatus.notAnswered;
  }

  async dispose(): Promise<void> {
    this.#store.dispose();
    await this.#kernel.dispose();
  }

  #listen(): void {
    this.#kernel.on('log', ({ level, message }) => this.#presentation.log(level, message));
    this.#kernel.on('agentsChanged', ({ rows }) => {
      const own = rows.filter(({ pid }) => !this.#others.has(pid));
      for (const row of own) this.#rows.set(row.pid, row);
      this.#presentation.rowsChanged(own);
    });
    this.#kernel.on('agentsResumed', ({ rows, reason }) => {
      const names = rows.filter(({ pid }) => !this.#others.has(pid)).map(({ pid, name }) => `${pid} ${name}`);
      if (names.length > 0)
        this.#presentation.note(`${escapeLines(reason)}; these go on: ${names.join(', ')}`);
    });
    this.#kernel.on('contextChanged', ({ pid, text }) => this.#presentation.contextChanged(pid, text));
    this.#kernel.on('toolCalled', ({ pid, call }) => {
      this.#calls.set(pid, [...(this.#calls.get(pid) ?? []), call]);
      this.#presentation.toolCalled(pid, call);
    });
  }

  /** What the person granted on the command line holds in every kernel of the run; all else is asked. */
  async #permit(wish: PermissionRequest, signal: AbortSignal): Promise<PermissionAnswer> {
    const given = this.#others.has(wish.pid)
      ? undefined
      : this.#command.grants.find((grant) => covers(grant, wish.access));
    if (given !== undefined) return { kind: 'allow', lifetime: 'run', scope: given.scope };
    return await this.#presentation.askPermission(wish, signal);
  }

  /** The agents of an earlier run: with `--resume` they are this run's as well, else they rest. */
  #takeOver(): Promise<AgentReport>[] {
    const earlier = this.#kernel.rows.filter(({ state }) => state !== 'exited');
    if (this.#command.resume) return earlier.map((row) => this.#wait(row));
    for (const { pid } of earlier) this.#others.add(pid);
    if (earlier.length > 0) {
      const names = earlier.map(({ pid, name }) => `${pid} ${name}`).join(', ');
      this.#presentation.note(`Of an earlier run, paused: ${names}; amk run --resume goes on with them.`);
    }
    return [];
  }

  /** Spawned one after the other, so that they are numbered in the order of the tasks; from then on all at once. */
  async #runAgents(choices: readonly Choice[]): Promise<Promise<AgentReport>[]> {
    const { tasks, grants } = this.#command;
    const reports: Promise<AgentReport>[] = [];
    for (const [index, task] of tasks.entries()) {
      const choice = choices[index % choices.length];
      if (choice === undefined) continue;
      const { definition } = choice;
      const workspace = { root: this.#root, trusted: true };
      try {
        if (this.#interrupts > 0) throw new KernelError('cancelled', 'the run was interrupted');
        const request = { ...choice, task, workspace, grants: [...grants] };
        const { pid } = await this.#kernel.call('spawn', request);
        reports.push(this.#wait({ ...unseenRow, pid, name: definition.name, task }));
      } catch (error) {
        reports.push(
          Promise.resolve(this.#lost({ ...unseenRow, name: definition.name, task }, toErrorData(error))),
        );
      }
    }
    return reports;
  }

  async #wait(unseen: SeenRow): Promise<AgentReport> {
    try {
      return await this.#kernel.wait(unseen.pid);
    } catch (error) {
      const row = this.#rows.get(unseen.pid);
      if (row !== undefined) {
        const dead = { ...row, state: 'exited', outcome: 'failed', reason: 'lost with the kernel' } as const;
        this.#presentation.rowsChanged([dead]);
      }
      return this.#lost(row ?? unseen, toErrorData(error));
    }
  }

  #lost(row: SeenRow, error: ErrorData): AgentReport {
    return lostReport(row, this.#calls.get(row.pid) ?? [], this.#elapsedMs(), error);
  }

  async #bootFailed(error: unknown): Promise<number> {
    this.#store.dispose();
    if (this.#interrupts > 0) return exitStatus.interrupted;
    const data = toErrorData(error);
    this.#host.writeProgress(`amk: ${escapeLines(data.message)}\n`);
    if (this.#command.json) await this.#host.writeResult(jsonFailure(data));
    return exitStatus.noKernel;
  }

  /** First: the agents end where they are and say how far they came. Again: everything ends. */
  #interrupt(): void {
    this.#interrupts++;
    if (this.#interrupts > 1) {
      this.#store.dispose();
      this.#host.exitNow(exitStatus.interrupted);
      return;
    }
    if (this.#kernel.state.name !== 'running') {
      void this.#kernel.dispose();
      return;
    }
    this.#presentation.note('stopping the agents; once more ends at once');
    for (const { pid, state } of this.#kernel.rows) {
      if (state !== 'exited' && !this.#others.has(pid))
        void this.#kernel.call('stop', { pid }).catch(() => undefined);
    }
  }

  /** What a person should know beside the answers. */
  #comment(agents: readonly AgentReport[], kernel: KernelInfo): void {
    for (const agent of agents) {
      const text = complaint(agent);
      if (text !== undefined) this.#host.writeProgress(`amk: ${escapeLines(text)}\n`);
    }
    if (this.#command.engine.model === '' && agents.some(({ state }) => state === 'answered')) {
      const name = escapeLines(kernel.model);
      this.#host.writeProgress(
        `Answered by ${name}, the small embedded model; --model FILE chooses a better one (GGUF).\n`,
      );
    }
  }

  #shown(answers: string): string {
    return this.#host.isResultShown ? escapeLines(answers) : answers;
  }

  #elapsedMs(): number {
    return Math.round(performance.now() - this.#startedAt);
  }
}

type SeenRow = Parameters<typeof lostReport>[0];

/** Of an agent that no event has told of yet; number 0 is nobody's. */
const unseenRow = { pid: 0, promptTokens: 0, generatedTokens: 0, waitMs: 0 };

/** For the top of the process: any error as a line. */
export const errorLine = (error: unknown): string => `amk: ${escapeLines(messageOf(error))}\n`;
