// Edits of an agent's attention state on the embedded model: what left the conversation is gone, what came before is
// untouched, what came after is still known, and nothing of it was computed again.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
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
import { SwapSpace } from '../../src/kernel/kv/swapSpace.js';
import { edited } from '../../src/kernel/scheduler/editPlan.js';
import { noUsage, type Client, type Edit, type Turn } from '../../src/kernel/scheduler/job.js';
import { createEntity } from '../../src/kernel/scheduler/runQueue.js';
import { Scheduler } from '../../src/kernel/scheduler/scheduler.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';
import { greedy } from '../support/continueState.js';

const model = fileURLToPath(new URL('../../../models/amk-embedded.gguf', import.meta.url));
const tools: readonly ToolSignature[] = ['read_file', 'list_dir', 'search'].map((name) => ({
  name,
  description: '',
  parameters: { [name === 'search' ? 'query' : 'path']: { description: '' } },
}));

const names = ['formatMoney', 'roundHalfEven', 'parseConfig', 'taxOf'];
/** The last one that was looked for: the embedded model answers from there. */
const found = 3;
/** Parts of the conversation: the system message, an episode for each name, talk about nothing, what is left. */
const [firstEpisode, talk] = [1, 1 + names.length];

const files = ['money', 'rounding', 'config', 'tax'];
const placeOf = (number: number): string => `src/${files[number]}.ts:${number * 10 + 6}`;

/** Somebody asked for a definition, and was told. */
const episode = (name: string, number: number): ChatMessage[] => [
  { role: 'user', content: `Where is ${name} defined?` },
  { role: 'assistant', content: '', toolCall: { name: 'search', arguments: { query: name } } },
  { role: 'tool', name: 'search', content: `${placeOf(number)}: export function ${name}(value: number) {` },
  { role: 'assistant', content: `\`${name}\` is defined in ${placeOf(number)}.` },
];

const smallTalk = (times: number): ChatMessage[] =>
  Array.from({ length: times }, (): ChatMessage[] => [
    { role: 'user', content: 'Answer with this text alone: ready' },
    { role: 'assistant', content: 'ready' },
  ]).flat();

class Answer implements Turn {
  readonly tokens: Token[];
  readonly edits: readonly Edit[];
  readonly sampling: Sampling = { temperature: 0, constraint: undefined };
  readonly said: Token[] = [];

  constructor(tokens: readonly Token[], edits: readonly Edit[]) {
    this.tokens = [...tokens];
    this.edits = edits;
  }

  accept(token: Token): 'continue' | 'done' {
    this.said.push(token);
    if (this.said.length >= 12) return 'done';
    this.tokens.push(token);
    return 'continue';
  }
}

let lastClient = 0;
const client = (): Client => ({
  entity: createEntity(++lastClient, 'normal', 0),
  usage: noUsage(),
  isPaused: false,
  onDevice: () => undefined,
});

