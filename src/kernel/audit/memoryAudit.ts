/** The audit of a kernel that keeps nothing: its last entries, in memory, gone with the kernel. */

import type { Audit, AuditEntry } from './audit.js';

const keptEntries = 10_000;

export class MemoryAudit implements Audit {
  readonly #entries: AuditEntry[] = [];
  #next = 0;

  record(entry: AuditEntry): Promise<void> {
    this.#entries[this.#next++ % keptEntries] = entry;
    return Promise.resolve();
  }

  /** Oldest first. */
  get entries(): readonly AuditEntry[] {
    const start = this.#next % keptEntries;
    return this.#next <= keptEntries
      ? [...this.#entries]
      : [...this.#entries.slice(start), ...this.#entries.slice(0, start)];
  }
}
