/** How the kernel's scheduler shares the device between agents that never stop: equal ones, and weights 1 : 2 : 4. */

import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver, Sampling, Token } from '../src/hal/driver.js';
import { deviceMsOf, noUsage, type Client, type Turn } from '../src/kernel/scheduler/job.js';
import { createEntity } from '../src/kernel/scheduler/runQueue.js';
import { Scheduler } from '../src/kernel/scheduler/scheduler.js';
import { weightOf } from '../src/kernel/scheduler/weight.js';
import { sleep } from './policies.js';
import { jainIndex, rounded, sum } from './statistics.js';

export interface Fairness {
  /** Jain's index of the device time of four equal agents; 1 is perfectly fair. */
  readonly jain: number;
  /** The largest relative error of a share, for agents of nice 0, -3 and -6. */
  readonly weightError: number;
}

const warmUpMs = 3_000;
const measuredMs = 8_000;

/** Three nice levels double a weight, nearly. */
const nices = [0, -3, -6];

export async function measureFairness(driver: InferenceDriver): Promise<Fairness> {
  const equal = await deviceShares(driver, [0, 0, 0, 0]);
  const shares = await deviceShares(driver, nices);
  const [received, weight] = [sum(shares), sum(nices.map(weightOf))];
  const errors = shares.map((share, index) =>
    Math.abs(share / received / (weightOf(nices[index] ?? 0) / weight) - 1),
  );
  return { jain: rounded(jainIndex(equal), 4), weightError: rounded(Math.max(...errors), 4) };
}

async function deviceShares(driver: InferenceDriver, niceValues: readonly number[]): Promise<number[]> {
  const scheduler = new Scheduler({ driver, clock: systemClock });
  const stop = new AbortController();
  const prompt = driver.tokenize('export function settle(rows: number[]): number {');
  const clients = niceValues.map((nice, index): Client => ({
    entity: createEntity(index + 1, 'normal', nice),
    usage: noUsage(),
    isPaused: false,
    onDevice: () => undefined,
  }));
  const ends = clients.map(async (client) => {
    // One turn after the other, each until its context is full.
    while (!stop.signal.aborted) {
      await scheduler.compute(client, new Growing(driver, prompt), stop.signal).catch(() => undefined);
    }
  });
  // A burst is spent once, at the start; what follows is the steady state.
  await sleep(warmUpMs);
  const before = clients.map(({ usage }) => deviceMsOf(usage));
  await sleep(measuredMs);
  const shares = clients.map(({ usage }, index) => deviceMsOf(usage) - (before[index] ?? 0));
  stop.abort();
  await Promise.all(ends);
  await scheduler.stop();
  return shares;
}

/** A turn that ends where its context does. */
class Growing implements Turn {
  readonly tokens: Token[];
  readonly sampling: Sampling = { temperature: 0, constraint: undefined };
  readonly #limit: number;

  constructor(driver: InferenceDriver, prompt: readonly Token[]) {
    this.tokens = [...prompt];
    this.#limit = driver.info.contextTokens;
  }

  accept(token: Token): 'continue' | 'done' {
    this.tokens.push(token);
    return this.tokens.length < this.#limit ? 'continue' : 'done';
  }
}
