// `npm run test:fuzz -- [--runs N] [--seed N] [--first N]`: fuzzes what reads kept attention state, on every core, and
// prints the counts. Fails on any crash, accepted corruption or run that does not end. A run that failed is repeated
// alone by `--runs 1`, its seed and `--first` with its number.

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { fuzzKvCodec, type FuzzOptions, type FuzzReport } from './kvCodec.js';

type Message = { readonly run: number } | { readonly report: FuzzReport };

/** A thread that says nothing for so long hangs: it reports thousands of runs a second. */
const silenceMs = 20_000;

function work(): void {
  const onProgress = (run: number): void => parentPort?.postMessage({ run } satisfies Message);
  const report = fuzzKvCodec({ ...(workerData as FuzzOptions), onProgress });
  parentPort?.postMessage({ report } satisfies Message);
}

/** The report of one thread; a thread that ends or hangs without one is a crash of its own. */
function fuzzOnThread(options: FuzzOptions): Promise<FuzzReport> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: options });
    let near = options.first;
    const fail = (how: string): void => {
      const crashes = [`${how} at or soon after run ${near}`];
      finish({ ...nothing, runs: near - options.first, crashes });
    };
    const hang = (): void => fail(`a run did not end within ${silenceMs / 1000} s`);
    let timer = setTimeout(hang, silenceMs);
    const finish = (report: FuzzReport): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
      void worker.terminate();
      resolve(report);
    };
    worker.on('message', (message: Message) => {
      clearTimeout(timer);
      if ('report' in message) {
        finish(message.report);
        return;
      }
      near = message.run;
      timer = setTimeout(hang, silenceMs);
    });
    worker.on('error', (error) =>
      fail(`the thread failed (${error instanceof Error ? error.message : 'unknown'})`),
    );
    worker.on('exit', (code) => fail(`the thread ended with ${code}`));
  });
}

const nothing: FuzzReport = {
  runs: 0,
  refused: 0,
  accepted: 0,
  unchanged: 0,
  corruptions: [],
  crashes: [],
  slowest: { run: 0, ms: 0 },
  targets: {},
};

function sumOf(reports: readonly FuzzReport[]): FuzzReport {
  const sum = (valueOf: (report: FuzzReport) => number): number =>
    reports.reduce((total, report) => total + valueOf(report), 0);
  const names = [...new Set(reports.flatMap(({ targets }) => Object.keys(targets)))];
  return {
    runs: sum(({ runs }) => runs),
    refused: sum(({ refused }) => refused),
    accepted: sum(({ accepted }) => accepted),
    unchanged: sum(({ unchanged }) => unchanged),
    corruptions: reports.flatMap(({ corruptions }) => corruptions),
    crashes: reports.flatMap(({ crashes }) => crashes),
    slowest: reports.map(({ slowest }) => slowest).reduce((a, b) => (a.ms > b.ms ? a : b)),
    targets: Object.fromEntries(
      names.map((name) => [
        name,
        [sum(({ targets }) => targets[name]?.[0] ?? 0), sum(({ targets }) => targets[name]?.[1] ?? 0)],
      ]),
    ),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '1' },
      first: { type: 'string', default: '0' },
    },
  });
  const [runs, seed, first] = [Number(values.runs), Number(values.seed), Number(values.first)];
  const threads = Math.min(availableParallelism(), Math.max(1, runs));
  const share = Math.ceil(runs / threads);
  const start = performance.now();
  const report = sumOf(
    await Promise.all(
      Array.from({ length: threads }, (_, index) =>
        fuzzOnThread({ seed, first: first + index * share, runs: Math.min(share, runs - index * share) }),
      ),
    ),
  );
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  for (const [name, [refused, accepted]] of Object.entries(report.targets)) {
    console.log(`${name}: ${refused} refused, ${accepted} accepted and right`);
  }
  for (const failure of [...report.crashes, ...report.corruptions])
    console.log(`FAILED, seed ${seed}: ${failure}`);
  console.log(
    `${report.runs} mutated inputs in ${seconds} s: ${report.crashes.length} crashes or hangs, ` +
      `${report.corruptions.length} accepted corruptions; ${report.refused} refused, ${report.accepted} accepted, ` +
      `${report.unchanged} unchanged; slowest ${report.slowest.ms.toFixed(1)} ms, run ${report.slowest.run}`,
  );
  const isWhole = report.runs === runs && report.crashes.length + report.corruptions.length === 0;
  process.exitCode = isWhole ? 0 : 1;
}

if (isMainThread) await main();
else work();
