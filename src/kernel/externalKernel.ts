/**
 * The kernel as programs outside see it: for each caller a view that holds its own agents and their rights, and
 * nothing of anybody else. What a view does is written down in the caller's name. It gives no right, and runs nothing
 * outside of the folders that the person's client has opened.
 */

import type { InferenceDriver } from '../hal/driver.js';
import type { Embedder } from '../hal/embedder.js';
import { sandboxedTools, agentDefinitionSchema } from '../shared/agentDefinition.js';
import { Emitter } from '../shared/emitter.js';
import { KernelError } from '../shared/errors.js';
import { maxAgentsPerCaller, toolResultShare } from '../shared/limits.js';
import type { AgentRow, KernelEvents, KernelInfo, KernelUsage, Pid } from '../shared/protocol.js';
import type { Agent, Owner } from './agent/agent.js';
import type { AgentSnapshots, AgentTable } from './agentTable.js';
import type { Audit } from './audit/audit.js';
import { auditSyscalls } from './audit/syscallAudit.js';
import type { Contexts } from './contexts.js';
import type { CallerKernel, ToolCallOutcome } from './gateways/call.js';
import type { Caller } from './gateways/caller.js';
import type { Broker } from './sandbox/broker.js';
import type { Toolbox } from './sandbox/toolbox.js';
import { createSyscalls, type SyscallParts, type Syscalls } from './syscalls.js';

export interface ExternalParts extends Omit<SyscallParts, 'agents' | 'broker' | 'snapshots' | 'contexts'> {
  readonly agents: AgentTable;
  readonly broker: Broker;
  readonly snapshots?: Pick<AgentSnapshots, 'keep'> | undefined;
  readonly contexts: Pick<Contexts, 'of'>;
  readonly toolbox: Toolbox;
  readonly driver: InferenceDriver;
  readonly embedder?: Embedder | undefined;
  readonly audit: Audit;
  /** Absolute paths of the folders that the person's client has opened. */
  readonly workspaces: () => readonly string[];
  readonly info: () => KernelInfo;
  readonly usage: () => KernelUsage;
}

export interface ExternalKernel {
  viewOf(caller: Caller): CallerKernel;
  /** Passes on what callers may hear of their agents. */
  emit<K extends keyof KernelEvents>(name: K, payload: KernelEvents[K]): void;
}

/** The person's own programs are the person: their agents are those of the editor and the command line. */
export const localCaller: Caller = { id: 'local', name: 'local', mostUrgent: 'interactive' };

/** As in the agent's own loop. */
const bytesPerToken = 2.5;
const recallBytes = 64 * 1024;

export function createExternalKernel(parts: ExternalParts): ExternalKernel {
  const changed = new Emitter<readonly AgentRow[]>();
  const views = new Map<string, CallerKernel>();
  return {
    emit: (name, payload) => {
      if (name === 'agentsChanged') changed.fire((payload as KernelEvents['agentsChanged']).rows);
    },
    viewOf: (caller) => {
      const known = views.get(caller.id);
      if (known?.caller.name === caller.name && known.caller.mostUrgent === caller.mostUrgent) return known;
      const view = createView(caller, parts, changed.event);
      views.set(caller.id, view);
      return view;
    },
  };
}

function createView(
  caller: Caller,
  parts: ExternalParts,
  onRows: Emitter<readonly AgentRow[]>['event'],
): CallerKernel {
  const { audit, driver, embedder, toolbox, contexts, snapshots, broker } = parts;
  const agents = agentsOf(parts.agents, caller);
  const owns = (pid: Pid): boolean => agents.all().some((agent) => agent.pid === pid);
  const table = createSyscalls({
    ...parts,
    agents,
    broker: {
      list: () => broker.list().filter(({ grant: { pid } }) => pid !== undefined && owns(pid)),
      revoke: (id) =>
        broker.list().some(({ grant: { id: held, pid } }) => held === id && pid !== undefined && owns(pid)) &&
        broker.revoke(id),
    },
  });
  const seats = new ToolSeats(caller, agents, parts);
  return {
    caller,
    syscalls: auditSyscalls<Syscalls>(table, audit, caller.id === localCaller.id ? 'client' : caller.id),
    workspaces: parts.workspaces,
    info: parts.info,
    usage: parts.usage,
    tools: () => toolbox.signatures(sandboxedTools),
    callTool: (call, signal) => seats.call(call, signal),
    recall: (pid, query) => contexts.of(agents.get(pid).pid).recall(query, recallBytes),
    keepState: async (pid) => {
      const agent = agents.get(pid);
      if (snapshots === undefined) throw new KernelError('notFound', 'this kernel keeps no state on disk');
      await snapshots.keep(agent);
    },
    tokenize: (text) => driver.tokenize(text),
    embed: embedder === undefined ? undefined : (texts) => embedder.embed(texts),
    onRows: (listener) =>
      onRows((rows) => {
        const own = rows.filter(({ pid }) => owns(pid));
        if (own.length > 0) listener(own);
      }),
  };
}

