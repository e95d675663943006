/**
 * One act in the audit log: an entry before it is done and one for what came of it. An act that never began, since it
 * was refused or could not be done, has one entry that says so. The end is written down if it can be; the beginning
 * must be.
 */

import { KernelError } from '../../shared/errors.js';
import { nextAct, type Audit, type AuditEntry } from './audit.js';

export type ActFacts = Omit<AuditEntry, 'phase' | 'act' | 'result' | 'ms'>;

export class ActRecord {
  readonly #audit: Audit;
  readonly #facts: ActFacts;
  readonly #act = nextAct();
  #startedAt: number | undefined;

  constructor(audit: Audit, facts: ActFacts) {
    this.#audit = audit;
    this.#facts = facts;
  }

  /** @throws KernelError `storageFull`, `storageFailed`; then it must not be done */
  async begin(more: Partial<ActFacts> & Pick<AuditEntry, 'result'> = {}): Promise<void> {
    await this.#audit.record({ ...this.#facts, ...more, phase: 'begin', act: this.#act });
    this.#startedAt = performance.now();
  }

  /** Done, or failed in the middle; refused, where it never began. Nobody waits for the disk. */
  end(error?: unknown): void {
    const result = error === undefined ? 'ok' : error instanceof KernelError ? error.code : 'bug';
    const detail = error instanceof KernelError && error.code !== 'bug' ? { detail: error.message } : {};
    const act = this.#act;
    const startedAt = this.#startedAt;
    const entry: AuditEntry =
      startedAt === undefined
        ? { ...this.#facts, kind: 'refusal', act, result, ...detail }
        : {
            ...this.#facts,
            phase: 'end',
            act,
            result,
            ms: Math.round(performance.now() - startedAt),
            ...detail,
          };
    this.#audit.record(entry).catch(() => undefined);
  }
}
