/**
 * `node out/bench/fitDevice.js [--json]`: measures steps and moves of state on this device, for the embedded model
 * and the one of benchmark size, and fits the device model to them. Its output is what src/hal/deviceProfiles.ts
 * holds. The device is one thread of the processor, whose own time is what counts, and of several runs of the same
 * step the fastest: the device at rest, whatever else the machine does meanwhile.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/hal/clock.js';
import { featuresOf, type DeviceProfile, type MoveProfile } from '../src/hal/deviceModel.js';
import type { InferenceDriver, Sampling, Slot, StepWork, Token } from '../src/hal/driver.js';
import type { StepPart } from '../src/hal/simulated.js';
import { createLlamaDriver } from '../src/hal/llama/llamaDriver.js';
import { defaultEngineSettings } from '../src/shared/settings.js';
import { fitNonNegative, type Observation } from './leastSquares.js';
import { benchmarkShape, embeddedModel } from './models.js';
import { writeRandomModel } from './randomModel.js';
import { rounded } from './statistics.js';

const contextTokens = 2048;
const contexts = [0, 256, 768, 1536];
const slices = [16, 64, 128, 256];
const batches = [1, 2, 4, 8];
const repetitions = 6;
const greedy: Sampling = { temperature: 0, constraint: undefined };

/** What one step does, all its slots having the same context. */
interface Shape {
  readonly slice: number;
  readonly decodes: number;
}

/** Pure ones, and those of both kinds. */
const shapes: readonly Shape[] = [
  ...slices.map((slice) => ({ slice, decodes: 0 })),
  ...batches.map((decodes) => ({ slice: 0, decodes })),
  { slice: 64, decodes: 2 },
  { slice: 128, decodes: 4 },
];

/** Processor time of this process. */
async function computed(action: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await action();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = systemClock.now();
  await action();
  return systemClock.now() - start;
}

class Bench {
  readonly #driver: InferenceDriver;
  readonly #text: readonly Token[];

  constructor(driver: InferenceDriver) {
    this.#driver = driver;
    const line = driver.tokenize('const total = rows.reduce((sum, row) => sum + row.amount, 0);\n');
    this.#text = Array.from(
      { length: contextTokens },
      (_, index) => line[index % line.length],
    ) as readonly Token[];
  }

  /** Everything is measured several times, far apart, so that a busy moment of the machine spoils no figure alone. */
  async steps(): Promise<Observation[]> {
    const samples = new Map<string, { readonly features: readonly number[]; readonly times: number[] }>();
    for (let round = 0; round < repetitions; round++) {
      for (const slot of this.#driver.slots) await slot.truncate(0);
      for (const context of contexts) {
        for (const slot of this.#driver.slots) await this.#fill(slot, context);
        for (const shape of shapes) {
          if (context === 0 && shape.decodes > 0) continue;
          const key = JSON.stringify([context, shape]);
          const sample = samples.get(key) ?? { features: featuresOf(partsOf(shape, context)), times: [] };
          sample.times.push(await this.#measure(shape, context));
          samples.set(key, sample);
        }
      }
    }
    return [...samples.values()].map(({ features, times }) => ({ features, ms: Math.min(...times) }));
  }

  /** Saving and loading, by the number of tokens. */
  async moves(folder: string): Promise<{ save: MoveProfile; load: MoveProfile }> {
    const [saves, loads]: [Observation[], Observation[]] = [[], []];
    const [slot] = this.#driver.slots;
    if (slot === undefined) throw new Error('the driver has no slots');
    for (const tokens of contexts.filter((context) => context > 0)) {
      await this.#fill(slot, tokens);
      const [saveMs, loadMs]: [number[], number[]] = [[], []];
      for (let round = 0; round < repetitions; round++) {
        const path = join(folder, `state-${tokens}-${round}`);
        saveMs.push(await timed(() => this.#driver.saveState(slot, path)));
        loadMs.push(await timed(() => this.#driver.loadState(slot, path)));
        await rm(path);
      }
      saves.push({ features: [1, tokens], ms: Math.min(...saveMs) });
      loads.push({ features: [1, tokens], ms: Math.min(...loadMs) });
    }
    return { save: moveOf(saves), load: moveOf(loads) };
  }

  async #fill(slot: Slot, length: number): Promise<void> {
    if (slot.length > length) await slot.truncate(length);
    while (slot.length < length) {
      const count = Math.min(256, length - slot.length);
      await this.#run([{ slot, tokens: this.#text.slice(slot.length, slot.length + count) }]);
    }
  }

  async #measure({ slice, decodes }: Shape, context: number): Promise<number> {
    const { slots } = this.#driver;
    const works: StepWork[] = slots.slice(0, decodes).map((slot) => ({
      slot,
      tokens: this.#text.slice(context, context + 1),
      sampling: greedy,
    }));
    const last = slots.at(-1);
    if (slice > 0 && last !== undefined)
      works.push({ slot: last, tokens: this.#text.slice(context, context + slice) });
    const ms = await computed(() => this.#run(works));
    for (const { slot } of works) await slot.truncate(context);
    return ms;
  }

  async #run(work: readonly StepWork[]): Promise<void> {
    for (const result of await this.#driver.step(work)) if (!result.ok) throw result.error;
  }
}

function partsOf({ slice, decodes }: Shape, resident: number): StepPart[] {
  const decoding = Array.from({ length: decodes }, () => ({ count: 1, resident }));
  return slice === 0 ? decoding : [...decoding, { count: slice, resident }];
}

function moveOf(observations: readonly Observation[]): MoveProfile {
  const [fixedMs = 0, tokenMs = 0] = fitNonNegative(observations).coefficients;
  return { fixedMs: rounded(fixedMs, 4), tokenMs: rounded(tokenMs, 6) };
}

async function profileOf(path: string, folder: string): Promise<DeviceProfile> {
  await using driver = await createLlamaDriver(
    { ...defaultEngineSettings, model: path, contextTokens, gpu: 'cpu', threads: 1 },
    () => undefined,
  );
  const bench = new Bench(driver);
  const fit = fitNonNegative(await bench.steps());
  return {
    model: driver.info.model,
    device: `${driver.info.device}: ${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
    kvBytesPerToken: driver.info.kvBytesPerToken,
    stepMs: fit.coefficients.map((ms) => rounded(ms, 4)),
    ...(await bench.moves(folder)),
    relativeError: rounded(fit.relativeError),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean' } } });
  const folder = await mkdtemp(join(tmpdir(), 'amk-fit-'));
  try {
    const random = join(folder, 'random.gguf');
    await writeRandomModel(random, embeddedModel, benchmarkShape);
    const profiles = {
      embedded: await profileOf(embeddedModel, folder),
      benchmark: await profileOf(random, folder),
    };
    if (values.json === true) console.log(JSON.stringify(profiles, null, 2));
    else for (const profile of Object.values(profiles)) console.log(profile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
