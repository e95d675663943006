/**
 * `npm run bench -- NAME [--json]`: fixed input, figures out. Figures are ratios wherever they can be, since machines
 * differ and are noisy; a benchmark is never a test.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeRandomModel, type ModelShape } from './randomModel.js';
import { benchScheduler, type SchedulerFigures } from './scheduler.js';

const embeddedModel = fileURLToPath(new URL('../../models/amk-embedded.gguf', import.meta.url));

/** About 30 million weights: large enough that the device's time dwarfs the kernel's, small enough for two cores. */
const benchmarkShape: ModelShape = {
  layers: 8,
  width: 512,
  keyValueHeads: 4,
  feedForward: 1408,
  contextTokens: 4096,
};

async function scheduler(): Promise<Record<string, SchedulerFigures>> {
  const folder = await mkdtemp(join(tmpdir(), 'amk-bench-'));
  try {
    const random = join(folder, 'random.gguf');
    await writeRandomModel(random, embeddedModel, benchmarkShape);
    return {
      random: await benchScheduler(random, { scale: 0.5, spreadMs: 6_000 }),
      embedded: await benchScheduler(embeddedModel, { scale: 1, spreadMs: 1_500 }),
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const benchmarks: Readonly<Record<string, () => Promise<Record<string, SchedulerFigures>>>> = { scheduler };

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' } },
  });
  const [name = ''] = positionals;
  const benchmark = benchmarks[name];
  if (benchmark === undefined) {
    console.error(`npm run bench -- NAME [--json]; there is ${Object.keys(benchmarks).join(', ')}`);
    process.exitCode = 2;
    return;
  }
  const figures = await benchmark();
  if (values.json === true) console.log(JSON.stringify(figures, null, 2));
  else print(figures);
}

function print(figures: Record<string, SchedulerFigures>): void {
  for (const { model, device, policies, ...ratios } of Object.values(figures)) {
    console.log(`\n${model} on ${device}`);
    console.table(
      Object.fromEntries(
        Object.entries(policies).map(([name, { tokensPerSecond, firstTokenMs, completionMs }]) => [
          name,
          {
            'tok/s': tokensPerSecond,
            'interactive TTFT p50 ms': firstTokenMs['interactive']?.p50,
            'interactive TTFT p99 ms': firstTokenMs['interactive']?.p99,
            'batch done p99 ms': completionMs['batch']?.p99,
          },
        ]),
      ),
    );
    for (const [group, values] of Object.entries(ratios)) console.log(group, values);
  }
}

await main();
