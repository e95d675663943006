/**
 * How much of a journal still counts: the lines of live agents and of kept reports. The rest is garbage, and when
 * there is enough of it the journal is worth writing anew. An estimate that costs nothing, not an account.
 */

import { maxKeptReports } from '../../shared/limits.js';
import type { Pid } from '../../shared/protocol.js';
import type { JournalRecord } from './records.js';

/** Less than this is not worth a rewrite, whatever its share. */
const minGarbageBytes = 1_000_000;

export class LiveBytes {
  readonly #agents = new Map<Pid, number>();
  readonly #reports = new Map<Pid, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** A line was written. */
  add(record: JournalRecord, bytes: number): void {
    if (!('pid' in record)) return;
    const { pid, type } = record;
    if (type === 'exited') {
      this.#drop(this.#agents, pid);
      this.#drop(this.#reports, pid);
      this.#count(this.#reports, pid, bytes);
      const oldest = this.#reports.keys().next().value;
      if (this.#reports.size > maxKeptReports && oldest !== undefined) this.#drop(this.#reports, oldest);
    } else if (type === 'spawned' || this.#agents.has(pid)) {
      this.#count(this.#agents, pid, bytes);
    }
  }

  isWorthRewriting(fileBytes: number): boolean {
    const garbage = fileBytes - this.#total;
    return garbage > minGarbageBytes && garbage > fileBytes / 2;
  }

  #count(map: Map<Pid, number>, pid: Pid, bytes: number): void {
    map.set(pid, (map.get(pid) ?? 0) + bytes);
    this.#total += bytes;
  }

  #drop(map: Map<Pid, number>, pid: Pid): void {
    this.#total -= map.get(pid) ?? 0;
    map.delete(pid);
  }
}
