/**
 * How long it takes until an agent that goes on where another one ended has its first token: with the other's state
 * (moved: it takes over the slot; copied: the other goes on as well), through the product's scheduler; and with the
 * other's text, which is tokenised and computed again in full batches, with nothing in the way. All three end with the
 * same own instructions and one token.
 */

import type { InferenceDriver, Token } from '../src/hal/driver.js';
import {
  BenchClient,
  conversation,
  emptySlots,
  prefill,
  timed,
  withScheduler,
  type Device,
} from './kvMachine.js';
import { percentile, rounded } from './statistics.js';

/** What an agent is told after it took over another's conversation. */
const instructionTokens = 16;

export interface HandoffFigures {
  readonly moveMs: number;
  readonly copyMs: number;
  readonly textMs: number;
  readonly moveOverText: number;
  readonly copyOverText: number;
}

type Sample = Pick<HandoffFigures, 'moveMs' | 'copyMs' | 'textMs'>;

export async function measureHandoff(
  device: Device,
  tokens: number,
  repetitions: number,
): Promise<HandoffFigures> {
  const samples: Sample[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    samples.push(await measureOnce(device, tokens, repetition));
  }
  const median = (of: keyof Sample): number =>
    percentile(
      samples.map((sample) => sample[of]),
      0.5,
    );
  const [moveMs, copyMs, textMs] = [median('moveMs'), median('copyMs'), median('textMs')];
  return {
    moveMs: rounded(moveMs, 1),
    copyMs: rounded(copyMs, 1),
    textMs: rounded(textMs, 1),
    moveOverText: rounded(textMs / moveMs, 1),
    copyOverText: rounded(textMs / copyMs, 1),
  };
}

/** What was computed for the text stays in its slot, where the one who hands over finds it. */
async function measureOnce(device: Device, length: number, number: number): Promise<Sample> {
  const { driver } = device;
  await emptySlots(driver);
  const { text, tokens } = conversation(driver, length, number);
  const own = driver.tokenize(instructions).slice(0, instructionTokens);
  const textMs = await timed(() => byText(driver, text, own));
  return await withScheduler(device, async (machine) => {
    const { scheduler } = machine;
    const [reader, copier, mover] = [new BenchClient(1), new BenchClient(2), new BenchClient(3)];
    await machine.firstToken(reader, tokens);
    const copyMs = await timed(() => machine.firstToken(copier, [...tokens, ...own]));
    assertReused(copier, tokens.length);
    const moveMs = await timed(async () => {
      scheduler.handOver(reader, mover);
      await machine.firstToken(mover, [...tokens, ...own]);
    });
    assertReused(mover, tokens.length);
    return { copyMs, moveMs, textMs };
  });
}

const instructions =
  '\nNow review what was read above, line by line, and say what is wrong with it and why that is so.';

async function byText(driver: InferenceDriver, text: string, own: readonly Token[]): Promise<void> {
  const [slot] = driver.slots;
  const prompt = [...driver.tokenize(text), ...own];
  if (slot === undefined) throw new Error('the driver has no slots');
  await prefill(driver, slot, prompt.slice(0, -1));
  const sampling = { temperature: 0, constraint: undefined };
  await driver.step([{ slot, tokens: prompt.slice(-1), sampling }]);
}

/** A figure for a way that was not gone would be worth nothing. */
function assertReused({ usage }: BenchClient, tokens: number): void {
  if (usage.reusedTokens < tokens - 1) {
    throw new Error(`${usage.reusedTokens} of ${tokens} tokens were handed over`);
  }
}
