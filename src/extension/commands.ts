/**
 * The commands of this extension. Each can be run from the palette, where it asks for what it needs, and with
 * arguments from a keybinding, a task or a test. An error ends in a message, and reaches a caller that gave arguments.
 */

import * as vscode from 'vscode';
import { z } from 'zod';
import type { KernelProcess } from '../client/kernelProcess.js';
import { parseWith } from '../shared/agentDefinition.js';
import { KernelError } from '../shared/errors.js';
import { DisposableStore } from '../shared/lifecycle.js';
import type { AgentReport } from '../shared/protocol.js';
import { assertTrusted, type AgentRuns } from './agentRuns.js';
import type { AnswersView } from './answersView.js';
import type { Fleet, FleetAgent } from './fleet.js';
import type { KernelWatch } from './kernelWatch.js';
import type { PermissionPrompt } from './permissionPrompt.js';
import { pickFolder, pickRun } from './pickRun.js';
import { writeModel } from './settings.js';
import { showError } from './showError.js';
import { faultOfStoreKey, keepStoreKey } from './storeKey.js';
import type { TaskManager } from './taskManager.js';

export interface CommandContext {
  readonly kernel: KernelProcess;
  readonly kernelWatch: KernelWatch;
  readonly runs: AgentRuns;
  readonly fleet: Fleet;
  readonly prompt: PermissionPrompt;
  readonly answers: AnswersView;
  readonly taskManager: TaskManager;
  readonly log: vscode.LogOutputChannel;
  readonly memory: vscode.Memento;
  readonly secrets: vscode.SecretStorage;
}

const runSchema = z.strictObject({ agent: z.string(), task: z.string() });
const runArgumentSchema = z.union([runSchema.transform((one) => [one]), z.array(runSchema).min(1)]);
const stopArgumentSchema = z.strictObject({ pid: z.int().min(1) });

export function registerCommands(context: CommandContext): DisposableStore {
  const store = new DisposableStore();
  const register = (name: string, run: (argument?: unknown) => unknown): void => {
    const attempt = async (argument?: unknown): Promise<unknown> => {
      try {
        return await run(argument);
      } catch (error) {
        if (argument !== undefined) throw error;
        if (!isToldByState(error, context.kernel)) showError(error);
        return undefined;
      }
    };
    store.add(vscode.commands.registerCommand(`agenticMicrokernel.${name}`, attempt));
  };
  register('run', (argument) => run(context, argument));
  register('stop', (argument) => stop(context, argument));
  register('openTaskManager', () => context.taskManager.open());
  register('restartKernel', () => context.kernelWatch.restart());
  register('review', () => context.prompt.review());
  register('showAnswers', () => context.answers.reveal());
  register('showLog', () => context.log.show());
  register('chooseModel', chooseModel);
  register('useEmbeddedModel', () => writeModel(''));
  register('setStoreKey', () => setStoreKey(context));
  return store;
}

/** A kernel that stopped or did not start is told of once, not once for every agent that noticed. */
function isToldByState(error: unknown, { state }: KernelProcess): boolean {
  if (state.name === 'failed' && state.error === error) return true;
  return error instanceof KernelError && error.code === 'kernelStopped';
}

/** @returns the reports, when all have ended */
async function run(context: CommandContext, argument: unknown): Promise<AgentReport[] | undefined> {
  assertTrusted();
  const folder = await pickFolder();
  if (folder === undefined) return undefined;
  const requests =
    argument === undefined
      ? await pickRun(folder, context.memory)
      : parseWith(runArgumentSchema, argument, 'arguments of agenticMicrokernel.run');
  if (requests === undefined) return undefined;
  context.answers.reveal();
  if (requests.length > 1) context.taskManager.open();
  return context.runs.run(requests, folder);
}

async function stop({ kernel, fleet }: CommandContext, argument: unknown): Promise<void> {
  const pid =
    argument === undefined
      ? (await pickLive(fleet.live))?.row.pid
      : parseWith(stopArgumentSchema, argument, 'arguments of agenticMicrokernel.stop').pid;
  if (pid !== undefined) await kernel.call('stop', { pid });
}

async function pickLive(live: readonly FleetAgent[]): Promise<FleetAgent | undefined> {
  if (live.length === 0) {
    void vscode.window.showInformationMessage('No agent is at work.');
    return undefined;
  }
  const items = live.map((agent) => ({
    label: agent.row.name,
    description: `${agent.row.pid} · ${agent.row.state}`,
    detail: agent.row.task,
    agent,
  }));
  const picked = await vscode.window.showQuickPick(items, {
    title: 'Stop Agent',
    placeHolder: 'Which agent?',
  });
  return picked?.agent;
}

async function chooseModel(): Promise<void> {
  const [file] =
    (await vscode.window.showOpenDialog({
      title: 'Choose a Model File',
      openLabel: 'Use This Model',
      filters: { 'GGUF models': ['gguf'], 'All files': ['*'] },
    })) ?? [];
  if (file !== undefined) await writeModel(file.fsPath);
}

/** It takes no argument: a key in a keybinding would be a key in a file. */
async function setStoreKey({ secrets }: CommandContext): Promise<void> {
  const key = await vscode.window.showInputBox({
    title: 'Set Vector Store Key',
    prompt:
      'Kept in the secret storage of the editor, and sent to the store that agenticMicrokernel.vectorStore names.',
    placeHolder: 'Empty: no key',
    password: true,
    ignoreFocusOut: true,
    validateInput: faultOfStoreKey,
  });
  if (key !== undefined) await keepStoreKey(secrets, key);
}
