/**
 * Learns how long readings of attention take from how long the last ones took: a part that every reading costs, and a
 * part that grows with the state. Says whether another one fits its budget. Pure but for what it has learnt.
 */

/** Readings that it knows: enough to tell both parts apart, few enough to follow a busy machine. */
const memory = 8;

interface Sample {
  readonly tokens: number;
  readonly ms: number;
}

export class ReadingCost {
  readonly #samples: Sample[] = [];

  /** @param ms how long it took, or at least took when nobody waited any longer */
  learn(tokens: number, ms: number): void {
    this.#samples.push({ tokens, ms });
    if (this.#samples.length > memory) this.#samples.shift();
  }

  /** Whether it is expected to fit. A refusal forgets the oldest reading, so what was an accident is tried again. */
  admits(tokens: number, budgetMs: number): boolean {
    const fits = this.estimateMs(tokens) <= budgetMs;
    if (!fits) this.#samples.shift();
    return fits;
  }

  /** By least squares; 0 as long as nothing is known. Neither part is ever negative. */
  estimateMs(tokens: number): number {
    const count = this.#samples.length;
    if (count === 0) return 0;
    const mean = (of: (sample: Sample) => number): number =>
      this.#samples.reduce((sum, sample) => sum + of(sample), 0) / count;
    const size = mean((sample) => sample.tokens);
    const ms = mean((sample) => sample.ms);
    const spread = mean((sample) => (sample.tokens - size) ** 2);
    const slope = spread > 0 ? mean((sample) => (sample.tokens - size) * (sample.ms - ms)) / spread : 0;
    const growing = Math.min(Math.max(0, slope), size > 0 ? ms / size : 0);
    return Math.max(0, ms + growing * (tokens - size));
  }
}
