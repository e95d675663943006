/**
 * Copies of attention state for whoever keeps it beyond the scheduler's slots. They are asked for at any time and
 * taken at the scheduler's safe points, one at a time, and only where they fit the time that the scheduler has then.
 * A copy that fails is reported and is no copy; it never ends a turn.
 */

import type { Clock } from '../../hal/clock.js';
import type { InferenceDriver, Slot, Token } from '../../hal/driver.js';
import { messageOf } from '../../shared/errors.js';
import type { Client } from './job.js';
import { SwapCost } from './swapCost.js';

export interface StateCopiesParts {
  readonly driver: Pick<InferenceDriver, 'info' | 'saveState'>;
  readonly clock: Clock;
  readonly onTrouble: (message: string) => void;
}

interface Wish {
  readonly client: Client;
  readonly path: string;
  readonly settle: (tokens: readonly Token[] | undefined) => void;
}

/** Who holds which slot. `Residency` is one. */
interface Holders {
  slotOf(client: Client): Slot | undefined;
}

export class StateCopies {
  readonly #parts: StateCopiesParts;
  readonly #cost = new SwapCost();
  readonly #wishes = new Set<Wish>();
  #isClosed = false;

  constructor(parts: StateCopiesParts) {
    this.#parts = parts;
  }

  /** Resolves with the tokens that the file holds, or with undefined when there is none. */
  request(client: Client, path: string): Promise<readonly Token[] | undefined> {
    if (this.#isClosed) return Promise.resolve(undefined);
    return new Promise((settle) => this.#wishes.add({ client, path, settle }));
  }

  /** Takes the first copy that is expected to take no longer. Returns whether there was one. */
  async serveOne(holders: Holders, budgetMs: number): Promise<boolean> {
    for (const wish of this.#wishes) {
      const slot = holders.slotOf(wish.client);
      const length = slot?.length ?? 0;
      const bytes = length * this.#parts.driver.info.kvBytesPerToken;
      if (length > 0 && this.#cost.ms('save', bytes) > budgetMs) continue;
      this.#wishes.delete(wish);
      wish.settle(slot === undefined || length === 0 ? undefined : await this.#copy(slot, wish.path, bytes));
      return true;
    }
    return false;
  }

  /** Whoever still waits gets nothing. */
  close(): void {
    this.#isClosed = true;
    for (const { settle } of this.#wishes) settle(undefined);
    this.#wishes.clear();
  }

  async #copy(slot: Slot, path: string, bytes: number): Promise<readonly Token[] | undefined> {
    const { driver, clock, onTrouble } = this.#parts;
    const start = clock.now();
    try {
      const tokens = slot.tokens.slice();
      await driver.saveState(slot, path);
      this.#cost.observe('save', bytes, clock.now() - start);
      return tokens;
    } catch (error) {
      onTrouble(`attention state could not be copied: ${messageOf(error)}`);
      return undefined;
    }
  }
}
