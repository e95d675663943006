// Attention on the embedded model: what is read of an agent's own state is a share of all attention, goes to what the
// answer is copied from, and does not depend on how the state was kept.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AttentionProbe, AttentionReading } from '../../src/hal/attention.js';
import { systemClock } from '../../src/hal/clock.js';
import type { ChatMessage, InferenceDriver, Slot, Token, ToolSignature } from '../../src/hal/driver.js';
import { createAttentionReader } from '../../src/hal/llama/attentionReader.js';
import { createLlamaDriver } from '../../src/hal/llama/llamaDriver.js';
import { createScratch } from '../../src/hal/scratch.js';
import { blockAttention } from '../../src/kernel/context/attentionFold.js';
import { createAttentionProbe } from '../../src/kernel/context/attentionProbe.js';
import { readableValueType } from '../../src/kernel/kv/attentionInput.js';
import { CodecPool } from '../../src/kernel/kv/codecPool.js';
import { AsyncDisposableStore } from '../../src/shared/lifecycle.js';
import { defaultEngineSettings, type EngineSettings } from '../../src/shared/settings.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const fromHere = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const model = fromRoot('models/amk-embedded.gguf');
const patient = 20_000;

/** A driver and a probe of its states. */
interface Machine {
  readonly driver: InferenceDriver;
  readonly slot: Slot;
  readonly probe: AttentionProbe;
  readonly logged: string[];
  /** What is read of the slot as it is. */
  readonly read: (probeTokens: number, tokens?: readonly Token[]) => Promise<AttentionReading | undefined>;
}

async function open(
  own: Partial<EngineSettings>,
  folder: string,
  parts: AsyncDisposableStore,
): Promise<Machine> {
  const engine = { ...defaultEngineSettings, model, contextTokens: 2048, ...own };
  const driver = parts.use(await createLlamaDriver(engine, () => undefined));
  const { state: facts } = driver.info;
  const reader = createAttentionReader({
    workerUrl: fromHere('src/hal/llama/attentionWorker.js'),
    modelPath: model,
    keyType: facts.keyType,
    valueType: readableValueType(facts.valueType),
    threads: 1,
  });
  const workerUrl = fromHere('src/kernel/kv/codecWorker.js');
  const codec = parts.use(new CodecPool({ workerUrl, threads: 1, timeoutMs: patient }));
  const files = parts.use(await createScratch());
  const logged: string[] = [];
  const probe = parts.use(
    createAttentionProbe({
      ...{ reader, codec, files, facts, clock: systemClock },
      readState: (path) => readFile(path),
      log: (_, message) => logged.push(message),
    }),
  );
  const slot = driver.slots.at(-1)!;
  const path = join(folder, `state-${engine.slots}-${engine.kvType}`);
  return {
    ...{ driver, slot, probe, logged },
    read: async (probeTokens, tokens = slot.tokens) => {
      await rm(path, { force: true });
      await driver.saveState(slot, path);
      return await probe.read(path, tokens, { probeTokens, budgetMs: patient });
    },
  };
}

async function fill({ driver, slot }: Machine, tokens: readonly Token[]): Promise<void> {
  for (let start = 0; start < tokens.length; start += 512) {
    await driver.step([{ slot, tokens: tokens.slice(start, start + 512) }]);
  }
}

const sum = (values: Iterable<number>): number =>
  Array.from(values).reduce((total, value) => total + value, 0);

const furthest = (first: Float32Array, second: Float32Array): number =>
  Math.max(...first.map((value, index) => Math.abs(value - (second[index] ?? NaN))));

