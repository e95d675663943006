/**
 * Adds up rows of attention weights as the engine computes them, layer by layer, and checks that they are what they
 * are taken for: each row sums to 1, and no token attends to one after it. Pure. What fails a check is never averaged.
 */

/** How far the sum of a row may be from 1. */
const tolerance = 1e-3;

export class AttentionRows {
  readonly #cells: number;
  readonly #probed: number;
  readonly #sum: Float64Array;
  #rows = 0;
  #fault: string | undefined;

  /** @param cells those before the probed tokens; the probed ones have the cells that follow */
  constructor(cells: number, probed: number) {
    this.#cells = cells;
    this.#probed = probed;
    this.#sum = new Float64Array(cells + probed);
  }

  /** One layer: for each head, for each probed token, one weight for each of `width` cells; unused cells are last. */
  add(weights: Float32Array, width: number): void {
    const perHead = width * this.#probed;
    if (width < this.#sum.length || weights.length === 0 || weights.length % perHead !== 0) {
      this.#fault ??= `a layer has ${weights.length} weights in rows of ${width}`;
      return;
    }
    for (let row = 0; row * width < weights.length; row++) {
      this.#addRow(weights.subarray(row * width, (row + 1) * width), row % this.#probed);
    }
  }

  #addRow(row: Float32Array, token: number): void {
    const seen = this.#cells + token + 1;
    let total = 0;
    for (let cell = 0; cell < seen; cell++) {
      const weight = row[cell] ?? 0;
      total += weight;
      this.#sum[cell] = (this.#sum[cell] ?? 0) + weight;
    }
    this.#rows++;
    // Written so that what is not a number fails as well.
    if (!(Math.abs(total - 1) <= tolerance)) this.#fault ??= `a row of attention sums to ${total.toFixed(4)}`;
    for (let cell = seen; cell < row.length; cell++) {
      if (row[cell] !== 0)
        this.#fault ??= `a token attends to cell ${cell}, which is after its own, ${seen - 1}`;
    }
  }

  /** What each cell received, on average over all rows; or why that is not known. */
  mean(): Float32Array | string {
    if (this.#fault !== undefined) return this.#fault;
    if (this.#rows === 0) return 'the engine showed no layer of attention';
    return Float32Array.from(this.#sum, (sum) => sum / this.#rows);
  }
}
