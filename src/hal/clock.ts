/** Time as an argument, so that everything that waits or measures is deterministic under test. */

export interface Clock {
  /** Milliseconds, monotonic, from an arbitrary start. */
  now(): number;
  /** Milliseconds since the epoch, for what people read. */
  wallClock(): number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallClock: () => Date.now(),
};
