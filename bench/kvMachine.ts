/**
 * What the measurements of attention state run on: a device with few slots and a context for long prompts, the product's
 * scheduler on it, and turns that end with their first token. What is timed goes the way that agents go.
 */

import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver, Sampling, Slot, Token } from '../src/hal/driver.js';
import { createLlamaDriver } from '../src/hal/llama/llamaDriver.js';
import { createScratch } from '../src/hal/scratch.js';
import { SwapSpace } from '../src/kernel/kv/swapSpace.js';
import { calibrate } from '../src/kernel/scheduler/calibration.js';
import { noUsage, type Client, type DeviceUsage, type Edit, type Turn } from '../src/kernel/scheduler/job.js';
import { createEntity, type Entity } from '../src/kernel/scheduler/runQueue.js';
import { Scheduler } from '../src/kernel/scheduler/scheduler.js';
import type { StepCost } from '../src/kernel/scheduler/stepCost.js';
import { calibrationMs } from '../src/shared/limits.js';
import { defaultEngineSettings } from '../src/shared/settings.js';

/** A prompt of the greatest length that is measured, what follows it, and room. */
const contextTokens = 4096 + 512;

/** A device and what the scheduler knows of it. */
export interface Device {
  readonly driver: InferenceDriver;
  readonly cost: StepCost;
}

export async function withDevice<T>(model: string, body: (device: Device) => Promise<T>): Promise<T> {
  const engine = { ...defaultEngineSettings, model, slots: 2, contextTokens };
  await using driver = await createLlamaDriver(engine, () => undefined);
  return await body({ driver, cost: await calibrate(driver, systemClock, calibrationMs) });
}

/** Text of code that is exactly so many tokens long, and its tokens. Numbers give texts that differ from the start on. */
export function conversation(
  driver: InferenceDriver,
  length: number,
  number: number,
): { readonly text: string; readonly tokens: readonly Token[] } {
  const line = (index: number): string =>
    `export const total${number}x${index} = rows.reduce((sum, row) => sum + row.amount * ${index}, ${number});\n`;
  const lines = Array.from({ length }, (_, index) => line(index)).join('');
  const text = driver.detokenize(driver.tokenize(lines).slice(0, length));
  return { text, tokens: driver.tokenize(text) };
}

export async function prefill(driver: InferenceDriver, slot: Slot, tokens: readonly Token[]): Promise<void> {
  const most = driver.info.batchTokens;
  for (let start = 0; start < tokens.length; start += most) {
    await driver.step([{ slot, tokens: tokens.slice(start, start + most) }]);
  }
}

/** So that nothing of an earlier measurement is found again. */
export async function emptySlots(driver: InferenceDriver): Promise<void> {
  for (const slot of driver.slots) await slot.truncate(0);
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = systemClock.now();
  await work();
  return systemClock.now() - start;
}

/** Computes a prompt and its first token. */
class FirstToken implements Turn {
  readonly tokens: readonly Token[];
  readonly edits: readonly Edit[];
  readonly sampling: Sampling = { temperature: 0, constraint: undefined };

  constructor(tokens: readonly Token[], edits: readonly Edit[]) {
    this.tokens = tokens;
    this.edits = edits;
  }

  accept(): 'done' {
    return 'done';
  }
}

export class BenchClient implements Client {
  readonly entity: Entity;
  readonly usage: DeviceUsage = noUsage();
  readonly isPaused = false;

  constructor(number: number) {
    this.entity = createEntity(number, 'normal', 0);
  }

  onDevice(): void {
    // Nobody watches.
  }
}

export interface Machine {
  readonly scheduler: Scheduler;
  /** Until the first token of an answer to this prompt. */
  readonly firstToken: (client: Client, prompt: readonly Token[], edits?: readonly Edit[]) => Promise<void>;
}

/** The product's scheduler on this device, with memory that state can move to, for as long as the body lasts. */
export async function withScheduler<T>(
  { driver, cost }: Device,
  body: (machine: Machine) => Promise<T>,
): Promise<T> {
  await using files = await createScratch();
  const swap = new SwapSpace({ driver, files, quotaBytes: files.freeBytes / 2 });
  const scheduler = new Scheduler({ driver, clock: systemClock, cost, swap });
  try {
    return await body({
      scheduler,
      firstToken: (client, prompt, edits = []) =>
        scheduler.compute(client, new FirstToken(prompt, edits), new AbortController().signal),
    });
  } finally {
    await scheduler.stop();
  }
}
