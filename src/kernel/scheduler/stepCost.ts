/**
 * How long a step takes on this device, learnt from the steps that ran: a fixed part for the step and its decoded
 * tokens, and a part that grows with prefilled tokens. Estimates follow the device (heat, other load) by
 * exponential averages. Pure arithmetic on what it is told.
 */

const smoothing = 0.2;

/** Before anything was measured a token is taken to be slow, so that the first slice is short. */
const initialPrefillMsPerToken = 2;
const initialDecodeStepMs = 20;

export class StepCost {
  #prefillMsPerToken = initialPrefillMsPerToken;
  #decodeStepMs = initialDecodeStepMs;

  get prefillMsPerToken(): number {
    return this.#prefillMsPerToken;
  }

  /** Time of a step that only decodes, whatever the number of sequences: a batch shares one pass over the weights. */
  get decodeStepMs(): number {
    return this.#decodeStepMs;
  }

  /** Learns from one step. */
  observe(step: { readonly prefillTokens: number; readonly decodes: number; readonly ms: number }): void {
    if (step.prefillTokens === 0) {
      this.#decodeStepMs += smoothing * (step.ms - this.#decodeStepMs);
      return;
    }
    const decodeMs = step.decodes === 0 ? 0 : Math.min(this.#decodeStepMs, step.ms);
    const perToken = (step.ms - decodeMs) / step.prefillTokens;
    this.#prefillMsPerToken += smoothing * (perToken - this.#prefillMsPerToken);
  }

  /** How many tokens may be prefilled in a step that also decodes, within `budgetMs`. */
  prefillTokensWithin(budgetMs: number, decodes: number): number {
    const left = budgetMs - (decodes === 0 ? 0 : this.#decodeStepMs);
    return Math.max(0, Math.floor(left / Math.max(this.#prefillMsPerToken, 1e-3)));
  }

  /** Device time of a step shared out to its parts, in proportion to what each would cost; sums to `ms`. */
  shareOut(ms: number, tokenCounts: readonly number[]): number[] {
    const decodes = tokenCounts.filter((count) => count === 1).length;
    const costs = tokenCounts.map((count) =>
      count === 1 ? this.#decodeStepMs / decodes : count * this.#prefillMsPerToken,
    );
    const sum = costs.reduce((total, cost) => total + cost, 0);
    return costs.map((cost) => (sum > 0 ? (ms * cost) / sum : ms / tokenCounts.length));
  }
}
