// The OpenAI interface on the simulated driver: what is refused and by which name, how a stream is framed, what a stop
// does, whose conversation a request goes on with, and that nobody who has gone is computed for.

import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { createSimulatedDriver, type SimulatedOptions } from '../../../../../src/hal/simulated.js';
import type { GatewayLimits } from '../../../../../src/kernel/gateways/limits.js';
import { clientNamed, serveKernel, tokenOf, type ServedKernel } from '../../../../support/serving.js';

interface Chat {
  readonly id: string;
  readonly choices: readonly {
    readonly message: {
      readonly content: string | null;
      readonly tool_calls?: readonly { readonly id: string; readonly function: object }[];
    };
    readonly finish_reason: string;
  }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  };
}

type Ask = (
  body: object | string,
  headers?: Record<string, string>,
  signal?: AbortSignal,
) => Promise<Response>;

async function withGateway(
  simulated: SimulatedOptions,
  body: (ask: Ask, kernel: ServedKernel) => Promise<void>,
  limits: Partial<GatewayLimits> = {},
): Promise<void> {
  const driver = createSimulatedDriver(simulated);
  const clients = [clientNamed('client'), clientNamed('modest', 'batch')];
  const kernel = await serveKernel({ driver, clients, limits });
  const ask: Ask = (request, headers = {}, signal) =>
    fetch(`${kernel.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenOf('client')}`, ...headers },
      body:
        typeof request === 'string'
          ? request
          : JSON.stringify({ model: 'simulated', messages: [hello], ...request }),
      ...(signal !== undefined && { signal }),
    });
  try {
    await body(ask, kernel);
  } finally {
    await kernel.close();
  }
}

const hello = { role: 'user', content: 'hello' };
const says = (text: string): SimulatedOptions => ({ respond: () => text });
/** So that requests that come together are at work together. */
const slow = (): { kind: 'stall'; until: Promise<void> } => ({ kind: 'stall', until: delay(2) });
const chatOf = async (response: Promise<Response>): Promise<Chat> => (await (await response).json()) as Chat;

const tool = (parameters: object): object => ({ type: 'function', function: { name: 'plot', parameters } });

