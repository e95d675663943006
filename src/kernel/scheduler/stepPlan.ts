/**
 * What one device step does: who decodes a token, and whose prompt advances by how much. Pure.
 *
 * A step is the only safe point, so its length is the latency of everybody who arrives meanwhile: prefill slices
 * are cut so that a step stays within the target of the most urgent agent in it. And no prompt of a less urgent
 * class joins a step of a more urgent one, since one long prompt would slow every token of a short answer.
 */

import type { Slot } from '../../hal/driver.js';
import type { Job } from './job.js';
import type { StepCost } from './stepCost.js';
import { classTraits } from './weight.js';

export interface Candidate {
  readonly job: Job;
  readonly slot: Slot;
  /** Tokens of the turn that are not resident yet. At least one. */
  readonly missing: number;
}

export interface PlannedWork extends Candidate {
  readonly count: number;
}

/** The shortest slice worth a step: below it the fixed cost of a step dominates. */
const minimumSliceTokens = 16;

/** @param candidates in order of urgency, all with a slot */
export function planStep(
  candidates: readonly Candidate[],
  cost: StepCost,
  batchTokens: number,
): PlannedWork[] {
  const lead = Math.min(...candidates.map(({ job }) => job.urgency));
  const target = Math.min(...candidates.map(({ job }) => classTraits[job.client.entity.class].stepTargetMs));
  const decodes = candidates.filter(({ missing }) => missing === 1).slice(0, batchTokens);
  const room = batchTokens - decodes.length;
  let budget = Math.min(room, Math.max(minimumSliceTokens, cost.prefillTokensWithin(target, decodes.length)));
  const plan: PlannedWork[] = decodes.map((candidate) => ({ ...candidate, count: 1 }));
  for (const candidate of candidates) {
    if (candidate.missing === 1 || candidate.job.urgency > lead) continue;
    const count = Math.min(candidate.missing, budget);
    if (count < 2) continue;
    plan.push({ ...candidate, count });
    budget -= count;
  }
  return plan;
}
