/**
 * Entry point of the extension: makes the parts, wires them by hand, and hands their end to the editor. Activation
 * shows a status bar item and starts nothing; the kernel process starts when an agent is first run. The extension
 * never loads a model: it speaks the protocol of `shared` with a process of its own.
 */

import { createHash } from 'node:crypto';
import * as vscode from 'vscode';
import { KernelProcess } from '../client/kernelProcess.js';
import { kernelFolders } from '../client/userDirs.js';
import { messageOf } from '../shared/errors.js';
import { DisposableStore } from '../shared/lifecycle.js';
import type { StatePlace } from '../shared/protocol.js';
import { AgentRuns } from './agentRuns.js';
import { AnswersView } from './answersView.js';
import { registerCommands } from './commands.js';
import { Fleet } from './fleet.js';
import { FleetMonitor } from './fleetMonitor.js';
import { registerGatewayServer } from './gatewayServer.js';
import { describeGoingOn } from './kernelNews.js';
import { KernelWatch } from './kernelWatch.js';
import { followSessions } from './lastSession.js';
import { LiveGrants } from './liveGrants.js';
import { PermissionPrompt } from './permissionPrompt.js';
import { PermissionQueue } from './permissionQueue.js';
import { readEncryptState, readEngineSettings } from './settings.js';
import { stateKeyOf } from './stateKey.js';
import { StatusBar } from './statusBar.js';
import { storeKeyOf, storeKeySecret } from './storeKey.js';
import { TaskManager } from './taskManager.js';
import type { Transcript } from './transcript.js';
import { WorkspaceGrants } from './workspaceGrants.js';

let shutDown: (() => Promise<void>) | undefined;

/** What the extension's own tests get hold of, where no notification can be clicked. Nobody else gets anything. */
export interface TestAccess {
  readonly kernel: KernelProcess;
  readonly permissions: PermissionQueue;
}

export function activate(context: vscode.ExtensionContext): TestAccess | undefined {
  const store = new DisposableStore();
  context.subscriptions.push(store);

  const log = store.add(vscode.window.createOutputChannel('Agentic Microkernel', { log: true }));
  const answers = store.add(new AnswersView());
  const queue = new PermissionQueue();
  const workspaceGrants = new WorkspaceGrants(context.globalState);
  const kernel = createKernel(context, queue, log, workspaceGrants);
  store.add(workspaceGrants.follow(kernel));
  const fleet = new Fleet();
  const kernelWatch = store.add(new KernelWatch(kernel, fleet));
  const grants = store.add(new LiveGrants(kernel));
  const monitor = store.add(new FleetMonitor(kernel, fleet, queue, grants));
  const prompt = store.add(
    new PermissionPrompt({
      queue,
      fleet,
      showText: (text) => {
        answers.transcript.note(text);
        answers.reveal();
      },
    }),
  );
  const taskManager = store.add(
    new TaskManager({ extensionUri: context.extensionUri, kernel, fleet, monitor, grants, prompt }),
  );
  store.add(new StatusBar(monitor));
  store.add(writeTranscript(kernel, answers.transcript));
  store.add(writeLog(kernel, log));
  const runs = new AgentRuns(kernel, answers.transcript);
  store.add(
    registerCommands({
      kernel,
      kernelWatch,
      runs,
      fleet,
      prompt,
      answers,
      taskManager,
      log,
      memory: context.workspaceState,
      secrets: context.secrets,
    }),
  );
  store.add(
    context.secrets.onDidChange(({ key }) => {
      if (key === storeKeySecret) kernelWatch.settingsChanged();
    }),
  );
  store.add(followSessions({ kernel, fleet, runs, memory: context.workspaceState }));
  store.add(registerGatewayServer({ kernel, secrets: context.secrets }));
  shutDown = () => kernel.dispose();
  return context.extensionMode === vscode.ExtensionMode.Test ? { kernel, permissions: queue } : undefined;
}

/** The editor waits for this promise, so the kernel gets the time to end in order. */
export async function deactivate(): Promise<void> {
  await shutDown?.();
}

function createKernel(
  context: vscode.ExtensionContext,
  queue: PermissionQueue,
  log: vscode.LogOutputChannel,
  workspaceGrants: WorkspaceGrants,
): KernelProcess {
  const inspectPort = Number(process.env['AMK_INSPECT_KERNEL'] ?? '');
  return new KernelProcess({
    kernelPath: vscode.Uri.joinPath(context.extensionUri, 'dist', 'kernel.js').fsPath,
    engine: readEngineSettings,
    handlers: { askPermission: (request, signal) => queue.ask(request, signal) },
    control: () => ({
      folder: kernelFolders()[0],
      client: 'editor',
      workspaces: vscode.workspace.workspaceFolders?.map(({ uri }) => uri.fsPath) ?? [],
    }),
    state: () => statePlace(context, log),
    workspaceGrants: () => workspaceGrants.all,
    storeKey: () => (readEngineSettings().vectorStore === 'orama' ? undefined : storeKeyOf(context.secrets)),
    ...(inspectPort > 0 ? { inspectPort } : {}),
  });
}

/**
 * A folder for each workspace, beside the workspace and not in it: what agents read and said is nobody else's. Where
 * it is to be encrypted and there is no key to do it with, nothing is kept.
 */
async function statePlace(
  { globalStorageUri, secrets }: vscode.ExtensionContext,
  log: vscode.LogOutputChannel,
): Promise<StatePlace | undefined> {
  const { workspaceFile, workspaceFolders = [], isTrusted } = vscode.workspace;
  const name = workspaceFile?.toString() ?? workspaceFolders.map(({ uri }) => uri.toString()).join('\n');
  if (name === '' || !isTrusted) return undefined;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 32);
  const { fsPath } = vscode.Uri.joinPath(globalStorageUri, 'workspaces', hash);
  const place = { dir: fsPath, resume: 'pause' } as const;
  if (!readEncryptState()) return place;
  try {
    return { ...place, encryptionKey: await stateKeyOf(secrets) };
  } catch (error) {
    log.warn(
      `Agents end with the kernel, since there is no key to encrypt what is kept: ${messageOf(error)}`,
    );
    return undefined;
  }
}

function writeTranscript(kernel: KernelProcess, transcript: Transcript): DisposableStore {
  const store = new DisposableStore();
  store.add(kernel.on('output', ({ pid, text }) => transcript.text(pid, text)));
  store.add(kernel.on('toolCalled', ({ pid, call, result }) => transcript.toolCalled(pid, call, result)));
  store.add(kernel.on('contextChanged', ({ pid, text }) => transcript.contextChanged(pid, text)));
  store.add(
    kernel.on('agentsResumed', ({ rows }) => {
      for (const { pid } of rows) transcript.rest(pid);
      transcript.note(describeGoingOn(rows));
    }),
  );
  store.add(
    kernel.on('agentsChanged', ({ rows }) => {
      const resting = rows.filter(({ state }) => state !== 'running' && state !== 'ready');
      for (const { pid } of resting) transcript.rest(pid);
    }),
  );
  return store;
}

function writeLog(kernel: KernelProcess, log: vscode.LogOutputChannel): DisposableStore {
  const store = new DisposableStore();
  store.add(kernel.on('log', ({ level, message }) => log[level](message)));
  store.add(
    kernel.on('stateChanged', (state) => {
      const reason = 'reason' in state ? `: ${state.reason}` : '';
      log.info(`kernel ${state.name}${reason}`);
    }),
  );
  return store;
}
