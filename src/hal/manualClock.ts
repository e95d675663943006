/** Time that stands until it is moved: for simulations and tests, which must take no real time to pass it. */

import type { Clock } from './clock.js';

export interface ManualClock extends Clock {
  advance(ms: number): void;
}

/** @param epochMs what `wallClock` reads at the start */
export function createManualClock(epochMs = 0): ManualClock {
  let nowMs = 0;
  return {
    now: () => nowMs,
    wallClock: () => epochMs + nowMs,
    advance: (ms) => {
      nowMs += ms;
    },
  };
}
