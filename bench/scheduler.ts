/**
 * `npm run bench -- scheduler`: the kernel's scheduler against other ways to share one device, in one run on the same
 * driver, so that ratios hold on a noisy machine. Prints what was measured; judges nothing.
 */

import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver, Sampling, Token } from '../src/hal/driver.js';
import { createLlamaDriver } from '../src/hal/llama/llamaDriver.js';
import { noUsage, type Client } from '../src/kernel/scheduler/job.js';
import { createEntity } from '../src/kernel/scheduler/runQueue.js';
import { Scheduler } from '../src/kernel/scheduler/scheduler.js';
import { weightOf } from '../src/kernel/scheduler/weight.js';
import type { PriorityClass } from '../src/shared/agentDefinition.js';
import { defaultEngineSettings } from '../src/shared/settings.js';
import { policies, type PolicyName, type Served } from './policies.js';
import { jainIndex, percentile, rounded } from './statistics.js';
import { createWorkload, type Request, type WorkloadSize } from './workload.js';

const classes: readonly PriorityClass[] = ['interactive', 'normal', 'batch'];

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

interface PolicyFigures {
  /** Prompt and output tokens of all requests over the time until the last was done. */
  readonly tokensPerSecond: number;
  readonly firstTokenMs: Readonly<Record<string, Latency>>;
  readonly completionMs: Readonly<Record<string, Latency>>;
}

export interface SchedulerFigures {
  readonly model: string;
  readonly device: string;
  readonly policies: Readonly<Record<string, PolicyFigures>>;
  readonly throughput: { readonly kernelOverRoundRobin: number; readonly kernelOverCeiling: number };
  readonly interactive: {
    readonly p99TtftReductionVsFifo: number;
    readonly p99TtftReductionVsRoundRobin: number;
  };
  readonly fairness: { readonly jain: number; readonly weightError: number };
}

export async function benchScheduler(model: string, size: WorkloadSize): Promise<SchedulerFigures> {
  await using driver = await createLlamaDriver(
    { ...defaultEngineSettings, model, contextTokens: 2048 },
    () => undefined,
  );
  const requests = createWorkload(driver, size);
  const figures: Partial<Record<PolicyName, PolicyFigures>> = {};
  for (const name of ['fifo', 'roundRobin', 'roundRobinText', 'kernel'] as const) {
    figures[name] = await measure(driver, name, requests);
  }
  const [fifo, roundRobin, kernel] = [figures.fifo, figures.roundRobin, figures.kernel] as [
    PolicyFigures,
    PolicyFigures,
    PolicyFigures,
  ];
  const together = requests.map((request) => ({ ...request, arriveMs: 0 }));
  const ceiling = await measure(driver, 'engine', together);
  const closed = await measure(driver, 'kernel', together);
  const reduction = (other: PolicyFigures): number =>
    rounded(1 - p99Of(kernel, 'interactive') / p99Of(other, 'interactive'));
  return {
    model: driver.info.model,
    device: driver.info.device,
    policies: { ...figures, engineAllAtOnce: ceiling, kernelAllAtOnce: closed },
    throughput: {
      kernelOverRoundRobin: rounded(kernel.tokensPerSecond / roundRobin.tokensPerSecond),
      kernelOverCeiling: rounded(closed.tokensPerSecond / ceiling.tokensPerSecond),
    },
    interactive: {
      p99TtftReductionVsFifo: reduction(fifo),
      p99TtftReductionVsRoundRobin: reduction(roundRobin),
    },
    fairness: await fairness(driver),
  };
}

const p99Of = (figures: PolicyFigures, priority: PriorityClass): number =>
  figures.firstTokenMs[priority]?.p99 ?? 0;

async function measure(
  driver: InferenceDriver,
  name: PolicyName,
  requests: readonly Request[],
): Promise<PolicyFigures> {
  for (const slot of driver.slots) await slot.truncate(0);
  const start = systemClock.now();
  const served = await policies[name](driver, requests);
  const seconds = (systemClock.now() - start) / 1000;
  const tokens = requests.reduce((sum, { prompt, outputTokens }) => sum + prompt.length + outputTokens, 0);
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
    tokensPerSecond: rounded(tokens / seconds, 1),
    firstTokenMs: byClass(({ firstTokenMs }) => firstTokenMs),
    completionMs: byClass(({ completionMs }) => completionMs),
  };
}

const warmUpSeconds = 3;
const fairnessSeconds = 8;

/** Device time of agents that never stop: four equal ones, then three whose weights are about 1 : 2 : 4. */
async function fairness(driver: InferenceDriver): Promise<SchedulerFigures['fairness']> {
  const equal = await deviceShares(driver, [0, 0, 0, 0]);
  const nices = [0, -3, -6];
  const shares = await deviceShares(driver, nices);
  const [received, weight] = [sum(shares), sum(nices.map(weightOf))];
  const errors = shares.map((share, index) =>
    Math.abs(share / received / (weightOf(nices[index] ?? 0) / weight) - 1),
  );
  return { jain: rounded(jainIndex(equal), 4), weightError: rounded(Math.max(...errors), 4) };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

async function deviceShares(driver: InferenceDriver, nices: readonly number[]): Promise<number[]> {
  const scheduler = new Scheduler(driver, systemClock);
  const stop = new AbortController();
  const prompt = driver.tokenize('export function settle(rows: number[]): number {');
  const clients = nices.map((nice, index): Client => ({
    entity: createEntity(index + 1, 'normal', nice),
    usage: noUsage(),
    isPaused: false,
    onDevice: () => undefined,
  }));
  const ends = clients.map((client) =>
    computeForEver(scheduler, client, () => new Growing(driver, prompt), stop.signal),
  );
  const received = (): number[] => clients.map(({ usage }) => usage.prefillMs + usage.decodeMs);
  // A burst is spent once, at the start; what follows is the steady state.
  await sleep(warmUpSeconds * 1000);
  const before = received();
  await sleep(fairnessSeconds * 1000);
  const shares = received().map((ms, index) => ms - (before[index] ?? 0));
  stop.abort();
  await Promise.all(ends);
  await scheduler.stop();
  return shares;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One turn after the other, each until its context is full. */
async function computeForEver(
  scheduler: Scheduler,
  client: Client,
  nextTurn: () => Growing,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) await scheduler.compute(client, nextTurn(), stop).catch(() => undefined);
}

/** A turn that ends where its context does. */
class Growing {
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
