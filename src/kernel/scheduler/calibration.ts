/**
 * Measures the device once, at boot, before anybody waits for it: how long one sequence decodes, how much longer
 * several do, and what a prompt costs. What it learns is where the scheduler starts from; every later step corrects
 * it. It spends no more than its budget by more than one step, and leaves every slot empty.
 */

import type { Clock } from '../../hal/clock.js';
import type { InferenceDriver, Sampling, Slot, Token } from '../../hal/driver.js';
import { KernelError } from '../../shared/errors.js';
import { StepCost } from './stepCost.js';

/** Steps of each kind: the first warms caches up, the later ones count. */
const repetitions = 3;
const promptTokens = 64;

/**
 * @throws KernelError `deviceFailed` when the device cannot compute
 */
export async function calibrate(driver: InferenceDriver, clock: Clock, budgetMs: number): Promise<StepCost> {
  const cost = new StepCost();
  const end = clock.now() + budgetMs;
  const token = driver.tokenize('a')[0];
  if (token === undefined) return cost;
  const sampling = driver.slots.map((): Sampling => ({ temperature: 0, constraint: undefined }));
  /** One step; returns whether there is time for another of the same length. */
  const measure = async (slots: readonly Slot[], count: number): Promise<boolean> => {
    const start = clock.now();
    const tokens = Array.from({ length: count }, () => token);
    await step(driver, slots, sampling, tokens);
    const ms = clock.now() - start;
    cost.observe(
      count === 1
        ? { prefillTokens: 0, decodes: slots.length, ms }
        : { prefillTokens: count, decodes: 0, ms },
    );
    return clock.now() + ms < end;
  };
  const repeat = async (slots: readonly Slot[], count: number): Promise<boolean> => {
    for (let repetition = 0; repetition < repetitions; repetition++) {
      if (!(await measure(slots, count))) return false;
    }
    return true;
  };
  try {
    for (const sequences of batchSizes(driver.slots.length)) {
      if (!(await repeat(driver.slots.slice(0, sequences), 1))) break;
    }
    if (cost.decodeStepMs(1) * promptTokens < budgetMs) await repeat(driver.slots.slice(0, 1), promptTokens);
  } finally {
    for (const slot of driver.slots) await slot.truncate(0);
  }
  return cost;
}

/** 1, 2, 4, … and all of them. */
function batchSizes(slots: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size < slots; size *= 2) sizes.push(size);
  return [...sizes, slots];
}

async function step(
  driver: InferenceDriver,
  slots: readonly Slot[],
  samplings: readonly Sampling[],
  tokens: readonly Token[],
): Promise<void> {
  const work = slots.map((slot, index) => {
    const sampling = samplings[index];
    return sampling === undefined || tokens.length > 1 ? { slot, tokens } : { slot, tokens, sampling };
  });
  for (const result of await driver.step(work)) {
    if (!result.ok)
      throw new KernelError('deviceFailed', `the device cannot compute: ${result.error.message}`);
  }
}
