/**
 * Limits on what an agent or a user may use in all: tokens that it generates, and time on the device. A budget only
 * counts and says when it is used up, and which part of it; whoever charges it decides what then happens. Pure.
 */

import { invariant } from '../../shared/errors.js';

/** What is left out is not limited. */
export interface BudgetLimits {
  readonly tokens?: number;
  readonly deviceMs?: number;
}

export interface Spending {
  readonly tokens: number;
  readonly deviceMs: number;
}

export class Budget {
  readonly #owner: string;
  #limits: BudgetLimits;
  #tokens = 0;
  #deviceMs = 0;

  /** @param owner as it stands in a sentence: `agent scout`, `user alice` */
  constructor(owner: string, limits: BudgetLimits = {}) {
    this.#owner = owner;
    this.#limits = checked(limits);
  }

  get spent(): Spending {
    return { tokens: this.#tokens, deviceMs: this.#deviceMs };
  }

  /** What is left; infinite where there is no limit, never negative. */
  get left(): Spending {
    const { tokens = Infinity, deviceMs = Infinity } = this.#limits;
    return { tokens: Math.max(0, tokens - this.#tokens), deviceMs: Math.max(0, deviceMs - this.#deviceMs) };
  }

  /** One sentence that says which limit is used up; undefined while there is something left of each. */
  get exhaustion(): string | undefined {
    const { tokens, deviceMs } = this.#limits;
    if (this.left.tokens === 0) return `${this.#owner} has generated its ${tokens ?? 0} tokens`;
    if (this.left.deviceMs === 0) {
      return `${this.#owner} has used its ${((deviceMs ?? 0) / 1000).toFixed(1)} s of device time`;
    }
    return undefined;
  }

  /** What was used is used, beyond the limit too: a step is not undone. Time that went backwards is 0. */
  charge({ tokens = 0, deviceMs = 0 }: Partial<Spending>): void {
    invariant(Number.isInteger(tokens) && tokens >= 0, `${this.#owner} generates tokens, not ${tokens}`);
    invariant(Number.isFinite(deviceMs), `${this.#owner} is charged a number, not ${deviceMs}`);
    this.#tokens += tokens;
    this.#deviceMs += Math.max(0, deviceMs);
  }

  /** Takes effect on what was spent already, too. */
  setLimits(limits: BudgetLimits): void {
    this.#limits = checked(limits);
  }
}

/** The first budget that is used up, in words: an agent stops at its own, and at its user's. */
export function exhaustionOf(budgets: readonly Budget[]): string | undefined {
  return budgets.find(({ exhaustion }) => exhaustion !== undefined)?.exhaustion;
}

function checked(limits: BudgetLimits): BudgetLimits {
  for (const [name, limit] of Object.entries(limits) as [string, number][]) {
    invariant(limit >= 0, `the limit ${name} is a number from 0, not ${limit}`);
  }
  return limits;
}
