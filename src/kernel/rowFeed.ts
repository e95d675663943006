/**
 * Tells clients what changed, without drowning them: rows and streamed text are collected and sent a few times a
 * second, one event for many tokens. What an exit shows is sent before anybody's `wait` is answered.
 */

import { outputIntervalMs, rowUpdateIntervalMs } from '../shared/limits.js';
import type { KernelEvents, Pid } from '../shared/protocol.js';
import type { Agent } from './agent/agent.js';

export type Emit = <K extends keyof KernelEvents>(name: K, payload: KernelEvents[K]) => void;

export class RowFeed {
  readonly #emit: Emit;
  readonly #changed = new Set<Agent>();
  readonly #text = new Map<Pid, string>();
  #rowTimer: NodeJS.Timeout | undefined;
  #textTimer: NodeJS.Timeout | undefined;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  agentChanged(agent: Agent): void {
    this.#changed.add(agent);
    this.#rowTimer ??= setTimeout(() => this.#flushRows(), rowUpdateIntervalMs);
  }

  textProduced(agent: Agent, text: string): void {
    this.#text.set(agent.pid, (this.#text.get(agent.pid) ?? '') + text);
    this.#textTimer ??= setTimeout(() => this.#flushText(), outputIntervalMs);
  }

  /** Sends everything now. */
  flush(): void {
    this.#flushText();
    this.#flushRows();
  }

  #flushRows(): void {
    clearTimeout(this.#rowTimer);
    this.#rowTimer = undefined;
    if (this.#changed.size === 0) return;
    const rows = [...this.#changed].map((agent) => agent.row());
    this.#changed.clear();
    this.#emit('agentsChanged', { rows });
  }

  #flushText(): void {
    clearTimeout(this.#textTimer);
    this.#textTimer = undefined;
    const pieces = [...this.#text];
    this.#text.clear();
    for (const [pid, text] of pieces) this.#emit('output', { pid, text });
  }
}