type OwnAgents = SyscallParts['agents'];

/** A table in which nobody else's agents are. */
function agentsOf(table: AgentTable, { id, name }: Caller): OwnAgents {
  const owner: Owner | undefined = id === localCaller.id ? undefined : { id, name };
  const isOwn = (agent: Agent): boolean => agent.owner?.id === owner?.id;
  const all = (): Agent[] => table.all().filter(isOwn);
  const get = (pid: Pid): Agent => {
    const agent = table.get(pid);
    if (!isOwn(agent)) throw new KernelError('notFound', `there is no agent with pid ${pid}`);
    return agent;
  };
  const assertRoom = (): void => {
    const live = owner === undefined ? 0 : all().filter(({ isLive }) => isLive).length;
    if (live < maxAgentsPerCaller) return;
    throw new KernelError(
      'limitReached',
      `${name} has ${live} agents running; the limit is ${maxAgentsPerCaller}`,
    );
  };
  return {
    ...{ all, get },
    spawn: async (request, root, by) => {
      assertRoom();
      return await table.spawn(request, root, { ...by, owner });
    },
    handOff: async (request, worksFor) => {
      get(request.from);
      assertRoom();
      return await table.handOff(request, worksFor);
    },
    wait: async (pid, signal) => await table.wait(get(pid).pid, signal),
  };
}

interface Seat {
  readonly agent: Agent;
  /** When the calls before have ended. */
  last: Promise<unknown>;
}

type ToolCall = Parameters<CallerKernel['callTool']>[0];

/** A program that calls tools itself has an agent that stands for it: seen, asked about, paused and stopped like any. */
const seatDefinition = agentDefinitionSchema.parse({ name: 'tools', tools: [...sandboxedTools] });

/** One agent a workspace, from the caller's first tool call there until somebody stops it. */
class ToolSeats {
  readonly #caller: Caller;
  readonly #agents: OwnAgents;
  readonly #parts: Pick<ExternalParts, 'toolbox' | 'driver' | 'resolveWorkspace'>;
  readonly #seats = new Map<string, Promise<Seat>>();

  constructor(caller: Caller, agents: OwnAgents, parts: ExternalParts) {
    this.#caller = caller;
    this.#agents = agents;
    this.#parts = parts;
  }

  /** An agent does one thing at a time. */
  async call(call: ToolCall, signal: AbortSignal): Promise<ToolCallOutcome> {
    const seat = await this.#seatIn(call.workspace);
    const turn = seat.last.then(async () => await this.#perform(seat.agent, call, signal));
    seat.last = turn.catch(() => undefined);
    return await turn;
  }

  async #perform(
    agent: Agent,
    { name, arguments: given }: ToolCall,
    signal: AbortSignal,
  ): Promise<ToolCallOutcome> {
    const either = AbortSignal.any([signal, agent.cancellation.signal]);
    if (either.aborted) throw new KernelError('cancelled', 'the tool call was taken back');
    await agent.untilResumed();
    const { pid, task, workspaceRoot, definition } = agent;
    const resultBytes = Math.floor(this.#parts.driver.info.contextTokens * toolResultShare * bytesPerToken);
    const request = {
      pid,
      agent: `${this.#caller.name}/${definition.name}`,
      task,
      tool: name,
      arguments: given,
    };
    agent.toolStarted(name);
    try {
      const outcome = await this.#parts.toolbox.invoke({ ...request, workspaceRoot, resultBytes }, either);
      const { text, ...facts } = outcome;
      agent.toolCalls.push({ tool: name, arguments: given, ...facts });
      return { text, ok: facts.ok, decision: facts.decision, ms: facts.ms };
    } finally {
      if (agent.isLive) agent.toolEnded();
    }
  }

  /** One that was stopped is followed by another. */
  async #seatIn(workspace: string): Promise<Seat> {
    const taken = this.#seats.get(workspace);
    const known = await taken?.catch(() => undefined);
    if (known?.agent.cancellation.signal.aborted === false) return known;
    // Another call of the same moment was first.
    if (this.#seats.get(workspace) !== taken) return await this.#seatIn(workspace);
    const seat = this.#take(workspace);
    this.#seats.set(workspace, seat);
    return await seat;
  }

  async #take(workspace: string): Promise<Seat> {
    const root = await this.#parts.resolveWorkspace(workspace);
    const task = `calls tools for ${this.#caller.name}`;
    const request = { definition: seatDefinition, task, workspace: { root, trusted: true }, grants: [] };
    const agent = await this.#agents.spawn(request, root, { work: untilStopped });
    return { agent, last: Promise.resolve() };
  }
}

/** @throws KernelError `cancelled` */
function untilStopped({ cancellation: { signal } }: Agent): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(new KernelError('cancelled', 'it was stopped'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}
