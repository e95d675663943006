/**
 * `agent.*`: starting agents, waiting for them and steering them. An agent that is started from outside works for the
 * caller, in a folder that the person's client has open, and starts with no rights at all.
 */

import { z } from 'zod';
import {
  agentDefinitionSchema,
  agentDefinitionsSchema,
  builtInAgents,
  niceSchema,
  priorityClasses,
  type AgentDefinition,
  type PriorityClass,
} from '../../shared/agentDefinition.js';
import { KernelError } from '../../shared/errors.js';
import type { AgentReport, AgentRow, Pid } from '../../shared/protocol.js';
import { defineCall, type CallContext, type CallerKernel } from './call.js';
import type { Caller } from './caller.js';
import { pidSchema, reportSchema, rowSchema } from './shapes.js';

const names = builtInAgents.map(({ name }) => name).join(', ');

const spawnSchema = z.strictObject({
  task: z.string().trim().min(1).max(100_000).describe('What the agent is to do.'),
  agent: z.string().exactOptional().describe(`Name of a built-in agent: ${names}. Without it: coder.`),
  definition: agentDefinitionSchema
    .exactOptional()
    .describe('An agent of your own, instead of a built-in one.'),
  team: agentDefinitionsSchema
    .exactOptional()
    .describe('Agents that the definition names, beside the built-in ones.'),
  workspace: z
    .string()
    .min(1)
    .exactOptional()
    .describe('Folder to work in, one of those that kernel.info names. Without it: the first of them.'),
  class: z
    .enum(priorityClasses)
    .exactOptional()
    .describe('Scheduling class, instead of that of the definition.'),
  nice: niceSchema.exactOptional().describe("Share among your agents, instead of the definition's."),
});
type SpawnInput = z.infer<typeof spawnSchema>;

const onePid = z.strictObject({ pid: pidSchema });
const oneRow = z.object({ agent: rowSchema });
const ownAgent = 'The agent is yours.';
const toSpawn =
  'The workspace is open in the client that runs the kernel. Tools ask the person for each right.';

export const agentCalls = [
  defineCall({
    name: 'agent.run',
    description:
      'Starts an agent and returns its report when it has ended. Taking the call back stops the agent. Progress tells ' +
      'its state and the tokens it has generated.',
    effect: 'change',
    needs: toSpawn,
    input: spawnSchema,
    output: reportSchema,
    handle: async (input, context) => {
      const pid = await spawn(input, context);
      try {
        return await waitFor(pid, context);
      } finally {
        if (context.signal.aborted) await context.kernel.syscalls.stop({ pid }, neverAborted());
      }
    },
  }),
  defineCall({
    name: 'agent.spawn',
    description: 'Starts an agent and returns its number at once. It goes on when the caller has gone.',
    effect: 'change',
    needs: toSpawn,
    input: spawnSchema,
    output: z.object({ pid: z.int() }),
    handle: async (input, context) => ({ pid: await spawn(input, context) }),
  }),
  defineCall({
    name: 'agent.list',
    description: 'Your agents, those that have ended included, oldest first.',
    effect: 'look',
    needs: 'Nothing; only your agents are listed.',
    input: z.strictObject({}),
    output: z.object({ agents: z.array(rowSchema).readonly() }),
    handle: async (_, { kernel, signal }) => ({ agents: await kernel.syscalls.list(null, signal) }),
  }),
  defineCall({
    name: 'agent.status',
    description: 'What one agent is doing and what it has used.',
    effect: 'look',
    needs: ownAgent,
    input: onePid,
    output: oneRow,
    handle: async ({ pid }, { kernel }) => ({ agent: await rowOf(pid, kernel) }),
  }),
  defineCall({
    name: 'agent.wait',
    description:
      'Returns the report of an agent when it has ended. Taking the call back leaves the agent alone; agent.kill ends it.',
    effect: 'look',
    needs: ownAgent,
    input: onePid,
    output: reportSchema,
    handle: ({ pid }, context) => waitFor(pid, context),
  }),
  defineCall({
    name: 'agent.pause',
    description: 'Withholds the device from an agent. A tool that is at work ends its work.',
    effect: 'change',
    needs: ownAgent,
    input: onePid,
    output: oneRow,
    handle: async ({ pid }, { kernel, signal }) => {
      await kernel.syscalls.pause({ pid }, signal);
      return { agent: await rowOf(pid, kernel) };
    },
  }),
  defineCall({
    name: 'agent.resume',
    description: 'Gives a paused agent the device back.',
    effect: 'change',
    needs: ownAgent,
    input: onePid,
    output: oneRow,
    handle: async ({ pid }, { kernel, signal }) => {
      await kernel.syscalls.resume({ pid }, signal);
      return { agent: await rowOf(pid, kernel) };
    },
  }),
  defineCall({
    name: 'agent.renice',
    description: 'Changes what share of the device an agent gets among your agents, or its scheduling class.',
    effect: 'change',
    needs: `${ownAgent} The class is not above the most urgent one that you may ask for.`,
    input: onePid.extend({
      nice: niceSchema.exactOptional(),
      class: z.enum(priorityClasses).exactOptional(),
    }),
    output: oneRow,
    handle: async (input, { kernel, signal }) => {
      if (input.class !== undefined) assertMayHave(input.class, kernel.caller);
      await kernel.syscalls.renice(input, signal);
      return { agent: await rowOf(input.pid, kernel) };
    },
  }),
  defineCall({
    name: 'agent.kill',
    description: 'Ends an agent where it is. What it did stays, and its report says how far it came.',
    effect: 'end',
    needs: ownAgent,
    input: onePid,
    output: oneRow,
    handle: async ({ pid }, { kernel, signal }) => {
      await kernel.syscalls.stop({ pid }, signal);
      return { agent: await rowOf(pid, kernel) };
    },
  }),
];

