/** A driver that knows how long it was at work: what is left of a run's time is the kernel's own. */

import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver } from '../src/hal/driver.js';

export interface Meter {
  readonly driver: InferenceDriver;
  /** Time in which the device computed or moved state. */
  readonly busyMs: number;
}

export function meter(driver: InferenceDriver): Meter {
  let busyMs = 0;
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const start = systemClock.now();
    try {
      return await work;
    } finally {
      busyMs += systemClock.now() - start;
    }
  };
  return {
    get busyMs() {
      return busyMs;
    },
    driver: {
      info: driver.info,
      slots: driver.slots,
      toolCallMarkers: driver.toolCallMarkers,
      tokenize: (text) => driver.tokenize(text),
      detokenize: (tokens) => driver.detokenize(tokens),
      isEndOfTurn: (token) => driver.isEndOfTurn(token),
      render: (messages, tools) => driver.render(messages, tools),
      createConstraint: (tools) => driver.createConstraint(tools),
      createJsonConstraint: (schema, isStrict) => driver.createJsonConstraint(schema, isStrict),
      step: (work) => timed(driver.step(work)),
      reset: (slot) => timed(driver.reset(slot)),
      saveState: (slot, path) => timed(driver.saveState(slot, path)),
      loadState: (slot, path) => timed(driver.loadState(slot, path)),
      [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
    },
  };
}
