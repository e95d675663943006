/**
 * Runs agents for the editor: checks that there is something to run them on, starts the kernel where it does not
 * run, and follows each agent to its report. Nothing runs in an untrusted workspace.
 */

import * as vscode from 'vscode';
import type { KernelProcess } from '../client/kernelProcess.js';
import type { AgentDefinition } from '../shared/agentDefinition.js';
import { KernelError, messageOf } from '../shared/errors.js';
import type { AgentReport, AgentRow, KernelInfo, Pid, SpawnRequest } from '../shared/protocol.js';
import { teamOf } from '../shared/team.js';
import { readAgents, readEngineSettings } from './settings.js';
import { embeddedModelNote, type Transcript } from './transcript.js';

export interface RunRequest {
  /** Name of an agent. */
  readonly agent: string;
  readonly task: string;
}

export class AgentRuns {
  readonly #kernel: KernelProcess;
  readonly #transcript: Transcript;
  /** The embedded model was named; once is enough. */
  #isModelNamed = false;

  constructor(kernel: KernelProcess, transcript: Transcript) {
    this.#kernel = kernel;
    this.#transcript = transcript;
  }

  /**
   * Runs all at once; resolves when the last has ended.
   * @throws KernelError when one could not be started or its kernel died. What was started goes on.
   */
  async run(requests: readonly RunRequest[], folder: vscode.WorkspaceFolder): Promise<AgentReport[]> {
    assertTrusted();
    const agents = readAgents(folder);
    const wanted = requests.map(({ agent, task }) => {
      const definition = findAgent(agents, agent);
      return { definition, team: teamOf(definition, agents), task };
    });
    const info = await this.#kernel.start();
    this.#noteModel(info);
    return Promise.all(wanted.map((each) => this.#runOne(each, folder)));
  }

  /** Agents that are there already: those of the last session. */
  followAll(rows: readonly AgentRow[]): void {
    for (const { pid, name, task } of rows) {
      this.#transcript.begin(pid, name, task);
      // What went wrong stands in the transcript; nobody else waits for it.
      this.#follow(pid).catch(() => undefined);
    }
  }

  async #runOne(
    { definition, team, task }: Pick<SpawnRequest, 'definition' | 'team' | 'task'>,
    folder: vscode.WorkspaceFolder,
  ): Promise<AgentReport> {
    const { pid } = await this.#kernel.call('spawn', {
      ...{ definition, task, ...(team !== undefined && { team }) },
      workspace: { root: folder.uri.fsPath, trusted: vscode.workspace.isTrusted },
      grants: [],
    });
    this.#transcript.begin(pid, definition.name, task);
    return this.#follow(pid);
  }

  async #follow(pid: Pid): Promise<AgentReport> {
    try {
      const report = await this.#kernel.wait(pid);
      this.#transcript.end(report);
      return report;
    } catch (error) {
      this.#transcript.lose(pid, messageOf(error));
      throw error;
    }
  }

  #noteModel(info: KernelInfo): void {
    if (this.#isModelNamed || readEngineSettings().model !== '') return;
    this.#isModelNamed = true;
    this.#transcript.note(embeddedModelNote(info));
  }
}

/** @throws KernelError `untrustedWorkspace` in Restricted Mode. */
export function assertTrusted(): void {
  if (vscode.workspace.isTrusted) return;
  throw new KernelError('untrustedWorkspace', 'No agent runs here, because this workspace is not trusted');
}

function findAgent(agents: readonly AgentDefinition[], name: string): AgentDefinition {
  const found = agents.find((agent) => agent.name === name);
  if (found !== undefined) return found;
  const names = agents.map((agent) => agent.name).join(', ');
  throw new KernelError('badRequest', `there is no agent "${name}"; there are ${names}`);
}
