// The official MCP client against the kernel with the embedded model: over stdio through `amk mcp`, and over HTTP.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema, ResourceUpdatedNotificationSchema } from '@modelcontextprotocol/sdk/types.js';
import { KernelProcess } from '../../src/client/kernelProcess.js';
import type { AgentReport, AgentRow, PermissionRequest } from '../../src/shared/protocol.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const cli = fromRoot('dist/cli.js');
const question = 'Where is Ledger defined?';
const answer = /src\/ledger\.ts:5/;

type Call = (name: string, input?: Record<string, unknown>) => Promise<Readonly<Record<string, unknown>>>;

const callOf =
  (client: Client): Call =>
  async (name, input = {}) => {
    const result = CallToolResultSchema.parse(await client.callTool({ name, arguments: input }));
    assert.notEqual(result.isError, true, JSON.stringify(result.content));
    return result.structuredContent ?? {};
  };

suite('MCP with the official client', function () {
  this.timeout(120_000);
  let root: string;
  let workspace: string;

  suiteSetup(() => {
    assert.ok(existsSync(cli), `${cli} is missing: run "npm run build" first`);
  });
  setup(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'amk-mcp-')));
    workspace = join(root, 'ledger');
    await cp(fromRoot('test/fixtures/ledger'), workspace, { recursive: true });
  });
  teardown(() => rm(root, { recursive: true, force: true }));

  /** One client of a kernel's own; it and the kernel end with the body. */
  async function overStdio(
    grants: readonly string[],
    body: (client: Client) => Promise<void>,
  ): Promise<void> {
    const client = new Client({ name: 'interop', version: '1' });
    const rights = grants.flatMap((grant) => ['--grant', grant]);
    const transport = new StdioClientTransport({
      command: process.execPath,
      args: [cli, 'mcp', '--workspace', workspace, ...rights],
      env: { PATH: process.env['PATH'] ?? '', HOME: root, AMK_RUNTIME_DIR: join(root, 'kernels') },
      stderr: 'inherit',
    });
    await client.connect(transport);
    try {
      await body(client);
    } finally {
      await client.close();
    }
  }

  interface Http {
    readonly url: URL;
    readonly asked: PermissionRequest[];
    readonly connect: (token: string) => Promise<Client>;
  }

  /** A kernel as the editor runs it, with the gateway on, and a person who says no to everything. */
  async function overHttp(body: (http: Http) => Promise<void>): Promise<void> {
    const asked: PermissionRequest[] = [];
    const kernel = new KernelProcess({
      kernelPath: fromRoot('dist/kernel.js'),
      engine: () => defaultEngineSettings,
      handlers: {
        askPermission: (wish) => {
          asked.push(wish);
          return Promise.resolve({ kind: 'deny', reason: 'not now' });
        },
      },
      control: () => ({ folder: join(root, 'kernels'), client: 'editor', workspaces: [workspace] }),
    });
    const clients: Client[] = [];
    try {
      await kernel.start();
      const hash = (token: string): string => createHash('sha256').update(token).digest('hex');
      const { url } = await kernel.call('serve', {
        port: 0,
        clients: ['alice', 'bob'].map((id) => ({ id, name: id, tokenHash: hash(id), mostUrgent: 'normal' })),
      });
      const address = new URL('/mcp', url);
      await body({
        url: address,
        asked,
        connect: async (token) => {
          const client = new Client({ name: 'interop', version: '1' });
          const requestInit = { headers: { authorization: `Bearer ${token}` } };
          await client.connect(new StreamableHTTPClientTransport(address, { requestInit }));
          clients.push(client);
          return client;
        },
      });
    } finally {
      await Promise.all(clients.map((client) => client.close()));
      await kernel.dispose();
    }
  }

  test('stdio: lists, runs an agent with progress, calls a tool, reads resources and prompts', () =>
    overStdio(['fs.read:.'], async (client) => {
      const call = callOf(client);
      const { tools } = await client.listTools();
      assert.ok(tools.length >= 20);
      const told: string[] = [];
      const result = await client.callTool(
        { name: 'agent_run', arguments: { agent: 'scout', task: question } },
        undefined,
        { onprogress: ({ message }) => told.push(message ?? '') },
      );
      const report = result.structuredContent as AgentReport;
      assert.match(report.answer, answer);
      assert.equal(report.toolCalls[0]?.decision, 'allowed-run');
      // Which states are seen depends on how long they last.
      assert.ok(
        told.some((line) => /^(?:ready|running|waiting)/.test(line)),
        told.join('; '),
      );
      const found = await call('tool_call', { name: 'search', arguments: { query: 'Ledger' } });
      assert.match(String(found['text']), /ledger\.ts/);
      const { contents } = await client.readResource({ uri: `amk://agents/${report.pid}/report` });
      assert.match(JSON.stringify(contents), answer);
      const map = await call('context_map', { pid: report.pid });
      assert.ok(Number(map['usedTokens']) > 0);
      const { messages } = await client.getPrompt({ name: 'reviewer', arguments: { task: question } });
      assert.match(JSON.stringify(messages), /Where is Ledger defined/);
    }));

  test('stdio: without a grant the agent is refused, since nobody can be asked', () =>
    overStdio([], async (client) => {
      const report = (await callOf(client)('agent_run', {
        agent: 'scout',
        task: question,
      })) as unknown as AgentReport;
      assert.deepEqual([report.state, report.error?.code], ['failed', 'denied']);
    }));

  test('stdio: what is no message is answered, and the session goes on', () =>
    overStdio([], async (client) => {
      await assert.rejects(client.request({ method: 'disk/format' }, CallToolResultSchema), /-32601/);
      const wrong = await client.callTool({ name: 'agent_status', arguments: { pid: 'one' } });
      assert.equal(wrong.isError, true);
      await client.ping();
    }));

  test('HTTP: a caller runs, watches and cancels agents of its own, and the person is asked for every right', () =>
    overHttp(async ({ connect, asked }) => {
      const [alice, bob] = [await connect('alice'), await connect('bob')];
      const updated: string[] = [];
      alice.setNotificationHandler(
        ResourceUpdatedNotificationSchema,
        ({ params }) => void updated.push(params.uri),
      );
      await alice.subscribeResource({ uri: 'amk://agents' });
      const report = (await callOf(alice)('agent_run', {
        agent: 'scout',
        task: question,
      })) as unknown as AgentReport;
      assert.deepEqual([report.name, report.error?.code], ['alice/scout', 'denied']);
      assert.equal(asked[0]?.access.capability, 'fs.read');
      const refused = await callOf(alice)('tool_call', {
        name: 'read_file',
        arguments: { path: 'src/ledger.ts' },
      });
      assert.deepEqual([refused['ok'], refused['decision']], [false, 'denied']);
      assert.equal(asked.at(-1)?.agent, 'alice/tools');
      assert.ok(updated.includes('amk://agents'));

      assert.deepEqual(await callOf(bob)('agent_list'), { agents: [] });
      const theirs = await bob.callTool({ name: 'agent_kill', arguments: { pid: report.pid } });
      assert.match(JSON.stringify(theirs.content), /notFound/);

      const cancel = new AbortController();
      const many = Array.from({ length: 8 }, () =>
        alice.callTool({ name: 'agent_run', arguments: { task: question } }, undefined, {
          signal: cancel.signal,
        }),
      );
      const ended = Promise.allSettled(many);
      const rows = async (): Promise<AgentRow[]> =>
        (await callOf(alice)('agent_list'))['agents'] as AgentRow[];
      while ((await rows()).length < 10) await new Promise((resolve) => setTimeout(resolve, 5));
      cancel.abort('enough');
      await ended;
      const startedAt = performance.now();
      const isLive = ({ name, state }: AgentRow): boolean => name === 'alice/coder' && state !== 'exited';
      while ((await rows()).some(isLive)) {
        assert.ok(performance.now() - startedAt < 2_000, 'agents that were taken back go on');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }));

  test('HTTP: who shows no token, or a wrong one, gets nothing', () =>
    overHttp(async ({ connect, url }) => {
      await assert.rejects(connect('mallory'));
      const bare = await fetch(url, {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      });
      assert.equal(bare.status, 401);
    }));
});
