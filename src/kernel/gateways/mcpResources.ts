/**
 * What an MCP client can read without a call: its agents, one agent's row, the map of its window, the kernel's
 * figures. Each is JSON, made when it is read, by a call of the table; who subscribes is told when an agent changes.
 */

import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import {
  ListResourcesRequestSchema,
  ListResourceTemplatesRequestSchema,
  McpError,
  ReadResourceRequestSchema,
  SubscribeRequestSchema,
  UnsubscribeRequestSchema,
  type ListResourcesResult,
} from '@modelcontextprotocol/sdk/types.js';
import { KernelError } from '../../shared/errors.js';
import type { CallerKernel } from './call.js';
import { callExternally } from './externalCalls.js';

const mimeType = 'application/json';
const agentsUri = 'amk://agents';
const agentUri = (pid: number): string => `${agentsUri}/${pid}`;

const fixed = [
  { uri: agentsUri, call: 'agent.list', name: 'agents', description: 'Your agents.' },
  {
    uri: 'amk://kernel/info',
    call: 'kernel.info',
    name: 'kernel',
    description: 'Model, device and folders.',
  },
  { uri: 'amk://kernel/metrics', call: 'kernel.metrics', name: 'metrics', description: 'Memory and use.' },
  { uri: 'amk://grants', call: 'grant.list', name: 'grants', description: 'Rights that your agents hold.' },
] as const;

const ofAgent = [
  { end: '', call: 'agent.status', name: 'agent', description: 'What one agent is doing.' },
  {
    end: '/report',
    call: 'agent.wait',
    name: 'report',
    description: 'The report of an agent that has ended.',
  },
  { end: '/context', call: 'context.map', name: 'context map', description: "What an agent's window holds." },
] as const;

const templates = ofAgent.map(({ end, name, description }) => ({
  ...{ uriTemplate: `${agentsUri}/{pid}${end}`, name, description, mimeType },
}));

export function serveResources({ server }: McpServer, kernel: CallerKernel): void {
  const subscribed = new Set<string>();
  const known = new Set<number>();
  server.setRequestHandler(ListResourcesRequestSchema, async () => await listResources(kernel));
  server.setRequestHandler(ListResourceTemplatesRequestSchema, () => ({ resourceTemplates: templates }));
  server.setRequestHandler(ReadResourceRequestSchema, async ({ params: { uri } }) => {
    const text = JSON.stringify(await read(uri, kernel));
    return { contents: [{ uri, mimeType, text }] };
  });
  server.setRequestHandler(SubscribeRequestSchema, ({ params: { uri } }) => {
    targetOf(uri);
    subscribed.add(uri);
    return {};
  });
  server.setRequestHandler(UnsubscribeRequestSchema, ({ params: { uri } }) => {
    subscribed.delete(uri);
    return {};
  });
  const listener = kernel.onRows((rows) => {
    const changed = new Set(
      rows.flatMap(({ pid }) => [agentsUri, ...ofAgent.map(({ end }) => agentUri(pid) + end)]),
    );
    for (const uri of subscribed) {
      if (changed.has(uri)) server.sendResourceUpdated({ uri }).catch(() => undefined);
    }
    const fresh = rows.filter(({ pid }) => !known.has(pid));
    for (const { pid } of fresh) known.add(pid);
    if (fresh.length > 0) server.sendResourceListChanged().catch(() => undefined);
  });
  server.onclose = () => listener.dispose();
}

async function listResources(kernel: CallerKernel): Promise<ListResourcesResult> {
  const rows = await kernel.syscalls.list(null, new AbortController().signal);
  const agents = rows.map(({ pid, name, task }) => ({
    ...{ uri: agentUri(pid), name: `${pid} ${name}`, description: task.slice(0, 200), mimeType },
  }));
  return {
    resources: [
      ...fixed.map(({ uri, name, description }) => ({ uri, name, description, mimeType })),
      ...agents,
    ],
  };
}

interface Target {
  readonly call: string;
  readonly input: { readonly pid?: number };
}

/** @throws McpError for an address that nothing is at */
function targetOf(uri: string): Target {
  const one = fixed.find((each) => each.uri === uri);
  if (one !== undefined) return { call: one.call, input: {} };
  const [, digits = '', end = ''] = /^amk:\/\/agents\/([1-9]\d{0,8})(\/[a-z]+)?$/.exec(uri) ?? [];
  const part = ofAgent.find((each) => each.end === end);
  if (digits === '' || part === undefined) throw missing(uri);
  return { call: part.call, input: { pid: Number(digits) } };
}

async function read(uri: string, kernel: CallerKernel): Promise<unknown> {
  const { call, input } = targetOf(uri);
  const context = { kernel, signal: new AbortController().signal, progress: () => undefined };
  try {
    // The report of one that has not ended would be waited for.
    if (call === 'agent.wait') {
      const { agent } = await callExternally('agent.status', input, context);
      if ((agent as { readonly outcome?: string }).outcome === undefined) throw missing(uri);
    }
    return await callExternally(call, input, context);
  } catch (error) {
    if (error instanceof KernelError && error.code === 'notFound') throw missing(uri);
    throw error;
  }
}

/** The protocol's own code for it. */
const resourceNotFound = -32002;

const missing = (uri: string): McpError =>
  new McpError(resourceNotFound, 'there is no such resource', { uri });
