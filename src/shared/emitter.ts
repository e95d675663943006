/** A typed event source: past facts, delivered in order, to listeners that cannot fail one another. */

import type { Disposable } from './lifecycle.js';

export type Listener<T> = (event: T) => void;

export class Emitter<T> {
  readonly #listeners = new Set<Listener<T>>();

  /** Subscribes until the result is disposed. */
  readonly event = (listener: Listener<T>): Disposable => {
    this.#listeners.add(listener);
    return { dispose: () => void this.#listeners.delete(listener) };
  };

  /** @throws the first listener's error, after every listener was called. */
  fire(event: T): void {
    const failures: unknown[] = [];
    for (const listener of [...this.#listeners]) {
      try {
        listener(event);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