suite('attention of the embedded model', () => {
  let folder: string;
  let machine: Machine;
  const parts = new AsyncDisposableStore();

  suiteSetup(async () => {
    folder = await mkdtemp(join(tmpdir(), 'amk-attention-'));
    machine = await open({ slots: 8 }, folder, parts);
  });
  suiteTeardown(async () => {
    await parts[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  setup(() => machine.driver.reset(machine.slot));

  const text = async (driver: InferenceDriver, count: number): Promise<Token[]> =>
    driver
      .tokenize(await readFile(fromRoot('LICENSE'), 'utf8').then((page) => page.repeat(8)))
      .slice(0, count);

  test('while an answer copies a line, that line receives far more than those like it', async () => {
    const { driver, slot, read } = machine;
    const names = [
      'taxOf',
      'parcelCount',
      'openLedger',
      'roundUp',
      'shipOrder',
      'parseDate',
      'mergeRows',
      'hashKey',
    ];
    const places = ['tax', 'parcel', 'ledger', 'round', 'order', 'date', 'rows', 'hash'].map(
      (name, index) => `src/${name}.ts:${6 + index * 7}`,
    );
    const rounds = names.flatMap((name, index): ChatMessage[] => [
      { role: 'user', content: `Where is ${name} defined?` },
      { role: 'assistant', content: '', toolCall: { name: 'search', arguments: { query: name } } },
      {
        role: 'tool',
        name: 'search',
        content: `${places[index]}: export function ${name}(value: Input): Output {`,
      },
      { role: 'assistant', content: 'Found it.' },
    ]);
    const tools: ToolSignature[] = [
      { name: 'search', description: '', parameters: { query: { description: '' } } },
    ];
    const system: ChatMessage = { role: 'system', content: 'You are scout, a coding agent.' };
    const question: ChatMessage = { role: 'user', content: 'Where is hashKey defined?' };
    const asked = driver.render([system, ...rounds, question], tools);
    const prompt = driver.tokenize(`${asked}\`hashKey\` is defined in `);
    const ends = prompt.map((_, index) => driver.detokenize(prompt.slice(0, index + 1)).length);
    const ranges = places.map((place) => {
      const at = asked.indexOf(place);
      return {
        start: ends.findIndex((end) => end > at),
        end: ends.findIndex((end) => end >= at + place.length) + 1,
      };
    });

    await fill(machine, prompt.slice(0, -1));
    const before = await read(8);
    const sampling = { temperature: 0, constraint: undefined };
    let next = prompt.at(-1)!;
    const answer: Token[] = [];
    while (answer.length < 8) {
      const [result] = await driver.step([{ slot, tokens: [next], sampling }]);
      assert.ok(result?.ok === true && result.token !== undefined);
      next = result.token;
      answer.push(next);
    }
    assert.match(driver.detokenize(answer), /^src\/hash\.ts:55/);
    const during = await read(7);
    assert.ok(before && during, machine.logged.join());
    assert.equal(during.probedTokens, 7);
    assert.equal(during.received.length, slot.length);
    assert.ok(Math.abs(sum(during.received) - 1) < 1e-4);

    const perToken = (reading: AttentionReading): number[] =>
      blockAttention(reading.received, ranges).map(
        (received, index) => received / (ranges[index]!.end - ranges[index]!.start),
      );
    const [needle = 0, ...others] = perToken(during).reverse();
    const filler = sum(others) / others.length;
    const earlier = perToken(before).at(-1) ?? 0;
    assert.ok(needle > 5 * filler, `${needle} and ${filler} a token`);
    assert.ok(needle > 5 / slot.length, `${needle} a token of ${slot.length}`);
    assert.ok(needle > 2 * earlier, `${needle} while it is copied, ${earlier} before`);
  });

  test('what is read of a loaded state is what is read while the same tokens are computed', async () => {
    const { driver, slot, read } = machine;
    const tokens = await text(driver, 40);
    const singly = new Float32Array(tokens.length);
    for (const [index, token] of tokens.entries()) {
      await driver.step([{ slot, tokens: [token] }]);
      if (index < 8) continue;
      const one = await read(1);
      assert.ok(one, machine.logged.join());
      one.received.forEach((value, at) => (singly[at] = (singly[at] ?? 0) + value / 32));
    }
    const together = await read(32);
    assert.equal(together?.probedTokens, 32);
    assert.ok(furthest(together.received, singly) < 2e-3);
  });

  test('1,024 tokens are read in little time, whatever the number of slots and the type of the cache', async () => {
    const tokens = await text(machine.driver, 1024);
    await fill(machine, tokens);
    await machine.read(8);
    const expected = await machine.read(8);
    assert.ok(expected);
    console.log(`        1,024 tokens: ${expected.ms.toFixed(0)} ms`);
    for (const own of [{ slots: 1 }, { slots: 2, kvType: 'q8_0' }, { slots: 2, kvType: 'q4_0' }] as const) {
      const others = new AsyncDisposableStore();
      try {
        const other = await open(own, folder, others);
        await fill(other, tokens);
        const reading = await other.read(8);
        assert.ok(reading, other.logged.join());
        assert.ok(Math.abs(sum(reading.received) - 1) < 1e-4);
        const distance = furthest(reading.received, expected.received);
        assert.ok(distance < (own.slots === 1 ? 1e-6 : 0.01), `${distance} with ${JSON.stringify(own)}`);
      } finally {
        await others[Symbol.asyncDispose]();
      }
    }
  });

  test('other tokens than those of the state are refused, and what follows is read', async () => {
    const { driver, slot, read, logged } = machine;
    await fill(machine, await text(driver, 100));
    assert.equal(await read(8, slot.tokens.slice(1)), undefined);
    assert.match(logged.at(-1) ?? '', /holds 100 tokens that are not the 99/);
    assert.equal((await read(8))?.received.length, 100);
  });
});
