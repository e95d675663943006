// Attention state on the embedded model: what was saved, moved or handed over continues token by token as if it had
// stayed where it was, and an agent answers from what another one read, of which it got no text.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { systemClock } from '../../src/hal/clock.js';
import type {
  ChatMessage,
  InferenceDriver,
  Sampling,
  Slot,
  Token,
  ToolSignature,
} from '../../src/hal/driver.js';
import { createLlamaDriver } from '../../src/hal/llama/llamaDriver.js';
import { createScratch } from '../../src/hal/scratch.js';
import { decodeSnapshot, encodeSnapshot } from '../../src/kernel/kv/snapshot.js';
import { SwapSpace } from '../../src/kernel/kv/swapSpace.js';
import { noUsage, type Client, type Turn } from '../../src/kernel/scheduler/job.js';
import { createEntity } from '../../src/kernel/scheduler/runQueue.js';
import { Scheduler } from '../../src/kernel/scheduler/scheduler.js';
import { StepCost } from '../../src/kernel/scheduler/stepCost.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';
import { greedy } from '../support/continueState.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const model = fromRoot('models/amk-embedded.gguf');
const elsewhere = fromRoot('out/test/support/continueState.js');

const tools: readonly ToolSignature[] = ['read_file', 'list_dir', 'search'].map((name) => ({
  name,
  description: '',
  parameters: { [name === 'search' ? 'query' : 'path']: { description: '' } },
}));

/** Takes what the model says, up to the end of its turn or a number of tokens. */
class Answer implements Turn {
  readonly tokens: Token[];
  readonly sampling: Sampling = { temperature: 0, constraint: undefined };
  readonly said: Token[] = [];
  readonly #driver: InferenceDriver;
  readonly #count: number;

  constructor(driver: InferenceDriver, prompt: readonly Token[], count: number) {
    this.#driver = driver;
    this.#count = count;
    this.tokens = [...prompt];
  }

