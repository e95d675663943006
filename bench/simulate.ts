/**
 * `node out/bench/simulate.js [--agents 100000] [--steps 20000] [--users 10] [--slots 8] [--seed 1] [--json]`: the
 * scheduler under many agents, in virtual time on a device that was measured. Runs twice and compares the traces.
 */

import { parseArgs } from 'node:util';
import { deviceProfiles } from '../src/hal/deviceProfiles.js';
import {
  simulate,
  type SimulationFigures,
  type SimulationOptions,
} from '../src/kernel/scheduler/simulation.js';
import { jainIndex, percentile, rounded } from './statistics.js';

const swapBytes = 64 * 1024 * 1024;

interface Distribution {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

function distributionOf(samples: readonly number[]): Distribution {
  return {
    p50: rounded(percentile(samples, 0.5), 2),
    p90: rounded(percentile(samples, 0.9), 2),
    p99: rounded(percentile(samples, 0.99), 2),
    max: rounded(percentile(samples, 1), 2),
  };
}

function summaryOf(figures: SimulationFigures, again: SimulationFigures): Record<string, unknown> {
  const { steps, seconds, tokens, shares, waits, inversions, swaps, cost, trace } = figures;
  return {
    steps,
    virtualSeconds: rounded(seconds, 1),
    tokensPerSecond: rounded(tokens / seconds, 1),
    pickUs: distributionOf(cost.pickUs),
    betweenStepsUs: distributionOf(cost.betweenStepsUs),
    jainOfUsers: rounded(jainIndex(shares.users), 4),
    maxWaitOverAgeingBound: rounded(waits.overBound, 6),
    interactiveWaitMs: distributionOf(waits.interactiveMs),
    inversions,
    swaps: {
      perStep: rounded((swaps.saves + swaps.loads) / steps, 4),
      timeShare: rounded(swaps.timeShare, 4),
      prefillOverNeeded: rounded(swaps.prefillOverNeeded, 4),
    },
    trace,
    isSameTrace: again.trace === trace,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      agents: { type: 'string', default: '100000' },
      steps: { type: 'string', default: '20000' },
      users: { type: 'string', default: '10' },
      slots: { type: 'string', default: '8' },
      seed: { type: 'string', default: '1' },
      json: { type: 'boolean', default: false },
    },
  });
  const options: SimulationOptions = {
    agents: Number(values.agents),
    steps: Number(values.steps),
    users: Number(values.users),
    slots: Number(values.slots),
    seed: Number(values.seed),
    device: deviceProfiles.embedded,
    swapBytes,
    realTime: () => performance.now(),
  };
  const summary = {
    agents: options.agents,
    users: options.users,
    slots: options.slots,
    ...summaryOf(await simulate(options), await simulate(options)),
  };
  if (values.json) console.log(JSON.stringify(summary, null, 2));
  else console.dir(summary, { depth: 3 });
}

await main();
