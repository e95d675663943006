/**
 * `npm run bench -- NAME [--json] [--check] [--full]`: fixed input, figures out. Figures are ratios wherever they can be,
 * since machines differ and are noisy; a benchmark is never a test. `--check` compares with the committed baseline;
 * `--full` measures what takes minutes, too.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { violationsOf } from './baseline.js';
import { benchContext, printContext } from './context.js';
import { benchKv, printKv } from './kv.js';
import { benchGateways, printGateways } from './gateways.js';
import { writeRandomModel, type ModelShape } from './randomModel.js';
import { benchScheduler, type SchedulerFigures } from './scheduler.js';

const fromRoot = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const embeddedModel = fileURLToPath(fromRoot('models/amk-embedded.gguf'));

/** About 30 million weights: large enough that the device's time dwarfs the kernel's, small enough for two cores. */
const benchmarkShape: ModelShape = {
  layers: 8,
  width: 512,
  keyValueHeads: 4,
  feedForward: 1408,
  contextTokens: 4096,
};

interface Benchmark {
  /** What `--json` prints. */
  readonly run: (isFull: boolean) => Promise<object>;
  readonly print: (figures: object) => void;
}

/** The figures of a model of benchmark size; those of the small model that comes with the product beside them. */
type BothModels = SchedulerFigures & { readonly embedded: SchedulerFigures };

async function scheduler(): Promise<BothModels> {
  const folder = await mkdtemp(join(tmpdir(), 'amk-bench-'));
  try {
    const random = join(folder, 'random.gguf');
    await writeRandomModel(random, embeddedModel, benchmarkShape);
    const figures = await benchScheduler(random, { scale: 1, spreadMs: 6_000 });
    return { ...figures, embedded: await benchScheduler(embeddedModel, { scale: 1, spreadMs: 1_500 }) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function printScheduler(both: object): void {
  const { embedded, ...random } = both as BothModels;
  for (const { model, device, policies, ...ratios } of [random, embedded]) {
    console.log(`\n${model} on ${device}`);
    console.table(
      Object.fromEntries(
        Object.entries(policies).map(([name, { tokensPerSecond, firstTokenMs, completionMs }]) => [
          name,
          {
            'tok/s': tokensPerSecond,
            'interactive TTFT p50 ms': firstTokenMs['interactive']?.p50,
            'interactive TTFT p99 ms': firstTokenMs['interactive']?.p99,
            'interactive done p99 ms': completionMs['interactive']?.p99,
            'batch done p99 ms': completionMs['batch']?.p99,
          },
        ]),
      ),
    );
    for (const [group, values] of Object.entries(ratios)) console.log(group, values);
  }
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  scheduler: { run: scheduler, print: printScheduler },
  kv: { run: benchKv, print: printKv },
  context: { run: (isFull) => benchContext({ isFull }), print: printContext },
  gateways: {
    run: () => benchGateways({ completions: 500, streams: 200, streamSeconds: 60 }),
    print: printGateways,
  },
};

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, check: { type: 'boolean' }, full: { type: 'boolean' } },
  });
  const [name = ''] = positionals;
  const benchmark = benchmarks[name];
  if (benchmark === undefined) {
    console.error(
      `npm run bench -- NAME [--json] [--check] [--full]; there is ${Object.keys(benchmarks).join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  const figures = await benchmark.run(values.full === true);
  if (values.json === true) console.log(JSON.stringify(figures, null, 2));
  else benchmark.print(figures);
  if (values.check !== true) return;
  const violations = await violationsOf(fromRoot(`bench/baselines/${name}.json`), figures);
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}

await main();
