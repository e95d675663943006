/**
 * `amk run`: starts a kernel, runs one agent a task, and says what came of it. It promises an exit status, the
 * answers or one JSON document on stdout and nothing else there, and that no kernel is left behind. It knows no
 * global: streams, files and signals are arguments, so that a test runs it as it is.
 */

import { KernelProcess, type KernelProcessOptions } from '../client/kernelProcess.js';
import type { AgentDefinition } from '../shared/agentDefinition.js';
import { KernelError, messageOf, toErrorData, type ErrorData } from '../shared/errors.js';
import { escapeLines } from '../shared/escape.js';
import { DisposableStore } from '../shared/lifecycle.js';
import type { AgentReport, AgentRow, KernelInfo, Pid, ToolCallReport } from '../shared/protocol.js';
import { defaultEngineSettings } from '../shared/settings.js';
import { agentsFor } from './agentChoice.js';
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
  const definitions = await agentsFor(command, host.readText);
  const root = await host.realFolder(command.workspace);
  const crew = new Crew(command, host);
  try {
    return await crew.work(definitions, root);
  } finally {
    await crew.dispose();
  }
}

/** The agents of one run and the kernel they live in. */
class Crew {
  readonly #command: RunCommand;
  readonly #host: RunHost;
  readonly #kernel: KernelProcess;
  readonly #presentation: Presentation;
  readonly #store = new DisposableStore();
  readonly #calls = new Map<Pid, ToolCallReport[]>();
  readonly #rows = new Map<Pid, AgentRow>();
  readonly #startedAt = performance.now();
  #interrupts = 0;

  constructor(command: RunCommand, host: RunHost) {
    this.#command = command;
    this.#host = host;
    const interrupt = (): void => this.#interrupt();
    this.#store.add(host.onInterrupt(interrupt));
    this.#presentation = this.#store.add(
      host.terminal === undefined
        ? plainPresentation({ write: host.writeProgress, isVerbose: command.verbose })
        : livePresentation({ ...host.terminal, isVerbose: command.verbose, onInterrupt: interrupt }),
    );
    this.#kernel = new KernelProcess({
      kernelPath: host.kernelPath,
      engine: () => ({ ...defaultEngineSettings, ...command.engine }),
      handlers: { askPermission: (wish, signal) => this.#presentation.askPermission(wish, signal) },
      // Agents do not outlive their kernel, and a run does not outlive its agents: there is nothing to restart for.
      limits: { ...host.kernelOptions?.limits, restartBackoffMs: [] },
    });
    this.#listen();
  }

  async work(definitions: readonly AgentDefinition[], root: string): Promise<number> {
    let kernel: KernelInfo;
    try {
      kernel = await this.#kernel.start();
    } catch (error) {
      return this.#bootFailed(error);
    }
    const boot = this.#elapsedMs();
    const agents = await this.#runAgents(definitions, root);
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
      for (const row of rows) this.#rows.set(row.pid, row);
      this.#presentation.rowsChanged(rows);
    });
    this.#kernel.on('toolCalled', ({ pid, call }) => {
      this.#calls.set(pid, [...(this.#calls.get(pid) ?? []), call]);
      this.#presentation.toolCalled(pid, call);
    });
  }

  /** Spawned one after the other, so that they are numbered in the order of the tasks; from then on all at once. */
  async #runAgents(definitions: readonly AgentDefinition[], root: string): Promise<AgentReport[]> {
    const { tasks, grants } = this.#command;
    const reports: Promise<AgentReport>[] = [];
    for (const [index, task] of tasks.entries()) {
      const definition = definitions[index % definitions.length];
      if (definition === undefined) continue;
      const workspace = { root, trusted: true };
      try {
        if (this.#interrupts > 0) throw new KernelError('cancelled', 'the run was interrupted');
        const request = { definition, task, workspace, grants: [...grants] };
        const { pid } = await this.#kernel.call('spawn', request);
        reports.push(this.#wait({ ...unseenRow, pid, name: definition.name, task }));
      } catch (error) {
        reports.push(
          Promise.resolve(this.#lost({ ...unseenRow, name: definition.name, task }, toErrorData(error))),
        );
      }
    }
    return Promise.all(reports);
  }

  async #wait(unseen: SeenRow): Promise<AgentReport> {
    try {
      return await this.#kernel.call('wait', { pid: unseen.pid });
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
    return exitStatus.bootFailed;
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
      if (state !== 'exited') void this.#kernel.call('stop', { pid }).catch(() => undefined);
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
