// OpenAI's own client for Node, unmodified, on the embedded model: what a program that was written for another server
// finds here. The embedded model knows a handful of tools and copies; that is enough to see every part of the interface.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import type { ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources/chat/completions';
import type { InferenceDriver } from '../../src/hal/driver.js';
import { createEmbedder } from '../../src/hal/llama/embedder.js';
import { createLlamaDriver } from '../../src/hal/llama/llamaDriver.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';
import { clientNamed, serveKernel, tokenOf, type ServedKernel } from '../support/serving.js';

const modelPath = (name: string): string =>
  fileURLToPath(new URL(`../../../models/${name}.gguf`, import.meta.url));
const silent = (): void => undefined;

const search: ChatCompletionTool = {
  type: 'function',
  function: {
    name: 'search',
    description: 'Finds text in files.',
    parameters: {
      type: 'object',
      properties: { query: { type: 'string', description: 'What to find.' } },
      required: ['query'],
    },
  },
};
const question = 'Where is roundHalfEven defined?';
const opening: ChatCompletionMessageParam[] = [
  { role: 'system', content: 'You are scout, a coding agent.' },
  { role: 'user', content: question },
];

suite("OpenAI's client for Node", function () {
  this.timeout(120_000);
  let driver: InferenceDriver;
  let kernel: ServedKernel;
  let client: OpenAI;
  let model: string;

  suiteSetup(async () => {
    driver = await createLlamaDriver(
      {
        ...defaultEngineSettings,
        model: modelPath('amk-embedded'),
        gpu: 'cpu',
        slots: 4,
        contextTokens: 6144,
      },
      silent,
    );
    kernel = await serveKernel({
      driver,
      clients: [clientNamed('client')],
      embedder: {
        model: 'amk-embedder',
        open: () => createEmbedder(modelPath('amk-embedder'), { threads: 1, log: silent }),
      },
    });
    client = new OpenAI({ baseURL: `${kernel.url}/v1`, apiKey: tokenOf('client'), maxRetries: 0 });
    model = (await client.models.list()).data[0]?.id ?? '';
  });
  suiteTeardown(async () => {
    await kernel.close();
    await driver[Symbol.asyncDispose]();
  });

  test('lists the models, and tells of one', async () => {
    const { data } = await client.models.list();
    assert.deepEqual(
      data.map(({ id }) => id),
      [model, 'amk-embedder'],
    );
    assert.equal((await client.models.retrieve(model)).owned_by, 'local');
    await assert.rejects(client.models.retrieve('gpt-4'), OpenAI.NotFoundError);
  });

  test('a chat is answered, with an id of its own and what it took', async () => {
    const ask = () => client.chat.completions.create({ model, messages: opening, max_completion_tokens: 12 });
    const [one, other] = [await ask(), await ask()];
    assert.notEqual(one.id, other.id);
    assert.equal(one.object, 'chat.completion');
    assert.equal(typeof one.choices[0]?.message.content, 'string');
    assert.ok((one.usage?.prompt_tokens ?? 0) > 10);
    assert.ok((one.usage?.completion_tokens ?? 0) > 0);
    assert.deepEqual(one.choices[0]?.message, other.choices[0]?.message);
    assert.equal(other.usage?.prompt_tokens_details?.cached_tokens, (other.usage?.prompt_tokens ?? 0) - 1);
  });

  test('a stream has the same text, and its usage last where that is asked for', async () => {
    const request = { model, messages: opening, max_completion_tokens: 12 } as const;
    const whole = await client.chat.completions.create(request);
    const stream = await client.chat.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    const [texts, usages, ids, reasons]: [string[], unknown[], Set<string>, unknown[]] = [
      [],
      [],
      new Set(),
      [],
    ];
    for await (const chunk of stream) {
      ids.add(chunk.id);
      texts.push(chunk.choices[0]?.delta.content ?? '');
      if (chunk.choices[0]?.finish_reason) reasons.push(chunk.choices[0].finish_reason);
      if (chunk.usage) usages.push(chunk.usage.completion_tokens);
    }
    assert.equal(texts.join(''), whole.choices[0]?.message.content);
    assert.equal(ids.size, 1);
    assert.deepEqual(reasons, [whole.choices[0]?.finish_reason]);
    assert.deepEqual(usages, [whole.usage?.completion_tokens]);
  });

  test('a tool is called, its result goes back, and the model answers with it', async () => {
    const first = await client.chat.completions.create({ model, messages: opening, tools: [search] });
    const [choice] = first.choices;
    assert.equal(choice?.finish_reason, 'tool_calls');
    const [call] = choice.message.tool_calls ?? [];
    assert.ok(call?.type === 'function');
    assert.deepEqual(call.function, { name: 'search', arguments: '{"query":"roundHalfEven"}' });
    const second = await client.chat.completions.create({
      model,
      messages: [
        ...opening,
        choice.message,
        {
          role: 'tool',
          tool_call_id: call.id,
          content: 'src/core/money.ts:12: export function roundHalfEven(',
        },
      ],
      tools: [search],
    });
    assert.match(second.choices[0]?.message.content ?? '', /src\/core\/money\.ts/);
    const { prompt_tokens: prompt = 0, prompt_tokens_details: details } = second.usage ?? {};
    const cached = details?.cached_tokens ?? 0;
    assert.ok(cached >= (first.usage?.prompt_tokens ?? Infinity), `${cached} of ${prompt} tokens were there`);
  });

  test('the call that is asked for is made, in a stream as well', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'hello' }],
      tools: [search],
      tool_choice: { type: 'function', function: { name: 'search' } },
      max_completion_tokens: 200,
      stream: true,
    });
    let called = '';
    let reason: string | null | undefined;
    for await (const { choices } of stream) {
      const [call] = choices[0]?.delta.tool_calls ?? [];
      called += call?.function?.name ?? '';
      reason = choices[0]?.finish_reason ?? reason;
    }
    assert.deepEqual([called, reason], ['search', 'tool_calls']);
  });

  test('arguments are of their schema, whatever the model would say', async () => {
    const { choices } = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'plot it' }],
      tools: [
        {
          type: 'function',
          function: {
            name: 'plot',
            parameters: {
              type: 'object',
              properties: {
                kind: { enum: ['line', 'bar'] },
                size: { type: 'array', items: { type: 'integer' }, minItems: 2, maxItems: 2 },
                isLog: { type: 'boolean' },
              },
              required: ['kind', 'size', 'isLog'],
            },
          },
        },
      ],
      tool_choice: 'required',
      temperature: 1,
    });
    const [call] = choices[0]?.message.tool_calls ?? [];
    assert.ok(call?.type === 'function');
    const { kind, size, isLog } = JSON.parse(call.function.arguments) as Record<string, unknown>;
    assert.ok(kind === 'line' || kind === 'bar');
    assert.ok(Array.isArray(size) && size.length === 2 && size.every(Number.isInteger));
    assert.equal(typeof isLog, 'boolean');
  });

  test('an answer is JSON of the schema that is given', async () => {
    const { choices } = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'Who?' }],
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'person',
          strict: true,
          schema: {
            type: 'object',
            properties: { name: { type: 'string', maxLength: 20 }, age: { type: ['integer', 'null'] } },
            required: ['name', 'age'],
            additionalProperties: false,
          },
        },
      },
    });
    const person = JSON.parse(choices[0]?.message.content ?? '') as object;
    assert.deepEqual(Object.keys(person), ['name', 'age']);
    assert.equal(choices[0]?.finish_reason, 'stop');
  });

  test('texts that mean alike lie close together; base64 tells the same', async () => {
    const input = ['read the lines of a file', 'function readLines(path)', 'paint the fence green'];
    const { data } = await client.embeddings.create({
      model: 'amk-embedder',
      input,
      encoding_format: 'float',
    });
    const dot = (a = 0, b = 0): number =>
      (data[a]?.embedding ?? []).reduce((sum, value, at) => sum + value * (data[b]?.embedding[at] ?? 0), 0);
    assert.ok(dot(0, 1) > dot(0, 2));
    assert.ok(Math.abs(dot(0, 0) - 1) < 1e-3);
    // The client asks for base64 where nothing is said, and decodes it.
    const packed = await client.embeddings.create({ model: 'amk-embedder', input: input[0] ?? '' });
    assert.deepEqual(
      packed.data[0]?.embedding.map((value) => Math.fround(value)),
      data[0]?.embedding.map((value) => Math.fround(value)),
    );
  });

  test('a text is completed', async () => {
    const { choices, id } = await client.completions.create({
      model,
      prompt: 'export function',
      max_tokens: 4,
    });
    assert.match(id, /^cmpl-/);
    assert.equal(choices[0]?.finish_reason, 'length');
  });

  test('what goes wrong has the type and the code that the client knows', async () => {
    const create = (more: object) =>
      client.chat.completions.create({ model, messages: opening, ...more } as never) as Promise<unknown>;
    const refused = async (
      more: object,
      type: new (...args: never) => Error,
      code: string,
      param: string | null,
    ) => {
      await assert.rejects(create(more), (error: InstanceType<typeof OpenAI.APIError>) => {
        assert.ok(error instanceof type, error.message);
        assert.deepEqual([error.code, error.param], [code, param], error.message);
        return true;
      });
    };
    await refused({ model: 'gpt-4' }, OpenAI.NotFoundError, 'model_not_found', 'model');
    await refused({ n: 2 }, OpenAI.BadRequestError, 'unsupported_parameter', 'n');
    await refused({ top_k: 5 }, OpenAI.BadRequestError, 'unknown_parameter', 'top_k');
    const long = [{ role: 'user', content: 'word '.repeat(9000) }];
    await refused({ messages: long }, OpenAI.BadRequestError, 'context_length_exceeded', 'messages');
    const stranger = new OpenAI({ baseURL: `${kernel.url}/v1`, apiKey: 'nobody', maxRetries: 0 });
    await assert.rejects(stranger.models.list(), OpenAI.AuthenticationError);
  });

  test('the second turn of a long conversation computes only what is new', async () => {
    const lines = Array.from({ length: 400 }, (_, line) => `export const value${line} = ${line * 37};`);
    const messages: ChatCompletionMessageParam[] = [
      { role: 'system', content: lines.join('\n') },
      { role: 'user', content: 'What is in src?' },
    ];
    const first = await client.chat.completions.create({ model, messages, max_completion_tokens: 16 });
    const answer = first.choices[0]?.message.content ?? '';
    const second = await client.chat.completions.create({
      model,
      messages: [
        ...messages,
        { role: 'assistant', content: answer },
        { role: 'user', content: 'And in test?' },
      ],
      max_completion_tokens: 16,
    });
    const prompt = second.usage?.prompt_tokens ?? 0;
    const computed = prompt - (second.usage?.prompt_tokens_details?.cached_tokens ?? 0);
    console.log(`      second turn: ${computed} of ${prompt} prompt tokens were computed`);
    assert.ok(prompt > 4000 && computed < 40, `${computed} of ${prompt}`);
  });
});
