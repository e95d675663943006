/**
 * The extension's picture of the kernel's agents: the last row of each, over kernel restarts. It only mirrors what
 * the kernel said, and adds one thing that the kernel cannot say any more: which agents were lost with it.
 */

import { Emitter } from '../shared/emitter.js';
import type { AgentRow, Pid } from '../shared/protocol.js';
import type { AgentKey } from '../shared/taskManagerMessages.js';

/** Rows of ended agents that are kept. */
const maxKeptExited = 100;

export interface FleetAgent {
  readonly key: AgentKey;
  readonly row: AgentRow;
}

export const isLive = ({ row }: FleetAgent): boolean => row.state !== 'exited';

export class Fleet {
  readonly #agents = new Map<AgentKey, FleetAgent>();
  readonly #changed = new Emitter<undefined>();
  #generation = 0;

  readonly onDidChange = this.#changed.event;

  get agents(): readonly FleetAgent[] {
    return [...this.#agents.values()];
  }

  get live(): readonly FleetAgent[] {
    return this.agents.filter(isLive);
  }

  /** The agent behind a key, as long as the kernel that runs it is the present one. */
  findLive(key: AgentKey): FleetAgent | undefined {
    const agent = this.#agents.get(key);
    return agent !== undefined && isLive(agent) ? agent : undefined;
  }

  /** The agent behind a key, also when it has ended, as long as the present kernel can be asked about it. */
  findKnown(key: AgentKey): FleetAgent | undefined {
    const agent = this.#agents.get(key);
    return agent !== undefined && this.keyOf(agent.row.pid) === key ? agent : undefined;
  }

  keyOf(pid: Pid): AgentKey {
    return `${this.#generation}.${pid}`;
  }

  rowOf(pid: Pid): AgentRow | undefined {
    return this.#agents.get(this.keyOf(pid))?.row;
  }

  update(rows: readonly AgentRow[]): void {
    for (const row of rows) {
      const key = this.keyOf(row.pid);
      this.#agents.set(key, { key, row });
    }
    this.#forgetOldest();
    if (rows.length > 0) this.#changed.fire(undefined);
  }

  /** Agents that ended with their kernel, which cannot say so any more. */
  lose(rows: readonly AgentRow[], reason: string): void {
    this.update(
      rows.map((row) => ({ ...row, state: 'exited', outcome: 'failed', reason, kvBytes: 0, tier: 'none' })),
    );
  }

  /** Another kernel runs, which numbers its agents from 1 again. */
  beginGeneration(): void {
    this.#generation += 1;
  }

  clearExited(): void {
    for (const [key, agent] of this.#agents) {
      if (!isLive(agent)) this.#agents.delete(key);
    }
    this.#changed.fire(undefined);
  }

  /** Ended agents stay to be looked at, but not without end. */
  #forgetOldest(): void {
    const exited = this.agents.filter((agent) => !isLive(agent));
    for (const { key } of exited.slice(0, -maxKeptExited)) this.#agents.delete(key);
  }
}
