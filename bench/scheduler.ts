/**
 * `npm run bench -- scheduler`: the kernel's scheduler against other ways to share one device, in one run on the same
 * device, so that ratios hold on a noisy machine. Prints what was measured; judges nothing.
 */

import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver } from '../src/hal/driver.js';
import { createLlamaDriver } from '../src/hal/llama/llamaDriver.js';
import type { PriorityClass } from '../src/shared/agentDefinition.js';
import { defaultEngineSettings } from '../src/shared/settings.js';
import { measureFairness, type Fairness } from './fairness.js';
import { withLibrary } from './library.js';
import { meter } from './meter.js';
import { policies, type Policy, type Served } from './policies.js';
import { measureSharedPrefix, measureSwitch, type SharedPrefix, type SwitchCost } from './stateMoves.js';
import { percentile, rounded, sum } from './statistics.js';
import { createWorkload, type Request, type WorkloadSize } from './workload.js';

const classes: readonly PriorityClass[] = ['interactive', 'normal', 'batch'];
/** With what the driver needs beside it, what the embedded model was trained for. */
const contextTokens = 1792;

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

export interface PolicyFigures {
  /** Prompt and output tokens of all requests over the time until the last was done. */
  readonly tokensPerSecond: number;
  readonly firstTokenMs: Readonly<Record<string, Latency>>;
  readonly completionMs: Readonly<Record<string, Latency>>;
}

export interface SchedulerFigures {
  readonly model: string;
  readonly device: string;
  readonly policies: Readonly<Record<string, PolicyFigures>>;
  readonly throughput: {
    readonly kernelOverRoundRobin: number;
    readonly kernelOverRoundRobinText: number;
    /** All requests there from the start: the kernel over the engine in full batches without any policy. */
    readonly kernelOverCeiling: number;
    /** What full batches can bring on this device: the ceiling over one request at a time. */
    readonly ceilingOverFifo: number;
  };
  readonly interactive: {
    readonly p99TtftReductionVsFifo: number;
    readonly p99TtftReductionVsRoundRobin: number;
    readonly p99TtftReductionVsLibrary: number;
  };
  readonly fairness: Fairness;
  /** Part of a saturated run's time in which the device waits for the kernel. */
  readonly overheadPerToken: number;
  readonly overheadMicrosecondsPerToken: number;
  readonly switchCost: SwitchCost;
  readonly sharedPrefix: SharedPrefix;
}

export async function benchScheduler(model: string, size: WorkloadSize): Promise<SchedulerFigures> {
  const { requests, figures } = await compare(model, size);
  await using driver = await open(model);
  const together = requests.map((request) => ({ ...request, arriveMs: 0 }));
  const ceiling = await measure(driver, policies.engine, together);
  const alone = await measure(driver, policies.fifo, together);
  const { closed, overhead } = await measureOverhead(driver, together);
  const { fifo, roundRobin, roundRobinText, library, kernel } = figures;
  const reduction = (other: PolicyFigures): number =>
    rounded(1 - p99Of(kernel, 'interactive') / p99Of(other, 'interactive'));
  return {
    model: driver.info.model,
    device: driver.info.device,
    policies: { ...figures, engineAllAtOnce: ceiling, kernelAllAtOnce: closed },
    throughput: {
      kernelOverRoundRobin: rounded(kernel.tokensPerSecond / roundRobin.tokensPerSecond),
      kernelOverRoundRobinText: rounded(kernel.tokensPerSecond / roundRobinText.tokensPerSecond),
      kernelOverCeiling: rounded(closed.tokensPerSecond / ceiling.tokensPerSecond),
      ceilingOverFifo: rounded(ceiling.tokensPerSecond / alone.tokensPerSecond),
    },
    interactive: {
      p99TtftReductionVsFifo: reduction(fifo),
      p99TtftReductionVsRoundRobin: reduction(roundRobin),
      p99TtftReductionVsLibrary: reduction(library),
    },
    ...overhead,
    fairness: await measureFairness(driver),
    switchCost: await measureSwitch(driver),
    sharedPrefix: await measureSharedPrefix(driver),
  };
}

type Compared = 'fifo' | 'roundRobin' | 'roundRobinText' | 'library' | 'kernel';

interface Comparison {
  readonly requests: readonly Request[];
  readonly figures: Readonly<Record<Compared, PolicyFigures>>;
}

/** Every policy on the same requests, one after the other; the engine's library in a context of its own. */
async function compare(model: string, size: WorkloadSize): Promise<Comparison> {
  const figures = {} as Record<Compared, PolicyFigures>;
  let requests: readonly Request[];
  let sequences: number;
  {
    await using driver = await open(model);
    requests = createWorkload(driver, size);
    sequences = driver.info.slots;
    for (const name of ['fifo', 'roundRobin', 'roundRobinText', 'kernel'] as const) {
      figures[name] = await measure(driver, policies[name], requests);
    }
  }
  await withLibrary({ model, sequences, contextTokens }, async (serve) => {
    figures.library = figuresOf(await serve(requests));
  });
  return { requests, figures };
}

const open = (model: string): Promise<InferenceDriver> =>
  createLlamaDriver({ ...defaultEngineSettings, model, contextTokens }, () => undefined);

const p99Of = (figures: PolicyFigures, priority: PriorityClass): number =>
  figures.firstTokenMs[priority]?.p99 ?? 0;

async function measure(
  driver: InferenceDriver,
  policy: Policy,
  requests: readonly Request[],
): Promise<PolicyFigures> {
  for (const slot of driver.slots) await slot.truncate(0);
  return figuresOf(await policy(driver, requests));
}

interface Overhead {
  readonly overheadPerToken: number;
  readonly overheadMicrosecondsPerToken: number;
}

/** The kernel with everything there from the start, so that every moment without a device step is its own. */
async function measureOverhead(
  driver: InferenceDriver,
  requests: readonly Request[],
): Promise<{ closed: PolicyFigures; overhead: Overhead }> {
  for (const slot of driver.slots) await slot.truncate(0);
  const metered = meter(driver);
  const start = systemClock.now();
  const served = await policies.kernel(metered.driver, requests);
  const totalMs = systemClock.now() - start;
  const ownMs = Math.max(0, totalMs - metered.busyMs);
  return {
    closed: figuresOf(served),
    overhead: {
      overheadPerToken: rounded(ownMs / totalMs, 4),
      overheadMicrosecondsPerToken: rounded((1000 * ownMs) / tokensOf(requests), 2),
    },
  };
}

const tokensOf = (requests: readonly Request[]): number =>
  sum(requests.map(({ prompt, outputTokens }) => prompt.length + outputTokens));

function figuresOf(served: readonly Served[]): PolicyFigures {
  const spanMs = Math.max(...served.map(({ request, completionMs }) => request.arriveMs + completionMs));
  const byClass = (value: (each: Served) => number): Record<string, Latency> =>
    Object.fromEntries(
      classes.map((priority) => {
        const samples = served.filter(({ request }) => request.class === priority).map(value);
        return [
          priority,
          { p50: rounded(percentile(samples, 0.5), 1), p99: rounded(percentile(samples, 0.99), 1) },
        ];
      }),
    );
  return {
    tokensPerSecond: rounded((1000 * tokensOf(served.map(({ request }) => request))) / spanMs, 1),
    firstTokenMs: byClass(({ firstTokenMs }) => firstTokenMs),
    completionMs: byClass(({ completionMs }) => completionMs),
  };
}
