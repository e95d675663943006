/**
 * Agents whose kernel ended, until it is known what became of them: the next kernel goes on with them, or knows how
 * they ended, or does not know them, and then they are lost.
 */

import type { AgentRow, KernelCalls, Pid } from '../shared/protocol.js';

/** Calls the next kernel. */
type Call = <K extends 'list' | 'wait'>(
  name: K,
  input: KernelCalls[K]['in'],
) => Promise<KernelCalls[K]['out']>;

export interface Claimed {
  /** All that the next kernel has. */
  readonly rows: readonly AgentRow[];
  /** Those of them that were orphans, and live. */
  readonly resumed: readonly AgentRow[];
  /** Orphans that had exited just before their kernel did, so that nobody was told. */
  readonly ended: readonly AgentRow[];
}

export class Orphans {
  readonly #rows = new Map<Pid, AgentRow>();
  #reason = '';

  /** How their kernel ended. */
  get reason(): string {
    return this.#reason;
  }

  add(rows: readonly AgentRow[], reason: string): void {
    const live = rows.filter(({ state }) => state !== 'exited');
    for (const row of live) this.#rows.set(row.pid, row);
    if (live.length > 0) this.#reason = reason;
  }

  /** Asks the next kernel for them; whom it does not know stays. */
  async claim(call: Call): Promise<Claimed> {
    const rows = await call('list', null);
    const resumed = rows.filter(({ pid, state }) => this.#rows.delete(pid) && state !== 'exited');
    const asked = await Promise.all([...this.#rows.values()].map((row) => endOf(row, call)));
    const ended = asked.filter((row) => row !== undefined);
    for (const { pid } of ended) this.#rows.delete(pid);
    return { rows, resumed, ended };
  }

  /** Those that are lost; there are none afterwards. */
  take(): readonly AgentRow[] {
    const rows = [...this.#rows.values()];
    this.#rows.clear();
    return rows;
  }
}

async function endOf(row: AgentRow, call: Call): Promise<AgentRow | undefined> {
  try {
    const { state, error } = await call('wait', { pid: row.pid });
    return {
      ...row,
      state: 'exited',
      outcome: state,
      reason: error?.message ?? '',
      kvBytes: 0,
      tier: 'none',
    };
  } catch {
    return undefined;
  }
}
