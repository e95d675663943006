/**
 * Tokens a second that the whole fleet generates now, from the counters that the rows carry: the mean over a short
 * window, so that the figure moves but does not flicker. Reads no clock; the caller says what time it is.
 */

const windowMs = 3_000;

/** The first tokens after silence are not taken for a burst. */
const shortestSpanMs = 250;

interface Sample {
  readonly atMs: number;
  readonly tokens: number;
}

export class Throughput {
  #samples: Sample[] = [];

  /** @param tokens generated so far by all agents that were ever seen */
  record(atMs: number, tokens: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && tokens < last.tokens) this.#samples = [];
    this.#samples.push({ atMs, tokens });
    this.#forgetBefore(atMs - windowMs);
  }

  perSecond(nowMs: number): number {
    this.#forgetBefore(nowMs - windowMs);
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.tokens === first.tokens) return 0;
    const startMs = Math.max(first.atMs, nowMs - windowMs);
    const tokens = last.tokens - tokensAt(startMs, first, this.#samples[1] ?? last);
    return (tokens * 1000) / Math.max(nowMs - startMs, shortestSpanMs);
  }

  /** Keeps one sample older than the window: the count that the window began with. */
  #forgetBefore(limitMs: number): void {
    while (this.#samples.length > 1 && (this.#samples[1]?.atMs ?? limitMs) < limitMs) this.#samples.shift();
  }
}

/** The count at a moment between two samples, as if it had grown evenly. */
function tokensAt(atMs: number, before: Sample, after: Sample): number {
  if (after.atMs <= before.atMs) return before.tokens;
  const share = (atMs - before.atMs) / (after.atMs - before.atMs);
  return before.tokens + (after.tokens - before.tokens) * share;
}
