/**
 * The syscall table: what clients can ask of a running kernel. Each entry checks its input and calls the part that
 * does the work; none of them waits for a person or computes anything itself.
 */

import { parseWith } from '../shared/agentDefinition.js';
import { KernelError } from '../shared/errors.js';
import type { Handlers } from '../shared/peer.js';
import {
  blockRequestSchema,
  handoffRequestSchema,
  pageRequestSchema,
  pidRequestSchema,
  pinRequestSchema,
  reniceRequestSchema,
  revokeRequestSchema,
  spawnRequestSchema,
  type KernelCalls,
} from '../shared/protocol.js';
import type { Agent } from './agent/agent.js';
import type { AgentJournal } from './agent/loop.js';
import type { AgentSnapshots, AgentTable } from './agentTable.js';
import type { AgentContext } from './context/agentContext.js';
import type { Contexts } from './contexts.js';
import type { JournalRecord } from './journal/records.js';
import type { Entity } from './scheduler/runQueue.js';
import type { Broker } from './sandbox/broker.js';
import type { Scheduler } from './scheduler/scheduler.js';

export interface SyscallParts {
  readonly agents: Pick<AgentTable, 'get' | 'all' | 'spawn' | 'handOff' | 'wait'>;
  readonly scheduler: Scheduler;
  readonly broker: Pick<Broker, 'list' | 'revoke'>;
  /** Real path of a workspace folder. Rejects with `badRequest` when it is not one. */
  readonly resolveWorkspace: (root: string) => Promise<string>;
  readonly journal?: AgentJournal | undefined;
  readonly contexts?: Pick<Contexts, 'of'> | undefined;
  readonly snapshots?: Pick<AgentSnapshots, 'keep'> | undefined;
}

/** The calls about agents. The others are the process' own. */
export type Syscalls = Omit<KernelCalls, 'boot' | 'ping' | 'shutdown' | 'serve' | 'stopServing' | 'mcpSend'>;

export const createSyscalls = (parts: SyscallParts): Handlers<Syscalls> => ({
  ...lifeCalls(parts),
  ...steeringCalls(parts),
  ...contextCalls(parts),
  list: () => parts.agents.all().map((agent) => agent.row()),
  grants: () => parts.broker.list(),
  revoke: (input) => {
    const { id } = parseWith(revokeRequestSchema, input, 'revoke');
    if (!parts.broker.revoke(id)) throw new KernelError('notFound', `there is no grant ${id}`);
    return null;
  },
});

/** How agents begin and end. */
function lifeCalls({
  agents,
  resolveWorkspace,
}: SyscallParts): Handlers<Pick<Syscalls, 'spawn' | 'handoff' | 'wait' | 'stop'>> {
  return {
    spawn: async (input) => {
      const request = parseWith(spawnRequestSchema, input, 'spawn');
      if (!request.workspace.trusted) {
        throw new KernelError(
          'untrustedWorkspace',
          `${request.workspace.root} is not trusted, so no agent runs in it`,
        );
      }
      const root = await resolveWorkspace(request.workspace.root);
      return { pid: (await agents.spawn(request, root)).pid };
    },
    handoff: async (input) => {
      const request = parseWith(handoffRequestSchema, input, 'handoff');
      return { pid: (await agents.handOff(request)).pid };
    },
    wait: (input, signal) => agents.wait(parseWith(pidRequestSchema, input, 'request').pid, signal),
    stop: (input) => {
      agentOf(agents, input).cancellation.abort();
      return null;
    },
  };
}

/** What changes an agent's share of the device. */
function steeringCalls({
  agents,
  scheduler,
  journal,
  snapshots,
}: SyscallParts): Handlers<Pick<Syscalls, 'pause' | 'resume' | 'renice'>> {
  /** A live agent, once the fact is in the journal. It may have exited meanwhile. */
  const recorded = async (agent: Agent, fact: (agent: Agent) => JournalRecord): Promise<Agent> => {
    if (!liveAgent(agent).isHosted) await journal?.append(fact(agent));
    return liveAgent(agent);
  };
  return {
    pause: async (input) => {
      const agent = await recorded(agentOf(agents, input), ({ pid }) => ({
        type: 'paused',
        pid,
        isPaused: true,
      }));
      agent.pause();
      scheduler.pause(agent);
      if (!agent.isHosted) void snapshots?.keep(agent);
      return null;
    },
    resume: async (input) => {
      const agent = await recorded(agentOf(agents, input), ({ pid }) => ({
        type: 'paused',
        pid,
        isPaused: false,
      }));
      agent.resume();
      scheduler.resume(agent);
      return null;
    },
    renice: async (input) => {
      const request = parseWith(reniceRequestSchema, input, 'renice');
      const wanted = ({ entity }: Agent): Pick<Entity, 'class' | 'nice'> => ({
        class: request.class ?? entity.class,
        nice: request.nice ?? entity.nice,
      });
      const agent = await recorded(agents.get(request.pid), (reniced) => ({
        type: 'reniced',
        pid: reniced.pid,
        ...wanted(reniced),
      }));
      scheduler.retune(agent, wanted(agent).class, wanted(agent).nice);
      agent.changed();
      return null;
    },
  };
}

/** What an agent's window holds. */
function contextCalls({
  agents,
  contexts,
}: SyscallParts): Handlers<Pick<Syscalls, 'contextMap' | 'contextBlock' | 'pinBlock' | 'pageBlock'>> {
  const contextOf = ({ pid }: Agent): AgentContext => {
    if (contexts === undefined) throw new KernelError('notFound', 'this kernel has no virtual contexts');
    return contexts.of(pid);
  };
  return {
    contextMap: (input) => contextOf(agentOf(agents, input)).map(),
    contextBlock: (input) => {
      const { pid, id } = parseWith(blockRequestSchema, input, 'block');
      return contextOf(agents.get(pid)).text(id);
    },
    pinBlock: async (input) => {
      const { pid, id, pinned } = parseWith(pinRequestSchema, input, 'block');
      await contextOf(liveAgent(agents.get(pid))).pin(id, pinned);
      return null;
    },
    pageBlock: async (input) => {
      const { pid, id, direction } = parseWith(pageRequestSchema, input, 'block');
      await contextOf(liveAgent(agents.get(pid))).move(id, direction);
      return null;
    },
  };
}

const agentOf = (agents: Pick<AgentTable, 'get'>, input: unknown): Agent =>
  agents.get(parseWith(pidRequestSchema, input, 'request').pid);

function liveAgent(agent: Agent): Agent {
  if (!agent.isLive) throw new KernelError('notFound', `agent ${agent.pid} has exited`);
  return agent;
}