suite('the OpenAI gateway', () => {
  const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:' } }] };
  const refused: readonly (readonly [body: object | string, status: number, param: string])[] = [
    ['{"model": ', 400, ''],
    ['[]', 400, 'body'],
    [{ messages: [] }, 400, 'messages'],
    [{ messages: [{ role: 'robot', content: 'x' }] }, 400, 'messages.0.role'],
    [{ messages: [image] }, 400, 'messages.0.content'],
    [
      { messages: [hello, { role: 'tool', tool_call_id: 'x', content: 'y' }] },
      400,
      'messages.1.tool_call_id',
    ],
    [{ model: 'gpt-4' }, 404, 'model'],
    [{ n: 2 }, 400, 'n'],
    [{ logprobs: true }, 400, 'logprobs'],
    [{ presence_penalty: 0.5 }, 400, 'presence_penalty'],
    [{ logit_bias: { 1: 5 } }, 400, 'logit_bias'],
    [{ functions: [] }, 400, 'functions'],
    [{ min_p: 0.1 }, 400, 'min_p'],
    [{ messages: [{ ...hello, mood: 'good' }] }, 400, 'messages.0.mood'],
    [{ temperature: 3 }, 400, 'temperature'],
    [{ max_tokens: 0 }, 400, 'max_tokens'],
    [{ max_tokens: 1, max_completion_tokens: 2 }, 400, 'max_tokens'],
    [{ stop: ['a', 'b', 'c', 'd', 'e'] }, 400, 'stop'],
    [{ stream_options: { include_usage: true } }, 400, 'stream_options'],
    [{ tool_choice: 'required' }, 400, 'tool_choice'],
    [{ tools: [tool({ not: {} })] }, 400, 'tools'],
    [{ tools: [tool({ type: 'object', properties: { a: { $ref: '#/x' } } })] }, 400, 'tools'],
    [{ tools: [tool({ type: 'string' })] }, 400, 'tools'],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'array' } } } },
      400,
      'response_format',
    ],
    [{ messages: [{ role: 'user', content: 'a '.repeat(5000) }] }, 400, 'messages'],
  ];
  for (const [body, status, param] of refused) {
    const what = typeof body === 'string' ? body : JSON.stringify(body).slice(0, 60);
    test(`${what} is refused by name`, () =>
      withGateway(says('Yes.'), async (ask) => {
        const response = await ask(body);
        const { error } = (await response.json()) as {
          error: { message: string; type: string; param: unknown };
        };
        assert.deepEqual([response.status, error.param ?? ''], [status, param], error.message);
        assert.equal(error.type, status === 404 ? 'not_found_error' : 'invalid_request_error');
      }));
  }

  test('a tool whose schema no grammar can express is named', () =>
    withGateway(says('Yes.'), async (ask) => {
      const { error } = (await (await ask({ tools: [tool({ not: {} })] })).json()) as {
        error: { message: string };
      };
      assert.match(error.message, /^tool plot: the schema at # says "not"/);
    }));

  test('a parameter that asks for nothing is no fault', () =>
    withGateway(says('Yes.'), async (ask) => {
      const neutral = {
        n: 1,
        logprobs: false,
        presence_penalty: 0,
        logit_bias: {},
        user: 'me',
        seed: null,
        store: false,
      };
      const { choices, usage } = await chatOf(ask({ ...neutral, parallel_tool_calls: true }));
      assert.equal(choices[0]?.message.content, 'Yes.');
      assert.equal(choices[0].finish_reason, 'stop');
      assert.equal(usage.completion_tokens, 3);
    }));

  test('an answer ends before the text it is to stop at, wherever the tokens cut it', () =>
    withGateway(says('one two three four'), async (ask) => {
      const stopped = await chatOf(ask({ stop: ['o three', 'zz'] }));
      assert.equal(stopped.choices[0]?.message.content, 'one tw');
      assert.equal(stopped.choices[0].finish_reason, 'stop');
      assert.equal((await chatOf(ask({ stop: 'fourth' }))).choices[0]?.message.content, 'one two three four');
      assert.equal((await chatOf(ask({ max_tokens: 3 }))).choices[0]?.finish_reason, 'length');
    }));

  test('a stream is a line of data and an empty line an event, and says when it is done', () =>
    withGateway(says('one two'), async (ask) => {
      const response = await ask({ stream: true, stream_options: { include_usage: true } });
      assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/);
      const text = await response.text();
      assert.match(text, /^(?:data: [^\n]+\n\n)+$/);
      const events = text
        .trimEnd()
        .split('\n\n')
        .map((event) => event.slice('data: '.length));
      assert.equal(events.pop(), '[DONE]');
      const chunks = events.map((event) => JSON.parse(event) as { id: string; choices: { delta: object }[] });
      assert.equal(new Set(chunks.map(({ id }) => id)).size, 1);
      assert.deepEqual(
        chunks.map(({ choices }) => choices[0]?.delta),
        [
          { role: 'assistant', content: '' },
          { content: 'one' },
          { content: ' ' },
          { content: 'two' },
          {},
          undefined,
        ],
      );
    }));

  test('a call is handed to the program, and its result comes back to the model', () => {
    const call = '<tool_call>{"name": "plot", "arguments": {"size": [1, 2]}}</tool_call>';
    const respond = (prompt: string): string => (prompt.includes('<tool_response>') ? 'Done.' : call);
    return withGateway({ respond }, async (ask) => {
      const tools = [
        tool({ type: 'object', properties: { size: { type: 'array', items: { type: 'integer' } } } }),
      ];
      const first = await chatOf(ask({ tools }));
      const [choice] = first.choices;
      assert.equal(choice?.finish_reason, 'tool_calls');
      assert.equal(choice.message.content, null);
      const [made] = choice.message.tool_calls ?? [];
      assert.deepEqual(made?.function, { name: 'plot', arguments: '{"size":[1,2]}' });
      const result = { role: 'tool', tool_call_id: made.id, content: 'ok' };
      const second = await chatOf(ask({ tools, messages: [hello, choice.message, result] }));
      assert.equal(second.choices[0]?.message.content, 'Done.');
      assert.equal((await chatOf(ask({ tools, tool_choice: 'none' }))).choices[0]?.message.content, call);
    });
  });

  test('a conversation that comes back is gone on with, and a row shows it under its program', () =>
    withGateway(says('Yes.'), async (ask, { agents }) => {
      const first = await chatOf(ask({}));
      const messages = [hello, { role: 'assistant', content: 'Yes.' }, { role: 'user', content: 'again' }];
      const { usage } = await chatOf(ask({ messages }));
      const said = first.usage.prompt_tokens + first.usage.completion_tokens - 1;
      assert.ok(usage.prompt_tokens_details.cached_tokens >= said - 1, JSON.stringify(usage));
      await chatOf(ask({ messages: [{ role: 'user', content: 'something else' }] }));
      const rows = agents.all().map((agent) => agent.row());
      assert.deepEqual(
        rows.map(({ name, task, state }) => [name, task, state]),
        [
          ['client/chat', 'hello', 'waiting'],
          ['client/chat', 'something else', 'waiting'],
        ],
      );
    }));

  test('two requests on one conversation at once are both answered', () =>
    withGateway({ ...says('Yes.'), fault: slow }, async (ask, { agents }) => {
      await chatOf(ask({}));
      const both = await Promise.all([chatOf(ask({})), chatOf(ask({}))]);
      assert.deepEqual(
        both.map(({ choices }) => choices[0]?.message.content),
        ['Yes.', 'Yes.'],
      );
      assert.notEqual(both[0].id, both[1].id);
      assert.equal(agents.all().length, 2);
    }));

  test('headers name the agent and its class, as far as the token may have it', () =>
    withGateway(says('Yes.'), async (ask, { agents }) => {
      assert.equal((await ask({}, { 'x-amk-agent': 'planner', 'x-amk-class': 'interactive' })).status, 200);
      const [row] = agents.all().map((agent) => agent.row());
      assert.deepEqual([row?.name, row?.class], ['client/planner', 'interactive']);
      assert.equal((await ask({}, { 'x-amk-class': 'urgent' })).status, 400);
      assert.equal((await ask({}, { 'x-amk-agent': 'a b' })).status, 400);
      const modest = { authorization: `Bearer ${tokenOf('modest')}` };
      assert.equal((await ask({}, { ...modest, 'x-amk-class': 'normal' })).status, 403);
      assert.equal((await ask({}, modest)).status, 200);
      assert.equal(agents.all().at(-1)?.row().class, 'batch');
    }));

  test('nobody who has gone is computed for', () => {
    const words = Array.from({ length: 2000 }, (_, index) => `w${index}`).join(' ');
    return withGateway({ respond: () => words, fault: slow }, async (ask, { agents }) => {
      const gone = new AbortController();
      const response = await ask({ stream: true }, {}, gone.signal);
      await response.body?.getReader().read();
      const agent = agents.all()[0]!;
      const isAtWork = (): boolean => agent.state === 'running';
      while (!isAtWork()) await delay(1);
      gone.abort();
      const start = performance.now();
      while (isAtWork() && performance.now() - start < 1000) await delay(1);
      assert.ok(performance.now() - start < 100, 'its slot is free within 100 ms');
      assert.equal(agent.row().state, 'waiting');
      const generated = agent.generatedTokens;
      await delay(30);
      assert.equal(agent.generatedTokens, generated);
    });
  });

  test('a person can stop the agent of a request, and pause one', () => {
    const words = Array.from({ length: 2000 }, (_, index) => `w${index}`).join(' ');
    return withGateway({ respond: () => words, fault: slow }, async (ask, { agents }) => {
      const response = await ask({ stream: true });
      agents.all()[0]?.cancellation.abort();
      assert.match(await response.text(), /"code":"cancelled"\}\}\n\n$/);
      assert.equal(agents.all()[0]?.outcome, 'stopped');
    });
  });

  test('of conversations that nobody comes back to, the oldest are forgotten', () =>
    withGateway(
      says('Yes.'),
      async (ask, { agents }) => {
        for (const content of ['a', 'b', 'c', 'd'])
          await chatOf(ask({ messages: [{ role: 'user', content }] }));
        assert.deepEqual(
          agents.live.map(({ task }) => task),
          ['c', 'd'],
        );
      },
      { idleConversations: 2 },
    ));

  test('models are told of; other methods and addresses are not there', () =>
    withGateway(says('Yes.'), async (_, { url }) => {
      const get = (path: string, method = 'GET') =>
        fetch(url + path, { method, headers: { authorization: `Bearer ${tokenOf('client')}` } });
      const { data } = (await (await get('/v1/models')).json()) as { data: { id: string }[] };
      assert.deepEqual(
        data.map(({ id }) => id),
        ['simulated'],
      );
      const statuses = ['/v1/models/simulated', '/v1/models/x', '/v1/chat/completions', '/v1/nothing'];
      assert.deepEqual(
        await Promise.all(statuses.map(async (path) => (await get(path)).status)),
        [200, 404, 405, 404],
      );
    }));
});
