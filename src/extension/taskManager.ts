/**
 * Hosts the task manager page in an editor panel: sends it views, and the context maps that are open, while it can be
 * seen, and has done what it asks after checking it.
 */

import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { parseWith } from '../shared/agentDefinition.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import {
  pageMessageSchema,
  type TaskManagerMessage,
  type TaskManagerView,
} from '../shared/taskManagerMessages.js';
import { ContextWatch } from './contextWatch.js';
import type { FleetMonitor } from './fleetMonitor.js';
import { grantWish, type WishParts } from './pageWishes.js';
import { showError } from './showError.js';
import { taskManagerHtml } from './taskManagerHtml.js';

const memoryIntervalMs = 2_000;

export interface TaskManagerOptions extends Pick<WishParts, 'kernel' | 'fleet' | 'grants' | 'prompt'> {
  readonly extensionUri: vscode.Uri;
  readonly monitor: FleetMonitor;
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
    const { extensionUri, kernel, fleet, monitor } = this.#options;
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
    const post = (message: TaskManagerMessage): void => {
      if (panel.visible) void panel.webview.postMessage(message);
    };
    const watch = store.add(
      new ContextWatch({ kernel, fleet, send: (key, context) => post({ type: 'context', key, context }) }),
    );
    const send = (): void => {
      const view = monitor.view();
      panel.title = titleOf(view);
      post({ type: 'view', view });
    };
    store.add(monitor.onDidChange(send));
    store.add(panel.onDidChangeViewState(() => (panel.visible ? send() : watch.clear())));
    const runCommand = (name: string): Thenable<unknown> =>
      vscode.commands.executeCommand(`agenticMicrokernel.${name}`);
    const parts = { ...this.#options, watch, post, runCommand };
    store.add(panel.webview.onDidReceiveMessage((message) => void this.#receive(message, parts, send)));
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

  async #receive(input: unknown, parts: WishParts, send: () => void): Promise<void> {
    try {
      const message = parseWith(pageMessageSchema, input, 'message of the task manager page');
      if (message.type === 'ready') {
        // A page that begins has nothing open, whatever the one before had.
        parts.watch.clear();
        send();
        void this.#options.monitor.measure();
      } else await grantWish(message, parts);
    } catch (error) {
      showError(error);
    }
  }
}

/** The tab says how many questions wait, also while another one is in front of it. */
function titleOf({ questions }: TaskManagerView): string {
  return questions.length === 0 ? 'Task Manager' : `Task Manager (${questions.length})`;
}
