/**
 * One MCP session's server: the table of external calls as tools, the kernel's things as resources, agents as prompts.
 * It knows nothing of how messages travel. An error of the kernel is told to the model as a tool's error; one of the
 * protocol is told to the client.
 */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { ServerNotification } from '@modelcontextprotocol/sdk/types.js';
import {
  CallToolRequestSchema,
  ErrorCode,
  GetPromptRequestSchema,
  ListPromptsRequestSchema,
  ListToolsRequestSchema,
  McpError,
  type CallToolResult,
  type GetPromptResult,
  type ProgressToken,
  type Tool,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { builtInAgents } from '../../shared/agentDefinition.js';
import { KernelError, toErrorData } from '../../shared/errors.js';
import { callExternally, externalCalls, externalCallsVersion } from './externalCalls.js';
import type { CallerKernel, ExternalCall } from './call.js';
import { serveResources } from './mcpResources.js';

const instructions =
  'Coding agents on one local model. agent_run starts one and returns its report; agent_spawn and agent_wait do it ' +
  'in two steps. Agents start with no rights: the person at the editor or terminal is asked for each, and a call ' +
  'waits meanwhile. You see your own agents only.';

/** Some clients pass names on to models that take no dots. */
const toolNameOf = ({ name }: ExternalCall): string => name.replace('.', '_');
const callsByTool = new Map(externalCalls.map((call) => [toolNameOf(call), call]));

export interface McpSessionServer {
  readonly server: McpServer;
  /** Calls that are being carried out. */
  readonly openCalls: () => number;
  /** Told whenever the last open call has ended. */
  onIdle(listener: () => void): void;
}

export function createMcpServer(kernel: CallerKernel): McpSessionServer {
  const server = new McpServer(
    { name: 'agentic-microkernel', title: 'Agentic Microkernel', version: externalCallsVersion },
    {
      capabilities: {
        tools: {},
        prompts: {},
        resources: { subscribe: true, listChanged: true },
        logging: {},
      },
      instructions,
    },
  );
  let open = 0;
  let idle = (): void => undefined;
  server.server.setRequestHandler(ListToolsRequestSchema, () => ({ tools }));
  server.server.setRequestHandler(CallToolRequestSchema, async ({ params }, { signal, sendNotification }) => {
    open++;
    try {
      const progress = progressTo(params._meta?.progressToken, sendNotification);
      return await callTool(params, { kernel, signal, progress });
    } finally {
      if (--open === 0) idle();
    }
  });
  server.server.setRequestHandler(ListPromptsRequestSchema, () => ({ prompts }));
  server.server.setRequestHandler(GetPromptRequestSchema, ({ params }) => promptOf(params));
  serveResources(server, kernel);
  return { server, openCalls: () => open, onIdle: (listener) => (idle = listener) };
}

/** JSON Schema as every client reads it: without the dialect's address, which some of them refuse. */
function jsonSchemaOf(schema: z.ZodObject): Tool['inputSchema'] {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { io: 'input' });
  return { ...json, type: 'object' } as Tool['inputSchema'];
}

const tools: readonly Tool[] = externalCalls.map((call) => ({
  name: toolNameOf(call),
  title: call.name,
  description: `${call.description} Needs: ${call.needs}`,
  inputSchema: jsonSchemaOf(call.input),
  outputSchema: jsonSchemaOf(call.output),
  annotations: {
    readOnlyHint: call.effect === 'look',
    destructiveHint: call.effect === 'end',
    openWorldHint: false,
  },
}));

type CallParams = z.infer<typeof CallToolRequestSchema>['params'];

async function callTool(
  { name, arguments: input }: CallParams,
  context: Parameters<typeof callExternally>[2],
): Promise<CallToolResult> {
  const call = callsByTool.get(name);
  if (call === undefined) throw new McpError(ErrorCode.InvalidParams, `there is no tool "${name}"`);
  try {
    const result = await callExternally(call.name, input, context);
    return { content: [{ type: 'text', text: JSON.stringify(result) }], structuredContent: { ...result } };
  } catch (error) {
    if (!(error instanceof KernelError) || error.code === 'bug') {
      throw new McpError(
        ErrorCode.InternalError,
        `${call.name} failed: ${toErrorData(error).message.split('\n', 1)[0] ?? ''}`,
      );
    }
    return { isError: true, content: [{ type: 'text', text: `${error.code}: ${error.message}` }] };
  }
}

/** Each notification has a higher number than the one before, as the protocol wants it; what there is to say is text. */
function progressTo(
  progressToken: ProgressToken | undefined,
  send: (notification: ServerNotification) => Promise<void>,
): (message: string) => void {
  if (progressToken === undefined) return () => undefined;
  let progress = 0;
  return (message) => {
    const params = { progressToken, progress: ++progress, message };
    // A client that cannot be told has gone; its call is taken back elsewhere.
    send({ method: 'notifications/progress', params }).catch(() => undefined);
  };
}

const taskArgument = { name: 'task', description: 'What it is to do.', required: true };
const prompts = builtInAgents.map(({ name, description }) => ({
  name,
  description,
  arguments: [taskArgument],
}));

const promptArgumentsSchema = z.object({ task: z.string().trim().min(1) });

type PromptParams = z.infer<typeof GetPromptRequestSchema>['params'];

/** An agent's definition, as what a person would say to have it started. */
function promptOf({ name, arguments: given }: PromptParams): GetPromptResult {
  const agent = builtInAgents.find((each) => each.name === name);
  if (agent === undefined) throw new McpError(ErrorCode.InvalidParams, `there is no prompt "${name}"`);
  const { data } = promptArgumentsSchema.safeParse(given);
  if (data === undefined) throw new McpError(ErrorCode.InvalidParams, `prompt "${name}" takes a task`);
  const { description, instructions: manner } = agent;
  const said = [`Use agent_run with agent "${name}" (${description}) for this task:`, data.task, manner];
  const text = said.filter((part) => part !== '').join('\n\n');
  return { description, messages: [{ role: 'user', content: { type: 'text', text } }] };
}