suite('edits of the attention state of the embedded model', () => {
  let driver: InferenceDriver;

  suiteSetup(async () => {
    const engine = { ...defaultEngineSettings, model, slots: 2, contextTokens: 1792 };
    driver = await createLlamaDriver(engine, () => undefined);
  });
  suiteTeardown(() => driver[Symbol.asyncDispose]());
  setup(async () => {
    for (const slot of driver.slots) await driver.reset(slot);
  });

  const slots = (): readonly [Slot, Slot] => {
    const [first, second] = driver.slots;
    assert.ok(first && second);
    return [first, second];
  };
  const parts = (): Token[][] => {
    const text = (messages: readonly ChatMessage[]): string =>
      driver.render([{ role: 'system', content: 'You are scout, a coding agent.' }, ...messages], tools);
    const opening = '<|im_start|>assistant\n';
    const system = text([]).slice(0, -opening.length);
    const tokensOf = (messages: readonly ChatMessage[]): Token[] =>
      driver.tokenize(text(messages).slice(system.length, -opening.length), 'text');
    const episodes = names.map((name, number) => tokensOf(episode(name, number)));
    return [driver.tokenize(system), ...episodes, tokensOf(smallTalk(8)), tokensOf(smallTalk(1))];
  };
  /** More than a thousand tokens. */
  const long = (): Token[] => {
    const tokens = parts().flat();
    return [...tokens, ...tokens.slice(1), ...tokens.slice(1)].slice(0, 1200);
  };
  const line = (number: number): Token[] =>
    driver.tokenize(`<|im_start|>user\n[paged #${number}: of no use now]<|im_end|>\n`, 'text');
  const question = (number: number): Token[] => {
    const asked = `<|im_start|>user\nWhere is ${names[number]} defined?<|im_end|>\n<|im_start|>assistant\n`;
    return driver.tokenize(`${asked}\`${names[number]}\` is defined in`, 'text');
  };
  /** Replaces parts by tokens. */
  const editsOf = (
    pieces: readonly (readonly Token[])[],
    by: ReadonlyMap<number, readonly Token[]>,
  ): Edit[] =>
    [...by].map(([part, tokens]) => {
      const start = pieces.slice(0, part).flat().length;
      return { start, end: start + (pieces[part]?.length ?? 0), tokens };
    });

  async function prefill(slot: Slot, tokens: readonly Token[]): Promise<void> {
    for (let start = 0; start < tokens.length; start += 256) {
      await driver.step([{ slot, tokens: tokens.slice(start, start + 256) }]);
    }
  }

  interface Machine {
    readonly say: (who: Client, prompt: readonly Token[], edits?: readonly Edit[]) => Promise<string>;
    readonly troubles: readonly string[];
  }

  async function withScheduler(body: (machine: Machine) => Promise<void>): Promise<void> {
    await using files = await createScratch();
    const swap = new SwapSpace({ driver, files, quotaBytes: 1e9 });
    const troubles: string[] = [];
    const onTrouble = (message: string): void => void troubles.push(message);
    const scheduler = new Scheduler({ driver, clock: systemClock, swap, onTrouble });
    try {
      await body({
        troubles,
        say: async (who, prompt, edits = []) => {
          const answer = new Answer(prompt, edits);
          await scheduler.compute(who, answer, new AbortController().signal);
          return driver.detokenize(answer.said);
        },
      });
    } finally {
      await scheduler.stop();
    }
  }

  test('the engine moves tokens, and leaves exactly what it is told to', async () => {
    const [slot] = slots();
    assert.equal(driver.info.canRearrange, true);
    const tokens = long();
    await prefill(slot, tokens);
    const ranges = [
      { start: 0, end: 200 },
      { start: 700, end: 720 },
      { start: 300, end: 700 },
      { start: 900, end: 1000 },
    ];
    await slot.rearrange(ranges);
    const expected = ranges.flatMap(({ start, end }) => tokens.slice(start, end));
    assert.deepEqual(slot.tokens, expected);
    await prefill(slot, tokens.slice(1000, 1010));
    assert.deepEqual(slot.tokens, [...expected, ...tokens.slice(1000, 1010)]);
  });

  test('what comes before an edit is as it was, and what moved away and back says the same', async () => {
    const [slot, other] = slots();
    const tokens = long();
    const first = tokens[500]!;
    await prefill(other, tokens.slice(0, 500));
    const expected = await greedy(driver, other, first, 64);
    await prefill(slot, tokens);
    await slot.rearrange([
      { start: 0, end: 300 },
      { start: 600, end: tokens.length },
      { start: 300, end: 600 },
    ]);
    // The keys are turned.
    await prefill(slot, tokens.slice(0, 1));
    const moved = tokens.length - 300;
    await slot.rearrange([
      { start: 0, end: 300 },
      { start: moved, end: moved + 200 },
    ]);
    assert.deepEqual(slot.tokens, tokens.slice(0, 500));
    const same = (await greedy(driver, slot, first, 64)).filter((token, index) => token === expected[index]);
    assert.equal(same.length, 64);
  });

  /** What the agent says when these parts left its conversation, and the tokens that it had to compute for that. */
  async function askAfter(
    { say }: Machine,
    who: Client,
    by: ReadonlyMap<number, readonly Token[]>,
  ): Promise<{ readonly said: string; readonly computed: number }> {
    const pieces = parts();
    const edits = editsOf(pieces, by);
    const before = who.usage.prefillTokens;
    const prompt = [...edited(pieces.flat(), edits), ...question(found)];
    const said = await say(who, prompt, edits);
    const held = driver.slots.find((slot) => slot.commonPrefix(prompt) === prompt.length);
    assert.ok(held, 'what is resident is what was asked for');
    return { said: said.trim(), computed: who.usage.prefillTokens - before };
  }

  for (const [what, parted, withLine] of [
    ['before and one after it are erased', [firstEpisode + 1, talk], false],
    ['after what it looks for is erased', [talk], false],
    ['on both sides are lines', [firstEpisode, firstEpisode + 1, talk], true],
  ] as const) {
    test(`the agent finds what it looks for where a part ${what}`, () =>
      withScheduler(async (machine) => {
        const who = client();
        await machine.say(who, [...parts().flat(), ...question(0)]);
        const by = new Map(parted.map((part) => [part, withLine ? line(part) : []]));
        const { said, computed } = await askAfter(machine, who, by);
        assert.ok(said.startsWith(placeOf(found)), said);
        assert.ok(computed <= question(found).length, `${computed} tokens were computed`);
        assert.deepEqual(machine.troubles, []);
      }));
  }

  test('state that was parked is edited when it comes back', () =>
    withScheduler(async (machine) => {
      const [who, ...others] = [client(), client(), client()];
      await machine.say(who, [...parts().flat(), ...question(0)]);
      for (const [index, other] of others.entries()) {
        await machine.say(other, driver.tokenize(`${index} is a number. `.repeat(20)));
      }
      assert.equal(who.usage.residentTokens, 0);
      const { said, computed } = await askAfter(
        machine,
        who,
        new Map([firstEpisode, talk].map((part) => [part, line(part)])),
      );
      assert.ok(said.startsWith(placeOf(found)), said);
      assert.ok(computed <= question(found).length, `${computed} tokens were computed`);
      assert.deepEqual(machine.troubles, []);
    }));

  test('next tokens agree with those of a state computed from the shortened text', async () => {
    const [slot, reference] = slots();
    const pieces = parts();
    const edits = editsOf(pieces, new Map([[firstEpisode + 1, []]]));
    const [edit] = edits;
    assert.ok(edit);
    await prefill(slot, pieces.flat());
    await slot.rearrange([
      { start: 0, end: edit.start },
      { start: edit.end, end: pieces.flat().length },
    ]);
    const length = slot.length;
    await prefill(reference, edited(pieces.flat(), edits));
    let [same, all] = [0, 0];
    for (const number of names.keys()) {
      const text = [...question(number), ...driver.tokenize(` ${placeOf(number)}.<|im_end|>`, 'text')];
      for (const token of text) {
        // A sampler belongs to one sequence.
        const work = [slot, reference].map((each) => ({
          slot: each,
          tokens: [token],
          sampling: { temperature: 0, constraint: undefined },
        }));
        const results = await driver.step(work);
        const [here, there] = results.map((result) => (result.ok ? result.token : undefined));
        assert.ok(here !== undefined && there !== undefined);
        same += here === there ? 1 : 0;
        all++;
      }
      for (const each of [slot, reference]) await each.truncate(length);
    }
    assert.ok(same / all >= 0.9, `${same} of ${all} tokens agree`);
  });
});
