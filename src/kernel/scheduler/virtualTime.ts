/**
 * The virtual time of a queue: the weighted mean of its members' virtual run times. Kept as a sum relative to a base
 * near the mean, so that its error does not grow with the time the queue is busy. Pure arithmetic.
 */

export class VirtualTime {
  #members = 0;
  #weight = 0;
  /** Sum over the members of weight × (virtual run time − base). */
  #weighted = 0;
  #base = 0;

  constructor(start: number) {
    this.#base = start;
  }

  /** The mean; the last one while there are no members. */
  get now(): number {
    return this.#members === 0 ? this.#base : this.#base + this.#weighted / this.#weight;
  }

  get members(): number {
    return this.#members;
  }

  /** Of all members. */
  get weight(): number {
    return this.#weight;
  }

  enter(weight: number, vruntime: number): void {
    this.#members++;
    this.#weight += weight;
    this.#weighted += weight * (vruntime - this.#base);
  }

  leave(weight: number, vruntime: number): void {
    const last = this.now;
    this.#members--;
    this.#weight -= weight;
    this.#weighted -= weight * (vruntime - this.#base);
    if (this.#members === 0) [this.#base, this.#weight, this.#weighted] = [last, 0, 0];
  }

  /** A member's virtual run time grew. */
  advance(weight: number, by: number): void {
    this.#weighted += weight * by;
    const base = this.now;
    this.#weighted -= this.#weight * (base - this.#base);
    this.#base = base;
  }
}
