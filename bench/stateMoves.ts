/** What it costs to give a slot to another agent, and what a shared prompt saves. */

import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver, Slot, Token } from '../src/hal/driver.js';
import { createScratch } from '../src/hal/scratch.js';
import type { Request } from './workload.js';
import { policies } from './policies.js';
import { percentile, rounded } from './statistics.js';

export interface SwitchCost {
  readonly tokens: number;
  /** State out of the slot to memory, and back. */
  readonly outAndInMs: number;
  /** What the same tokens cost without it. */
  readonly prefillMs: number;
  readonly prefillOverSwitch: number;
}

const stateTokens = 1024;
const repetitions = 5;

export async function measureSwitch(driver: InferenceDriver): Promise<SwitchCost> {
  await using files = await createScratch();
  const slot = driver.slots[0];
  if (slot === undefined) throw new Error('the driver has no slots');
  const path = files.path('switch');
  const [moves, prefills]: [number[], number[]] = [[], []];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    await slot.truncate(0);
    prefills.push(await timed(() => prefill(driver, slot, promptOf(driver, stateTokens))));
    moves.push(
      await timed(async () => {
        await driver.saveState(slot, path);
        await driver.loadState(slot, path);
      }),
    );
  }
  const [outAndInMs, prefillMs] = [percentile(moves, 0.5), percentile(prefills, 0.5)];
  await slot.truncate(0);
  return {
    tokens: stateTokens,
    outAndInMs: rounded(outAndInMs, 1),
    prefillMs: rounded(prefillMs, 1),
    prefillOverSwitch: rounded(prefillMs / outAndInMs, 1),
  };
}

export interface SharedPrefix {
  readonly agents: number;
  readonly promptTokens: number;
  readonly sharedTokens: number;
  /** Time until all have answered: each computing all of its prompt, over the kernel's way. */
  readonly speedup: number;
}

/** Agents of one definition: their prompts begin with the same system message and tools. */
export async function measureSharedPrefix(driver: InferenceDriver): Promise<SharedPrefix> {
  const [agents, sharedTokens, ownTokens] = [8, 512, 64];
  const shared = promptOf(driver, sharedTokens);
  const requests = Array.from({ length: agents }, (_, agent): Request => ({
    agent,
    class: 'normal',
    nice: 0,
    arriveMs: 0,
    prompt: [...shared, ...promptOf(driver, ownTokens, agent + 1)],
    outputTokens: 8,
  }));
  const spans: number[] = [];
  for (const name of ['engine', 'kernel'] as const) {
    for (const slot of driver.slots) await slot.truncate(0);
    const served = await policies[name](driver, requests);
    spans.push(Math.max(...served.map(({ completionMs }) => completionMs)));
  }
  const [engineMs = 0, kernelMs = 1] = spans;
  return {
    agents,
    promptTokens: sharedTokens + ownTokens,
    sharedTokens,
    speedup: rounded(engineMs / kernelMs, 2),
  };
}

/** Different numbers give prompts that differ from their first token on. */
function promptOf(driver: InferenceDriver, length: number, number = 0): Token[] {
  const words = driver.tokenize(
    'const total = rows.reduce((sum, row) => sum + row.amount, 0); // per account',
  );
  return Array.from({ length }, (_, index) => words.at((index * 7 + number) % words.length) ?? (0 as Token));
}

async function prefill(driver: InferenceDriver, slot: Slot, tokens: readonly Token[]): Promise<void> {
  const most = driver.info.batchTokens;
  for (let start = 0; start < tokens.length; start += most) {
    await driver.step([{ slot, tokens: tokens.slice(start, start + most) }]);
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const start = systemClock.now();
  await work();
  return systemClock.now() - start;
}
