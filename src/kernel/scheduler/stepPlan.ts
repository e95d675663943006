/**
 * What one device step does: who decodes a token, and whose prompt advances by how much. Pure.
 *
 * A step is the only safe point, so its length is the latency of everybody who arrives meanwhile: prefill slices
 * are cut so that a step stays within a part of the tightest latency target. Prompts and decoding share steps, since
 * a device that does both at once does more (chunked prefill: Agrawal et al., Sarathi-Serve, OSDI 2024); but where
 * somebody interactive computes, prompts of the less urgent get only what hardly slows it.
 */

import type { SchedulerSettings } from '../../shared/settings.js';
import type { Slot } from '../../hal/driver.js';
import type { Job } from './job.js';
import type { StepCost } from './stepCost.js';

export interface Candidate {
  readonly job: Job;
  readonly slot: Slot;
  /** Tokens of the turn that are not resident yet. At least one. */
  readonly missing: number;
}

export interface PlannedWork extends Candidate {
  readonly count: number;
}

export interface StepLimits {
  readonly cost: StepCost;
  /** The most tokens of one step. */
  readonly batchTokens: number;
  readonly targets: SchedulerSettings;
}

/** The shortest slice worth a step: below it the fixed cost of a step dominates. */
const minimumSliceTokens = 16;

/** Who arrives in the middle of a step waits for its end and then for its own prompt: half of the target for each. */
const stepOverTarget = 0.5;

/** Part of the target that a step may take while somebody interactive computes in it. */
const sharedOverTarget = 0.3;
/** And while prompts of others join it. */
const joinedOverTarget = 0.1;

/** @param candidates in order of urgency, all with a slot */
export function planStep(candidates: readonly Candidate[], limits: StepLimits): PlannedWork[] {
  const { cost, batchTokens, targets } = limits;
  const lead = Math.min(...candidates.map(({ job }) => job.urgency));
  const decoding = candidates.filter(({ missing }) => missing === 1).slice(0, batchTokens);
  const decodes = decoding.slice(0, Math.max(1, cost.bestBatch(decoding.length)));
  const plan: PlannedWork[] = decodes.map((candidate) => ({ ...candidate, count: 1 }));
  const room = batchTokens - decodes.length;
  const within = (part: number): number =>
    cost.prefillTokensWithin(targets.interactiveTargetMs * part, decodes.length);
  const isInteractive = lead === 0;
  const most = isInteractive ? sharedOverTarget : stepOverTarget;
  let budget = Math.min(room, Math.max(minimumSliceTokens, within(most)));
  const cut = (candidate: Candidate): void => {
    const count = Math.min(candidate.missing, budget);
    if (count < 2) return;
    plan.push({ ...candidate, count });
    budget -= count;
  };
  const prompts = candidates.filter(({ missing }) => missing > 1);
  prompts.filter(({ job }) => job.urgency === lead).forEach(cut);
  if (isInteractive) {
    const used = plan.reduce((sum, { count }) => sum + count, 0) - decodes.length;
    budget = Math.min(budget, within(joinedOverTarget) - used);
    if (budget < minimumSliceTokens) return plan;
  }
  prompts.filter(({ job }) => job.urgency !== lead).forEach(cut);
  return plan;
}
