/**
 * The status bar item: how many agents run and how fast, or how many need a person. A click leads to what it says.
 */

import * as vscode from 'vscode';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import type { FleetMonitor } from './fleetMonitor.js';
import { statusOf } from './statusText.js';

export class StatusBar implements Disposable {
  readonly #item = vscode.window.createStatusBarItem('agents', vscode.StatusBarAlignment.Left, 0);
  readonly #monitor: FleetMonitor;
  readonly #store = new DisposableStore();

  constructor(monitor: FleetMonitor) {
    this.#monitor = monitor;
    this.#item.name = 'Agents';
    this.#store.add(this.#item);
    this.#store.add(monitor.onDidChange(() => this.#show()));
    this.#show();
    this.#item.show();
  }

  dispose(): void {
    this.#store.dispose();
  }

  #show(): void {
    const { text, tooltip, needsPerson } = statusOf(this.#monitor.status());
    this.#item.text = text;
    this.#item.tooltip = tooltip;
    this.#item.command = `agenticMicrokernel.${needsPerson ? 'review' : 'openTaskManager'}`;
    this.#item.backgroundColor = needsPerson
      ? new vscode.ThemeColor('statusBarItem.warningBackground')
      : undefined;
  }
}
