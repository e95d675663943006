/**
 * Follows the kernel process for the editor: keeps the fleet true over its deaths, tells a person of a crash or a
 * failed start, and restarts it when a person or a changed engine setting asks for that. It never stops agents at
 * work without having asked.
 */

import * as vscode from 'vscode';
import type { KernelProcess, KernelState } from '../client/kernelProcess.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import type { AgentRow } from '../shared/protocol.js';
import type { Fleet } from './fleet.js';
import { describeCrash, describeRestart } from './kernelNews.js';
import { onDidChangeEngineSettings } from './settings.js';
import { showError } from './showError.js';

/** A settings file that is being typed changes several times. */
const settingsCalmMs = 500;

export class KernelWatch implements Disposable {
  readonly #kernel: KernelProcess;
  readonly #fleet: Fleet;
  readonly #store = new DisposableStore();
  #lost: readonly AgentRow[] = [];
  #resumed: readonly AgentRow[] = [];
  /** Why the kernel died unasked, until the next one runs. */
  #crash: string | undefined;
  #isAsked = false;
  /** Engine settings changed while agents were at work, and the kernel was left as it is. */
  #isStale = false;
  #calm: NodeJS.Timeout | undefined;

  constructor(kernel: KernelProcess, fleet: Fleet) {
    this.#kernel = kernel;
    this.#fleet = fleet;
    this.#store.add(kernel.on('agentsChanged', ({ rows }) => this.#update(rows)));
    this.#store.add(
      kernel.on('agentsLost', ({ rows, reason }) => {
        this.#lost = rows;
        fleet.lose(rows, reason);
      }),
    );
    this.#store.add(kernel.on('agentsResumed', ({ rows }) => (this.#resumed = rows)));
    this.#store.add(kernel.on('stateChanged', (state) => this.#follow(state)));
    this.#store.add(onDidChangeEngineSettings(() => this.settingsChanged()));
    this.#store.defer(() => clearTimeout(this.#calm));
  }

  dispose(): void {
    this.#store.dispose();
  }

  /** Restarts the kernel; asks first when agents are at work. A failed start is told by its state. */
  async restart(): Promise<void> {
    if (this.#fleet.live.length > 0) {
      const restart = this.#keepsAgents ? 'Restart' : 'Restart and Stop Them';
      const message = `Restart the kernel? ${this.#describeRestart()}`;
      const chosen = await vscode.window.showWarningMessage(message, restart);
      if (chosen !== restart) return;
    }
    await this.#restartNow();
  }

  /** Something that a kernel is started with has changed: the next one has it, as soon as nobody is in its way. */
  settingsChanged(): void {
    clearTimeout(this.#calm);
    this.#calm = setTimeout(() => void this.#applySettings(), settingsCalmMs);
  }

  async #restartNow(): Promise<void> {
    this.#isAsked = true;
    this.#isStale = false;
    await this.#kernel.restart().catch(() => undefined);
  }

  #update(rows: readonly AgentRow[]): void {
    this.#fleet.update(rows);
    if (this.#isStale && this.#fleet.live.length === 0) void this.#restartNow();
  }

  #follow(state: KernelState): void {
    if (state.name === 'restarting' && !this.#isAsked) this.#crash = state.reason;
    if (state.name === 'failed') showError(state.error);
    if (state.name === 'running') {
      // Where agents are kept, a pid is never given twice.
      if (!state.info.keepsAgents) this.#fleet.beginGeneration();
      if (this.#crash !== undefined) {
        void tellCrash(describeCrash(this.#crash, { resumed: this.#resumed, lost: this.#lost }));
      }
    }
    if (state.name === 'running' || state.name === 'failed') {
      this.#crash = undefined;
      this.#isAsked = false;
      this.#lost = [];
      this.#resumed = [];
    }
  }

  get #keepsAgents(): boolean {
    const { state } = this.#kernel;
    return state.name === 'running' && state.info.keepsAgents;
  }

  #describeRestart(): string {
    const live = this.#fleet.live.map(({ row }) => row);
    return describeRestart(live, this.#keepsAgents);
  }

  /** A kernel that was never needed reads the settings when it is. */
  async #applySettings(): Promise<void> {
    if (this.#kernel.state.name === 'stopped') return;
    if (this.#fleet.live.length === 0) return this.#restartNow();
    this.#isStale = true;
    const restart = 'Restart Now';
    const message = `The changed settings count when the kernel restarts. ${this.#describeRestart()}`;
    const chosen = await vscode.window.showInformationMessage(message, restart, 'When They Are Done');
    if (chosen === restart) await this.#restartIfStale();
  }

  /** An answer may come when the agents have ended and the kernel was restarted already. */
  async #restartIfStale(): Promise<void> {
    if (this.#isStale) await this.#restartNow();
  }
}

async function tellCrash(news: string): Promise<void> {
  const showLog = 'Show Log';
  const chosen = await vscode.window.showWarningMessage(news, showLog);
  if (chosen === showLog) await vscode.commands.executeCommand('agenticMicrokernel.showLog');
}