  accept(token: Token): 'continue' | 'done' {
    if (this.#driver.isEndOfTurn(token) && this.#count === Infinity) return 'done';
    this.said.push(token);
    this.tokens.push(token);
    return this.said.length < this.#count ? 'continue' : 'done';
  }
}

let lastClient = 0;
const client = (): Client => ({
  entity: createEntity(++lastClient, 'normal', 0),
  usage: noUsage(),
  isPaused: false,
  onDevice: () => undefined,
});

suite('attention state of the embedded model', () => {
  let driver: InferenceDriver;
  let folder: string;

  suiteSetup(async () => {
    const engine = { ...defaultEngineSettings, model, slots: 2, contextTokens: 2048 };
    driver = await createLlamaDriver(engine, () => undefined);
    folder = await mkdtemp(join(tmpdir(), 'amk-kv-state-'));
  });
  suiteTeardown(async () => {
    await driver[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  setup(async () => {
    for (const slot of driver.slots) await driver.reset(slot);
  });

  const slots = (): readonly [Slot, Slot] => {
    const [first, second] = driver.slots;
    assert.ok(first && second);
    return [first, second];
  };
  const textTokens = async (count: number): Promise<Token[]> => {
    const tokens = driver.tokenize(await readFile(fromRoot('README.md'), 'utf8'));
    assert.ok(tokens.length > count);
    return tokens.slice(0, count);
  };

  test('512 tokens follow an exact snapshot as if there had been none, also in another process', async () => {
    const [slot] = slots();
    const prompt = await textTokens(700);
    const first = prompt.at(-1)!;
    await driver.step([{ slot, tokens: prompt.slice(0, 400) }]);
    await driver.step([{ slot, tokens: prompt.slice(400, -1) }]);
    const [state, snapshot] = [join(folder, 'state'), join(folder, 'snapshot')];
    await driver.saveState(slot, state);
    const expected = await greedy(driver, slot, first, 512);

    const { state: facts } = driver.info;
    await writeFile(snapshot, encodeSnapshot(await readFile(state), { quantisation: 'f16', facts }));
    await slot.truncate(0);
    await writeFile(state, decodeSnapshot(await readFile(snapshot), facts));
    await driver.loadState(slot, state);
    assert.deepEqual(await greedy(driver, slot, first, 512), expected);

    const args = [elsewhere, model, snapshot, String(first), '512'];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    assert.deepEqual(JSON.parse(stdout), expected);
  });

  interface Machine {
    readonly scheduler: Scheduler;
    /** What the client says to a prompt. */
    readonly say: (client: Client, prompt: readonly Token[], count?: number) => Promise<readonly Token[]>;
  }

  async function withScheduler(body: (machine: Machine) => Promise<void>): Promise<void> {
    await using files = await createScratch();
    const swap = new SwapSpace({ driver, files, quotaBytes: 1e9 });
    // Computing is taken to be so slow that state always moves.
    const cost = new StepCost();
    const scheduler = new Scheduler({ driver, clock: systemClock, cost, swap });
    try {
      await body({
        scheduler,
        say: async (who, prompt, count = Infinity) => {
          const answer = new Answer(driver, prompt, count);
          await scheduler.compute(who, answer, new AbortController().signal);
          return answer.said;
        },
      });
    } finally {
      await scheduler.stop();
    }
  }

  test('who goes on with a copied or a moved context says what the first one says itself', () =>
    withScheduler(async ({ scheduler, say }) => {
      const prompt = await textTokens(600);
      const [reader, copier, mover] = [client(), client(), client()];
      const read = await say(reader, prompt, 16);
      const more = [...prompt, ...read, ...driver.tokenize(' And then ', 'text')];
      const copied = await say(copier, more, 256);
      const own = await say(reader, more, 256);
      assert.deepEqual(copied, own);
      assert.ok(copier.usage.reusedTokens >= 600);

      scheduler.release(copier);
      scheduler.handOver(reader, mover);
      const moved = await say(mover, more, 256);
      assert.deepEqual(moved, own);
      assert.ok(mover.usage.reusedTokens >= 600);
    }));

  test('the last of three answers from what the first one read, and computes its own tokens alone', () =>
    withScheduler(async ({ scheduler, say }) => {
      const line = 'src/tax.ts:6: export function taxOf(amount: Cents): Cents {';
      const question: ChatMessage = { role: 'user', content: 'Where is taxOf defined?' };
      const opening: ChatMessage[] = [
        { role: 'system', content: 'You are scout, a coding agent.' },
        question,
      ];
      const search: ChatMessage[] = [
        { role: 'assistant', content: '', toolCall: { name: 'search', arguments: { query: 'taxOf' } } },
        { role: 'tool', name: 'search', content: line },
      ];
      const [first, second, third] = [client(), client(), client()];
      const read = driver.tokenize(driver.render([...opening, ...search], tools));
      const found = await say(first, read);
      assert.match(driver.detokenize(found), /src\/tax\.ts:6/);

      scheduler.handOver(first, second);
      const turn = (said: string, request: string): Token[] =>
        driver.tokenize(
          `${said}<|im_end|>\n<|im_start|>user\n${request}<|im_end|>\n<|im_start|>assistant\n`,
          'text',
        );
      // Only what each adds is text; what it goes on from is tokens that lie computed in the slot.
      const toSecond = [...read, ...found, ...turn('', 'Answer with this text alone: ready')];
      const ready = await say(second, toSecond);
      assert.equal(second.usage.prefillTokens, toSecond.length - second.usage.reusedTokens);

      scheduler.handOver(second, third);
      const own = [
        ...turn('', 'Where is taxOf defined?'),
        ...driver.tokenize('`taxOf` is defined in ', 'text'),
      ];
      const answer = await say(third, [...toSecond, ...ready, ...own], 8);
      assert.match(driver.detokenize(answer), /^ ?src\/tax\.ts:6/);
      assert.ok(third.usage.reusedTokens >= toSecond.length);
      assert.ok(third.usage.prefillTokens <= own.length + 1, JSON.stringify(third.usage));

      const stranger = client();
      const alone = await say(
        stranger,
        [...driver.tokenize(driver.render(opening, tools)), ...own.slice(-6)],
        8,
      );
      assert.doesNotMatch(driver.detokenize(alone), /src\/tax\.ts:6/);
    }));
});
