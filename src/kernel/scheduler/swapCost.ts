/**
 * How long attention state takes to leave a slot and to come back, learnt from the moves that were made: a fixed
 * part and a part that grows with its size. Pure arithmetic on what it is told.
 */

const smoothing = 0.2;

/** Opening a file, waking the engine's thread. */
const fixedMs = 0.5;

/** Before anything was measured: a gigabyte a second. */
const initialMsPerByte = 1e-6;

export type MoveDirection = 'save' | 'load';

export class SwapCost {
  readonly #msPerByte: Partial<Record<MoveDirection, number>> = {};

  ms(direction: MoveDirection, bytes: number): number {
    return fixedMs + bytes * (this.#msPerByte[direction] ?? initialMsPerByte);
  }

  /** Out and in again. */
  roundTripMs(bytes: number): number {
    return this.ms('save', bytes) + this.ms('load', bytes);
  }

  observe(direction: MoveDirection, bytes: number, ms: number): void {
    if (bytes <= 0) return;
    const measured = Math.max(0, ms - fixedMs) / bytes;
    const before = this.#msPerByte[direction] ?? measured;
    this.#msPerByte[direction] = before + smoothing * (measured - before);
  }
}
