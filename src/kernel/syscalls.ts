/**
 * The syscall table: what clients can ask of a running kernel. Each entry checks its input and calls the part that
 * does the work; none of them waits for a person or computes anything itself.
 */

import { parseWith } from '../shared/agentDefinition.js';
import { KernelError } from '../shared/errors.js';
import type { Handlers } from '../shared/peer.js';
import {
  handoffRequestSchema,
  pidRequestSchema,
  reniceRequestSchema,
  spawnRequestSchema,
  type KernelCalls,
} from '../shared/protocol.js';
import type { Agent } from './agent/agent.js';
import type { AgentJournal } from './agent/loop.js';
import type { AgentSnapshots, AgentTable } from './agentTable.js';
import type { JournalRecord } from './journal/records.js';
import type { Entity } from './scheduler/runQueue.js';
import type { Scheduler } from './scheduler/scheduler.js';

export interface SyscallParts {
  readonly agents: AgentTable;
  readonly scheduler: Scheduler;
  /** Real path of a workspace folder. Rejects with `badRequest` when it is not one. */
  readonly resolveWorkspace: (root: string) => Promise<string>;
  readonly journal?: AgentJournal | undefined;
  readonly snapshots?: Pick<AgentSnapshots, 'keep'> | undefined;
}

/** The calls that need a booted kernel; `boot`, `ping` and `shutdown` are the process' own. */
export type Syscalls = Omit<KernelCalls, 'boot' | 'ping' | 'shutdown'>;

export function createSyscalls(parts: SyscallParts): Handlers<Syscalls> {
  const { agents, scheduler, resolveWorkspace, journal, snapshots } = parts;
  const agentOf = (input: unknown): Agent => agents.get(parseWith(pidRequestSchema, input, 'request').pid);
  /** A live agent, once the fact is in the journal. It may have exited meanwhile. */
  const recorded = async (agent: Agent, fact: (agent: Agent) => JournalRecord): Promise<Agent> => {
    await journal?.append(fact(liveAgent(agent)));
    return liveAgent(agent);
  };
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
      agentOf(input).cancellation.abort();
      return null;
    },
    pause: async (input) => {
      const agent = await recorded(agentOf(input), ({ pid }) => ({ type: 'paused', pid, isPaused: true }));
      agent.pause();
      scheduler.pause(agent);
      void snapshots?.keep(agent);
      return null;
    },
    resume: async (input) => {
      const agent = await recorded(agentOf(input), ({ pid }) => ({ type: 'paused', pid, isPaused: false }));
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
    list: () => agents.all().map((agent) => agent.row()),
  };
}

function liveAgent(agent: Agent): Agent {
  if (!agent.isLive) throw new KernelError('notFound', `agent ${agent.pid} has exited`);
  return agent;
}
