/**
 * Which snapshots leave a tier when room is needed. Pure: no clock, no files. First goes what is retained least,
 * then what its owner needs latest, then what was not used for longest. A newcomer never drives out what is worth
 * more than itself.
 */

import { z } from 'zod';

/** How much it is worth to keep something, and for how long after its last use that holds. */
export const retentionSchema = z.strictObject({
  /** 0 goes first, 100 last. */
  priority: z.int().min(0).max(100),
  /** Counted from the last use; `null` is for ever. After it the priority is at most the usual one. */
  durationMs: z.number().min(0).nullable(),
});
export type Retention = z.infer<typeof retentionSchema>;

export const usualRetention: Retention = { priority: 35, durationMs: null };

export interface Evictable {
  readonly key: string;
  readonly bytes: number;
  readonly retention: Retention;
  readonly lastUsed: number;
  /** Steps until its owner is expected to run: 0 is at once, `Infinity` never again. */
  readonly stepsUntilRun: number;
}

export function priorityAt({ retention, lastUsed }: Evictable, now: number): number {
  const { priority, durationMs } = retention;
  const holds = durationMs === null || now - lastUsed <= durationMs;
  return holds ? priority : Math.min(priority, usualRetention.priority);
}

/** Negative when `a` goes before `b`. */
export function compareWorth(a: Evictable, b: Evictable, now: number): number {
  const byPriority = priorityAt(a, now) - priorityAt(b, now);
  if (byPriority !== 0) return byPriority;
  if (a.stepsUntilRun !== b.stepsUntilRun) return a.stepsUntilRun > b.stepsUntilRun ? -1 : 1;
  return a.lastUsed - b.lastUsed;
}

export interface EvictionRequest {
  readonly resident: readonly Evictable[];
  /** What wants in; nothing where only the quota is to be kept. */
  readonly newcomer?: Evictable;
  readonly quotaBytes: number;
  readonly now: number;
}

/** Who must go so that the newcomer fits, the least worth first; `undefined` when it must not come in. */
export function chooseVictims(request: EvictionRequest): readonly Evictable[] | undefined {
  const { resident, newcomer, quotaBytes, now } = request;
  let excess = (newcomer?.bytes ?? 0) - quotaBytes;
  for (const { bytes } of resident) excess += bytes;
  const victims: Evictable[] = [];
  for (const candidate of [...resident].sort((a, b) => compareWorth(a, b, now))) {
    if (excess <= 0) break;
    if (newcomer !== undefined && compareWorth(newcomer, candidate, now) < 0) return undefined;
    victims.push(candidate);
    excess -= candidate.bytes;
  }
  return excess <= 0 ? victims : undefined;
}
