/**
 * What the audit log is told, and by whom it can be asked to remember. One entry for every act (a syscall, a tool
 * call, a host call) before it is done and one for what came of it, and one for every fact about a right: prompt,
 * decision, grant, use, revocation, refusal. Whoever cannot have an act recorded must not do it. Arguments are in an
 * entry only where they are the scope that a person was shown; of everything else there is a digest.
 */

import { createHash } from 'node:crypto';

/** `log` is what the log says of itself: that a kernel began or ended it, or what was found when it was opened. */
export const auditKinds = [
  ...(['log', 'syscall', 'toolCall', 'hostCall', 'prompt', 'decision'] as const),
  ...(['grant', 'use', 'revocation', 'refusal'] as const),
] as const;
export type AuditKind = (typeof auditKinds)[number];

export interface AuditEntry {
  readonly kind: AuditKind;
  /** `begin` is written before the act. A `refusal` and the facts about rights have no phase. */
  readonly phase?: 'begin' | 'end';
  /** The same for the two entries of one act, within one kernel. */
  readonly act?: number;
  readonly pid?: number;
  readonly agent?: string;
  /** Who wanted it where that is no agent: `client`, `control`, or how a grant came to be. */
  readonly client?: string;
  readonly tool?: string;
  /** The syscall, the host function or the capability. */
  readonly what: string;
  /** The path or command that it is about, as a grant would say it. */
  readonly scope?: string;
  /** Of the arguments. */
  readonly digest?: string;
  readonly grant?: number;
  /** How it was decided, or `ok`, or an error code. */
  readonly result?: string;
  readonly detail?: string;
  readonly ms?: number;
}

export interface Audit {
  /**
   * Resolves when the entry is written: with the operating system for what only reads, on the disk for all that
   * changes something.
   * @throws KernelError `storageFull`, `storageFailed`; then what was to be recorded must not be done
   */
  record(entry: AuditEntry): Promise<void>;
}

/** Numbers of acts, so that the two entries of one can be told to belong together. */
let acts = 0;
export const nextAct = (): number => ++acts;

export function digestOf(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The one spelling of a value: keys in order, nothing undefined, no blanks. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`);
  return `{${fields.join(',')}}`;
}
