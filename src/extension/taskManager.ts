/**
 * Hosts the task manager page in an editor panel: sends it views while it can be seen, and does what it asks after
 * checking it. A wish about an agent that has ended meanwhile is dropped: the next view shows that it has.
 */

import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import type { KernelProcess } from '../client/kernelProcess.js';
import { parseWith } from '../shared/agentDefinition.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import { pageMessageSchema, type PageMessage, type ViewMessage } from '../shared/taskManagerMessages.js';
import type { Fleet } from './fleet.js';
import type { FleetMonitor } from './fleetMonitor.js';
import type { PermissionPrompt } from './permissionPrompt.js';
import { showError } from './showError.js';
import { taskManagerHtml } from './taskManagerHtml.js';

const memoryIntervalMs = 2_000;

export interface TaskManagerOptions {
  readonly extensionUri: vscode.Uri;
  readonly kernel: KernelProcess;
  readonly fleet: Fleet;
  readonly monitor: FleetMonitor;
  readonly prompt: PermissionPrompt;
}

export class TaskManager implements Disposable {
  readonly #options: TaskManagerOptions;
  #panel: vscode.WebviewPanel | undefined;

  constructor(options: TaskManagerOptions) {
    this.#options = options;
  }

  dispose(): void {
    this.#panel?.dispose();
  }

  open(): void {
    if (this.#panel === undefined) this.#panel = this.#createPanel();
    else this.#panel.reveal(undefined, true);
  }

  #createPanel(): vscode.WebviewPanel {
    const { extensionUri, monitor } = this.#options;
    const dist = vscode.Uri.joinPath(extensionUri, 'dist');
    const panel = vscode.window.createWebviewPanel(
      'agenticMicrokernel.taskManager',
      'Task Manager',
      { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true },
      { enableScripts: true, localResourceRoots: [dist] },
    );
    const media = vscode.Uri.joinPath(extensionUri, 'media');
    panel.iconPath = {
      light: vscode.Uri.joinPath(media, 'taskManagerLight.svg'),
      dark: vscode.Uri.joinPath(media, 'taskManagerDark.svg'),
    };
    const store = new DisposableStore();
    const send = (): void => {
      if (panel.visible)
        void panel.webview.postMessage({ type: 'view', view: monitor.view() } satisfies ViewMessage);
    };
    store.add(monitor.onDidChange(send));
    store.add(panel.onDidChangeViewState(send));
    store.add(panel.webview.onDidReceiveMessage((message) => void this.#receive(message, send)));
    const timer = setInterval(() => panel.visible && void monitor.measure(), memoryIntervalMs);
    store.defer(() => clearInterval(timer));
    panel.onDidDispose(() => {
      this.#panel = undefined;
      store.dispose();
    });
    panel.webview.html = taskManagerHtml({
      cspSource: panel.webview.cspSource,
      nonce: randomBytes(16).toString('base64'),
      scriptUri: panel.webview.asWebviewUri(vscode.Uri.joinPath(dist, 'taskManager.js')).toString(),
      styleUri: panel.webview.asWebviewUri(vscode.Uri.joinPath(dist, 'taskManager.css')).toString(),
    });
    return panel;
  }

  async #receive(input: unknown, send: () => void): Promise<void> {
    try {
      const message = parseWith(pageMessageSchema, input, 'message of the task manager page');
      if (message.type === 'ready') {
        send();
        void this.#options.monitor.measure();
      } else await this.#act(message);
    } catch (error) {
      showError(error);
    }
  }

  async #act(message: Exclude<PageMessage, { type: 'ready' }>): Promise<void> {
    const { fleet, kernel, prompt } = this.#options;
    if (message.type === 'command') {
      if (message.command === 'clearExited') fleet.clearExited();
      else await vscode.commands.executeCommand(`agenticMicrokernel.${message.command}`);
      return;
    }
    const pid = fleet.findLive(message.key)?.row.pid;
    if (pid === undefined) return;
    switch (message.type) {
      case 'stop':
      case 'pause':
      case 'resume':
        await kernel.call(message.type, { pid });
        break;
      case 'renice':
        await kernel.call('renice', { pid, nice: message.nice });
        break;
      case 'reclass':
        await kernel.call('renice', { pid, class: message.class });
        break;
      case 'review':
        await prompt.review(pid);
        break;
      default:
        message satisfies never;
    }
  }
}
