/**
 * What it costs that parts of a conversation leave the attention state of an agent and a line stands for each, over
 * computing the conversation again: until the first token of the agent's next turn, through the product's scheduler,
 * less what the same turn takes where nothing left. Prints nothing and judges nothing.
 */

import type { InferenceDriver, Token } from '../src/hal/driver.js';
import { edited } from '../src/kernel/scheduler/editPlan.js';
import type { Edit } from '../src/kernel/scheduler/job.js';
import {
  BenchClient,
  conversation,
  emptySlots,
  timed,
  withScheduler,
  type Device,
  type Machine,
} from './kvMachine.js';
import { percentile, rounded } from './statistics.js';

const blockTokens = 256;
/** What the agent is told in each turn. */
const turnTokens = 16;

export interface ContextEditFigures {
  readonly tokens: number;
  readonly blockTokens: number;
  readonly prefillMs: number;
  readonly oneMs: number;
  readonly fiveMs: number;
  readonly oneOverPrefill: number;
  readonly fiveOverPrefill: number;
}

type Sample = Pick<ContextEditFigures, 'prefillMs' | 'oneMs' | 'fiveMs'>;

/** @param tokens length of the conversation before anything leaves it */
export async function measureContextEdits(
  device: Device,
  tokens: number,
  repetitions: number,
): Promise<ContextEditFigures> {
  const samples: Sample[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    samples.push(await measureOnce(device, tokens, repetition));
  }
  const median = (of: keyof Sample): number =>
    percentile(
      samples.map((sample) => sample[of]),
      0.5,
    );
  const [prefillMs, oneMs, fiveMs] = [median('prefillMs'), median('oneMs'), median('fiveMs')];
  return {
    tokens,
    blockTokens,
    prefillMs: rounded(prefillMs, 1),
    oneMs: rounded(oneMs, 1),
    fiveMs: rounded(fiveMs, 1),
    oneOverPrefill: rounded(oneMs / prefillMs, 3),
    fiveOverPrefill: rounded(fiveMs / prefillMs, 3),
  };
}

async function measureOnce(device: Device, length: number, number: number): Promise<Sample> {
  const { driver } = device;
  const { tokens } = conversation(driver, length, number);
  const own = driver.tokenize(instructions, 'text').slice(0, turnTokens);
  const line = driver.tokenize('[paged #17: src/parser.ts 40–92, tokenizer states]\n', 'text');
  const [one, five] = [1, 5].map((count) => editsOf(count, tokens.length, line));
  if (one === undefined || five === undefined) throw new Error('there is nothing to measure');
  return await withScheduler(device, async (machine) => {
    const plainMs = await nextTurn(machine, driver, { tokens, edits: [], own });
    const oneMs = await nextTurn(machine, driver, { tokens, edits: one, own });
    const fiveMs = await nextTurn(machine, driver, { tokens, edits: five, own });
    await emptySlots(driver);
    const shortened = [...edited(tokens, one), ...own];
    const prefillMs = await timed(() => machine.firstToken(new BenchClient(9), shortened));
    return { prefillMs, oneMs: oneMs - plainMs, fiveMs: fiveMs - plainMs };
  });
}

const instructions =
  '\nNow review what was read above, line by line, and say what is wrong with it and why that is so.';

/** Blocks at equal distances, the first one near the beginning: almost everything comes after it. */
function editsOf(count: number, length: number, line: readonly Token[]): Edit[] {
  const distance = Math.floor((length - blockTokens) / count);
  if (distance <= blockTokens) throw new Error(`${count} blocks do not fit into ${length} tokens`);
  return Array.from({ length: count }, (_, index) => {
    const start = blockTokens / 2 + index * distance;
    return { start, end: start + blockTokens, tokens: line };
  });
}

interface NextTurn {
  readonly tokens: readonly Token[];
  readonly edits: readonly Edit[];
  readonly own: readonly Token[];
}

/** An agent computes the conversation, then its next turn, which is timed. */
async function nextTurn(
  { firstToken, scheduler }: Machine,
  driver: InferenceDriver,
  { tokens, edits, own }: NextTurn,
): Promise<number> {
  await emptySlots(driver);
  const agent = new BenchClient(1);
  await firstToken(agent, tokens);
  const before = agent.usage.prefillTokens;
  const ms = await timed(() => firstToken(agent, [...edited(tokens, edits), ...own], edits));
  // A figure for a way that was not gone would be worth nothing.
  const computed = agent.usage.prefillTokens - before;
  if (computed > own.length + 1) throw new Error(`${computed} tokens were computed, not ${own.length}`);
  scheduler.release(agent);
  return ms;
}
