// The MCP gateway as the official client meets it, over HTTP on this machine, on the simulated driver.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CallToolResultSchema,
  LATEST_PROTOCOL_VERSION,
  ResourceUpdatedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { createMcpGateway, type McpLimits } from '../../../../src/kernel/gateways/mcpGateway.js';
import { externalCalls } from '../../../../src/kernel/gateways/externalCalls.js';
import {
  createExternalMachine,
  untilStopped,
  type ExternalMachine,
  type ExternalMachineOptions,
} from '../../../support/externalMachine.js';
import { serveGateway } from '../../../support/gatewayServer.js';

interface Served {
  readonly machine: ExternalMachine;
  readonly url: URL;
  readonly connect: (name?: string) => Promise<Client>;
}

async function withGateway(
  options: ExternalMachineOptions & { readonly limits?: Partial<McpLimits> },
  body: (served: Served) => Promise<void>,
): Promise<void> {
  await using machine = createExternalMachine(options);
  const { limits = {} } = options;
  await using server = await serveGateway(
    createMcpGateway({ viewOf: (by) => machine.external.viewOf(by), limits }),
  );
  const clients: Client[] = [];
  try {
    await body({
      machine,
      url: server.url,
      connect: async (name = 'alice') => {
        const client = new Client({ name: 'test', version: '1' });
        clients.push(client);
        const headers = { authorization: `Bearer ${name}` };
        const transport = new StreamableHTTPClientTransport(server.url, { requestInit: { headers } });
        await client.connect(transport);
        return client;
      },
    });
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

const textOf = (result: unknown): string => {
  const [first] = CallToolResultSchema.parse(result).content;
  return first?.type === 'text' ? first.text : '';
};

const structured = (result: unknown): Readonly<Record<string, unknown>> =>
  CallToolResultSchema.parse(result).structuredContent ?? {};

suite('MCP gateway', () => {
  test('every call of the table is a tool with schemas of what goes in and out', () =>
    withGateway({}, async ({ connect }) => {
      const client = await connect();
      const { tools } = await client.listTools();
      assert.deepEqual(
        tools.map(({ title }) => title),
        externalCalls.map(({ name }) => name),
      );
      for (const { name, inputSchema, outputSchema } of tools) {
        assert.match(name, /^[a-z_]+$/);
        assert.deepEqual([inputSchema.type, outputSchema?.type], ['object', 'object'], name);
      }
      assert.equal(client.getServerVersion()?.name, 'agentic-microkernel');
    }));

  test('an agent runs, tells how far it is, and its report comes back as structured content', () =>
    withGateway({}, async ({ connect }) => {
      const client = await connect();
      const told: string[] = [];
      const result = await client.callTool(
        { name: 'agent_run', arguments: { agent: 'scout', task: 'tool please' } },
        undefined,
        { onprogress: ({ message }) => told.push(message ?? '') },
      );
      const report = structured(result);
      assert.equal(report['answer'], 'done: tool please');
      assert.equal(report['name'], 'alice/scout');
      assert.deepEqual(JSON.parse(textOf(result)), report);
      assert.match(told.at(-1) ?? '', /^exited, \d+ tokens generated$/);
    }));

  test('a call that is taken back stops the agent that it started', () =>
    withGateway({ invoke: untilStopped }, async ({ connect, machine }) => {
      const client = await connect();
      const cancel = new AbortController();
      const run = client.callTool({ name: 'agent_run', arguments: { task: 'tool' } }, undefined, {
        signal: cancel.signal,
      });
      await until(() => machine.agents.all()[0]?.state === 'waiting');
      cancel.abort('enough');
      await assert.rejects(run, /enough/);
      await until(() => machine.agents.all()[0]?.outcome === 'stopped');
    }));

  test('what the kernel refuses is a tool error, and what the protocol refuses one of the protocol', () =>
    withGateway({}, async ({ connect }) => {
      const client = await connect();
      const call = async (name: string, input: Record<string, unknown>): Promise<string> => {
        const result = await client.callTool({ name, arguments: input });
        assert.equal(result.isError, true);
        return textOf(result);
      };
      assert.equal(await call('agent_status', { pid: 9 }), 'notFound: there is no agent with pid 9');
      assert.match(await call('agent_status', { pid: 'x' }), /^badRequest: agent\.status at pid: /);
      assert.match(await call('agent_run', { task: 'x', color: 'red' }), /^badRequest: agent\.run: .*color/);
      await assert.rejects(client.callTool({ name: 'format_disk' }), /-32602.*format_disk/);
    }));

  test('resources and prompts tell of the agents', () =>
    withGateway({}, async ({ connect }) => {
      const client = await connect();
      const updated: string[] = [];
      client.setNotificationHandler(
        ResourceUpdatedNotificationSchema,
        ({ params }) => void updated.push(params.uri),
      );
      await client.subscribeResource({ uri: 'amk://agents' });
      await client.callTool({ name: 'agent_run', arguments: { task: 'hello' } });
      const { resources } = await client.listResources();
      assert.ok(resources.some(({ uri }) => uri === 'amk://agents/1'));
      const { contents } = await client.readResource({ uri: 'amk://agents/1/report' });
      assert.match(JSON.stringify(contents), /done: hello/);
      await assert.rejects(client.readResource({ uri: 'amk://agents/7' }), /-32002/);
      await assert.rejects(client.readResource({ uri: 'file:///etc/passwd' }), /-32002/);
      await until(() => updated.includes('amk://agents'));

      const { prompts } = await client.listPrompts();
      assert.ok(prompts.some(({ name }) => name === 'reviewer'));
      const prompt = await client.getPrompt({ name: 'scout', arguments: { task: 'Find it.' } });
      assert.match(JSON.stringify(prompt.messages), /Find it\./);
      await assert.rejects(client.getPrompt({ name: 'scout' }), /takes a task/);
    }));

  test("a session is its caller's alone, and so are its agents", () =>
    withGateway({}, async ({ connect, url }) => {
      const mine = await connect('alice');
      await mine.callTool({ name: 'agent_run', arguments: { task: 'secret' } });
      const theirs = await connect('bob');
      assert.deepEqual(structured(await theirs.callTool({ name: 'agent_list' })), { agents: [] });
      const id = (mine.transport as StreamableHTTPClientTransport).sessionId ?? '';
      const stolen = await post(url, { authorization: 'Bearer bob', 'mcp-session-id': id }, ping);
      assert.equal(stolen.status, 404);
    }));

  test('a session that nobody uses gives way to a new one, and one in use does not', () =>
    withGateway(
      { invoke: untilStopped, limits: { sessionsPerCaller: 1 } },
      async ({ url, connect, machine }) => {
        const first = await post(url, {}, initialize);
        const client = await connect();
        assert.equal((await post(url, { 'mcp-session-id': first.session ?? '' }, ping)).status, 404);
        client.callTool({ name: 'agent_run', arguments: { task: 'tool' } }).catch(() => undefined);
        await until(() => machine.agents.all()[0]?.state === 'waiting');
        assert.equal((await post(url, {}, initialize)).status, 429);
      },
    ));

  test('a session ends when nobody has used it for long', () =>
    withGateway({ limits: { idleMs: 50 } }, async ({ url }) => {
      const first = await post(url, {}, initialize);
      assert.equal(first.status, 200);
      const id = first.session ?? '';
      assert.equal((await post(url, { 'mcp-session-id': id }, ping)).status, 200);
      await new Promise((resolve) => setTimeout(resolve, 150));
      assert.equal((await post(url, { 'mcp-session-id': id }, ping)).status, 404);
      assert.equal((await post(url, {}, initialize)).status, 200);
    }));

  test('a client that is gone for good has its call taken back', () =>
    withGateway({ invoke: untilStopped, limits: { resumeMs: 50 } }, async ({ connect, machine }) => {
      const client = await connect();
      const run = client.callTool({ name: 'agent_run', arguments: { task: 'tool' } });
      run.catch(() => undefined);
      await until(() => machine.agents.all()[0]?.state === 'waiting');
      await client.close();
      await until(() => machine.agents.all()[0]?.outcome === 'stopped');
    }));

  test("bodies that are no JSON, too long or no session's are answered in the form of the protocol", () =>
    withGateway({ limits: { bodyBytes: 10_000 } }, async ({ url }) => {
      assert.deepEqual(codeOf(await post(url, {}, '{"jsonrpc":')), [400, -32700]);
      assert.deepEqual(codeOf(await post(url, {}, 'x'.repeat(20_000))), [413, -32600]);
      assert.deepEqual(codeOf(await post(url, {}, ping)), [400, -32000]);
      assert.deepEqual(codeOf(await post(url, { 'mcp-session-id': 'made-up' }, ping)), [404, -32001]);
    }));

  test('an older revision of the protocol is spoken where a client asks for it', () =>
    withGateway({}, async ({ url }) => {
      const versions = await Promise.all(
        ['2025-03-26', LATEST_PROTOCOL_VERSION, '1999-01-01'].map(async (version) => {
          const { text } = await post(url, {}, initialize.replace(LATEST_PROTOCOL_VERSION, version));
          return /"protocolVersion":"([^"]+)"/.exec(text)?.[1];
        }),
      );
      assert.deepEqual(versions, ['2025-03-26', LATEST_PROTOCOL_VERSION, LATEST_PROTOCOL_VERSION]);
    }));
});

const initialize = JSON.stringify({
  ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
  params: {
    ...{ protocolVersion: LATEST_PROTOCOL_VERSION, capabilities: {} },
    clientInfo: { name: 'raw', version: '1' },
  },
});
const ping = JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' });

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly session: string | undefined;
}

function post(url: URL, headers: Readonly<Record<string, string>>, body: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
        ...{ authorization: 'Bearer alice', ...headers },
      },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => {
        const session = response.headers['mcp-session-id'];
        resolve({
          status: response.statusCode ?? 0,
          text,
          session: typeof session === 'string' ? session : undefined,
        });
      });
    });
    sent.end(body);
  });
}

function codeOf({ status, text }: Answer): [status: number, code: number] {
  return [status, (JSON.parse(text) as { error: { code: number } }).error.code];
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not come true');
}
