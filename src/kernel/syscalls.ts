/**
 * The syscall table: what clients can ask of a running kernel. Each entry checks its input and calls the part that
 * does the work; none of them waits for a person or computes anything itself.
 */

import { parseWith } from '../shared/agentDefinition.js';
import { KernelError } from '../shared/errors.js';
import type { Handlers } from '../shared/peer.js';
import {
  pidRequestSchema,
  reniceRequestSchema,
  spawnRequestSchema,
  type KernelCalls,
} from '../shared/protocol.js';
import type { Agent } from './agent/agent.js';
import type { AgentTable } from './agentTable.js';
import type { Scheduler } from './scheduler/scheduler.js';

export interface SyscallParts {
  readonly agents: AgentTable;
  readonly scheduler: Scheduler;
  /** Real path of a workspace folder. Rejects with `badRequest` when it is not one. */
  readonly resolveWorkspace: (root: string) => Promise<string>;
}

/** The calls that need a booted kernel; `boot`, `ping` and `shutdown` are the process' own. */
export type Syscalls = Omit<KernelCalls, 'boot' | 'ping' | 'shutdown'>;

export function createSyscalls({ agents, scheduler, resolveWorkspace }: SyscallParts): Handlers<Syscalls> {
  const agentOf = (input: unknown): Agent => agents.get(parseWith(pidRequestSchema, input, 'request').pid);
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
      return { pid: agents.spawn(request, root).pid };
    },
    wait: (input, signal) => agents.wait(agentOf(input).pid, signal),
    stop: (input) => {
      agentOf(input).cancellation.abort();
      return null;
    },
    pause: (input) => {
      const agent = liveAgent(agentOf(input));
      agent.pause();
      scheduler.pause(agent);
      return null;
    },
    resume: (input) => {
      const agent = liveAgent(agentOf(input));
      agent.resume();
      scheduler.resume(agent);
      return null;
    },
    renice: (input) => {
      const request = parseWith(reniceRequestSchema, input, 'renice');
      const agent = liveAgent(agents.get(request.pid));
      scheduler.retune(agent, request.class ?? agent.entity.class, request.nice ?? agent.entity.nice);
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
