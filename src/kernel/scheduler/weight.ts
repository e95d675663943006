/**
 * Nice values to weights, and what a priority class means to the scheduler. Pure data, no state.
 *
 * Source of the table: Linux, kernel/sched/core.c, `sched_prio_to_weight`: one nice level is about 10 % of device
 * time between two agents, a factor of 1.25 in weight.
 */

import type { PriorityClass } from '../../shared/agentDefinition.js';
import { invariant } from '../../shared/errors.js';

const weights = [
  88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904, 3906, 3121,
  2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87, 70, 56, 45, 36, 29, 23,
  18, 15,
] as const;

const niceZeroIndex = 20;

/** Weight of a nice value, scaled so that nice 0 weighs 1. */
export function weightOf(nice: number): number {
  const weight = weights[nice + niceZeroIndex];
  invariant(weight !== undefined, `nice ${nice}`);
  return weight / weights[niceZeroIndex];
}

/** The weight of a user that nobody gave another. */
export const defaultUserWeight = 1;

/** The classes, the most urgent first. */
export const byUrgency: readonly PriorityClass[] = ['interactive', 'normal', 'batch'];

export interface ClassTraits {
  /**
   * Device time an agent asks for at once, in ms. A shorter request has an earlier virtual deadline, so its owner
   * waits less and is interrupted more: EEVDF's way to trade latency for throughput without giving away share.
   */
  readonly requestMs: number;
  /**
   * How far an agent may run ahead of its fair share, in ms of device time. It lets an interactive agent finish a
   * short answer at once, and keeps batches full where one agent's prompt costs more than another's tokens; the debt
   * stays with the agent, so a long one ends at its share like everybody.
   */
  readonly burstMs: number;
}

export const classTraits: Readonly<Record<PriorityClass, ClassTraits>> = {
  interactive: { requestMs: 10, burstMs: 2_000 },
  normal: { requestMs: 100, burstMs: 100 },
  batch: { requestMs: 1_000, burstMs: 100 },
};
