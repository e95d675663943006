/**
 * What each agent had of the device lately, from the counters that its rows carry: the mean over a short window, so
 * that figures move but do not flicker, and a new share shows soon. Reads no clock; the caller says what time it is.
 */

const windowMs = 1_200;

export interface Rates {
  /** Share of the time in which the device computed for it, 0 to 1. */
  readonly deviceShare: number;
  readonly generatedPerSecond: number;
}

/** The part of an agent's row that only grows. */
interface Counters {
  readonly deviceMs: number;
  readonly generatedTokens: number;
}

interface Sample<Key> {
  readonly atMs: number;
  readonly counters: ReadonlyMap<Key, Counters>;
}

/** @typeParam Key what the caller knows an agent by */
export class AgentRates<Key> {
  #samples: Sample<Key>[] = [];

  record(counters: ReadonlyMap<Key, Counters>, atMs: number): void {
    this.#samples.push({ atMs, counters });
    while (this.#samples.length > 2 && (this.#samples[1]?.atMs ?? atMs) <= atMs - windowMs) {
      this.#samples.shift();
    }
  }

  /** Nothing before there are two samples. An agent that the first did not know began after it, from nothing. */
  of(key: Key): Rates | undefined {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    const now = last?.counters.get(key);
    if (first === undefined || last === undefined || now === undefined || last.atMs <= first.atMs)
      return undefined;
    const ms = last.atMs - first.atMs;
    const before = first.counters.get(key) ?? { deviceMs: 0, generatedTokens: 0 };
    // A counter is set back where an agent outlives its kernel.
    const grown = (counter: keyof Counters): number => Math.max(0, now[counter] - before[counter]);
    return {
      // A step is charged when it ends, so one that began earlier may seem to overfill the time.
      deviceShare: Math.min(1, grown('deviceMs') / ms),
      generatedPerSecond: (grown('generatedTokens') * 1000) / ms,
    };
  }
}
