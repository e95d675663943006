/**
 * Who pays for a device step: its measured time, shared out to those that were part of it, goes to their usage, their
 * share of the device and their budgets. The sum of what is charged is what was measured.
 */

import type { FairQueue } from './fairQueue.js';
import type { Residency } from './residency.js';
import type { StepCost } from './stepCost.js';
import type { PlannedWork } from './stepPlan.js';

export interface Books {
  readonly cost: StepCost;
  readonly queue: FairQueue;
  readonly residency: Residency;
}

export function chargeStep(
  plan: readonly PlannedWork[],
  ms: number,
  { cost, queue, residency }: Books,
): void {
  const counts = plan.map(({ count }) => count);
  const shares = cost.shareOut(ms, counts);
  for (const [index, { job, count, slot }] of plan.entries()) {
    const share = shares[index] ?? 0;
    const { usage, entity, budgets } = job.client;
    // What is computed to be moved is a part of the move.
    if (job.insertion !== undefined) usage.swapMs += share;
    else if (count === 1) usage.decodeMs += share;
    else [usage.prefillMs, usage.prefillTokens] = [usage.prefillMs + share, usage.prefillTokens + count];
    // Whoever was released in the middle of the step holds nothing any more.
    usage.residentTokens = residency.slotOf(job.client) === slot ? slot.length : 0;
    queue.charge(entity, share);
    for (const budget of budgets ?? []) budget.charge({ deviceMs: share });
  }
  const decodes = counts.filter((count) => count === 1).length;
  const prefillTokens = counts.reduce((sum, count) => sum + count, 0) - decodes;
  cost.observe({ prefillTokens, decodes, ms });
}
