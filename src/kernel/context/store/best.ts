/**
 * The few best of many numbered things, of which each is looked at once. What does not get in costs one comparison.
 * Only what scores above 0 gets in; of equals, who came first. Pure.
 */

export class Best {
  readonly #limit: number;
  #found: [number: number, score: number][] = [];
  #least = 0;

  /** @param limit at least 1 */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** What scores no more than this does not get in. */
  get least(): number {
    return this.#least;
  }

  add(number: number, score: number): void {
    this.#found.push([number, score]);
    if (this.#found.length < 2 * this.#limit) return;
    this.#found = this.sorted();
    this.#least = this.#found.at(-1)?.[1] ?? 0;
  }

  /** Best first. */
  sorted(): [number: number, score: number][] {
    return this.#found.sort(([, a], [, b]) => b - a).slice(0, this.#limit);
  }
}