async function spawn(input: SpawnInput, { kernel, signal }: CallContext): Promise<Pid> {
  const { definition, team } = definitionOf(input, kernel.caller);
  const workspace = { root: workspaceOf(input.workspace, kernel), trusted: true };
  const request = { definition, team, task: input.task, workspace, grants: [] };
  return (await kernel.syscalls.spawn(request, signal)).pid;
}

/** What the caller asks for by name is refused where it may not have it; what a definition brings along is lowered. */
function definitionOf(
  input: SpawnInput,
  caller: Caller,
): { readonly definition: AgentDefinition; readonly team: AgentDefinition[] } {
  if (input.agent !== undefined && input.definition !== undefined) {
    throw new KernelError('badRequest', 'agent.spawn takes either agent or definition');
  }
  if (input.class !== undefined) assertMayHave(input.class, caller);
  const chosen = input.definition ?? builtInAgent(input.agent ?? 'coder');
  const lowered = (one: AgentDefinition): AgentDefinition => ({ ...one, class: atMost(one.class, caller) });
  const given = input.team ?? [];
  const taken = new Set(given.map(({ name }) => name));
  const team = [...given, ...builtInAgents.filter(({ name }) => !taken.has(name))].map(lowered);
  const { class: priority, nice } = input;
  const definition = {
    ...lowered(chosen),
    ...(priority !== undefined && { class: priority }),
    ...(nice !== undefined && { nice }),
  };
  return { definition, team };
}

function builtInAgent(name: string): AgentDefinition {
  const found = builtInAgents.find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new KernelError('notFound', `there is no agent "${name}"; there are ${names}`);
}

const urgencyOf = (priority: PriorityClass): number => priorityClasses.indexOf(priority);

const atMost = (priority: PriorityClass, { mostUrgent }: Caller): PriorityClass =>
  urgencyOf(priority) < urgencyOf(mostUrgent) ? mostUrgent : priority;

function assertMayHave(priority: PriorityClass, caller: Caller): void {
  if (atMost(priority, caller) === priority) return;
  throw new KernelError(
    'denied',
    `${caller.name} may ask for class ${caller.mostUrgent} and below, not ${priority}`,
  );
}

/** @throws KernelError `denied` for a folder that the person's client has not opened */
export function workspaceOf(wanted: string | undefined, { workspaces }: CallerKernel): string {
  const open = workspaces();
  const [first] = open;
  if (first === undefined)
    throw new KernelError('denied', 'the client that runs the kernel has no folder open');
  if (wanted === undefined) return first;
  if (open.includes(wanted)) return wanted;
  throw new KernelError('denied', `workspace ${wanted} is not open in the client that runs the kernel`);
}

/** @throws KernelError `notFound` */
async function rowOf(pid: Pid, { syscalls }: CallerKernel): Promise<AgentRow> {
  const rows = await syscalls.list(null, neverAborted());
  const row = rows.find((each) => each.pid === pid);
  if (row === undefined) throw new KernelError('notFound', `there is no agent with pid ${pid}`);
  return row;
}

async function waitFor(pid: Pid, { kernel, signal, progress }: CallContext): Promise<AgentReport> {
  let last = '';
  const listener = kernel.onRows((rows) => {
    const row = rows.find((each) => each.pid === pid);
    const said = row === undefined ? '' : progressOf(row);
    if (said === '' || said === last) return;
    last = said;
    progress(said);
  });
  try {
    return await kernel.syscalls.wait({ pid }, signal);
  } finally {
    listener.dispose();
  }
}

/** A line on where an agent is. That it waits for a person is among it: the right is given there and nowhere else. */
function progressOf({ state, reason, generatedTokens }: AgentRow): string {
  const why = reason === '' ? '' : ` (${reason})`;
  return `${state}${why}, ${generatedTokens} tokens generated`;
}

const neverAborted = (): AbortSignal => new AbortController().signal;
