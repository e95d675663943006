/**
 * How long a step takes on this device, learnt from the steps that ran: a part for the sequences that decode, which
 * depends on how many they are, and a part that grows with prefilled tokens. Estimates follow the device (heat, other
 * load) by exponential averages. Pure arithmetic on what it is told.
 */

const smoothing = 0.2;

/** Before anything was measured a token is taken to be slow, so that the first slice is short. */
const initialPrefillMsPerToken = 2;
const initialDecodeStepMs = 20;

/** A larger batch must be better by this much: below it is noise. */
const minimumGain = 1.02;
const looksAgainAfter = 32;
const triesAllAfter = 256;

export interface StepSample {
  readonly prefillTokens: number;
  /** Sequences that decoded one token. */
  readonly decodes: number;
  readonly ms: number;
}

export class StepCost {
  #prefillMsPerToken = initialPrefillMsPerToken;
  /** Index: number of sequences. Holes where nothing was measured. */
  readonly #decodeMs: (number | undefined)[] = [];
  #best = { most: 0, batch: 1, asked: 0 };

  get prefillMsPerToken(): number {
    return this.#prefillMsPerToken;
  }

  /** Time of a step in which `sequences` decode a token and nothing else happens. */
  decodeStepMs(sequences: number): number {
    let [below, above] = [sequences, sequences];
    while (below > 0 && this.#decodeMs[below] === undefined) below--;
    while (above < this.#decodeMs.length && this.#decodeMs[above] === undefined) above++;
    const [low, high] = [this.#decodeMs[below], this.#decodeMs[above]];
    if (low === undefined || high === undefined) return low ?? high ?? initialDecodeStepMs;
    return above === below ? low : low + ((sequences - below) / (above - below)) * (high - low);
  }

  /**
   * How many of `most` sequences should decode at once: as many as raise the tokens a second of all. What was not
   * measured is taken to be no slower, and from time to time all of them are tried, so that an estimate that was
   * once spoilt by other load does not stay.
   */
  bestBatch(most: number): number {
    const { asked } = this.#best;
    if (most !== this.#best.most || asked % looksAgainAfter === 0) {
      this.#best = { most, batch: this.#searchBestBatch(most), asked };
    }
    this.#best.asked++;
    return asked % triesAllAfter === triesAllAfter - 1 ? most : this.#best.batch;
  }

  #searchBestBatch(most: number): number {
    let best = 1;
    let rate = 1 / this.decodeStepMs(1);
    for (let count = 2; count <= most; count++) {
      const other = count / this.decodeStepMs(count);
      if (other > rate * minimumGain) [best, rate] = [count, other];
    }
    return best;
  }

  /** Learns from one step. */
  observe({ prefillTokens, decodes, ms }: StepSample): void {
    if (prefillTokens === 0) {
      const before = this.#decodeMs[decodes];
      this.#decodeMs[decodes] = before === undefined ? ms : before + smoothing * (ms - before);
      return;
    }
    const decodeMs = decodes === 0 ? 0 : Math.min(this.decodeStepMs(decodes), ms);
    const perToken = (ms - decodeMs) / prefillTokens;
    this.#prefillMsPerToken += smoothing * (perToken - this.#prefillMsPerToken);
  }

  /** How many tokens may be prefilled in a step that also decodes, within `budgetMs`. */
  prefillTokensWithin(budgetMs: number, decodes: number): number {
    const left = budgetMs - (decodes === 0 ? 0 : this.decodeStepMs(decodes));
    return Math.max(0, Math.floor(left / Math.max(this.#prefillMsPerToken, 1e-3)));
  }

  /** Device time of a step shared out to its parts, in proportion to what each would cost; sums to `ms`. */
  shareOut(ms: number, tokenCounts: readonly number[]): number[] {
    const decodes = tokenCounts.filter((count) => count === 1).length;
    const decodeMs = this.decodeStepMs(decodes) / Math.max(1, decodes);
    const costs = tokenCounts.map((count) => (count === 1 ? decodeMs : count * this.#prefillMsPerToken));
    const sum = costs.reduce((total, cost) => total + cost, 0);
    return costs.map((cost) => (sum > 0 ? (ms * cost) / sum : ms / tokenCounts.length));
  }
}
