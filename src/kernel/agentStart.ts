/** What an agent is started with, and what the journal is told of it first. */

import type { AgentDefinition } from '../shared/agentDefinition.js';
import type { Pid, SpawnRequest } from '../shared/protocol.js';
import type { Agent, AgentPast, Owner } from './agent/agent.js';
import { changesOf } from './context/history.js';
import { contextRecord, type JournalRecord } from './journal/records.js';

export type AgentStart = Pick<SpawnRequest, 'definition' | 'task' | 'grants'> & {
  readonly workspaceRoot: string;
  readonly past?: AgentPast;
  /** Those that its definition names. */
  readonly team?: readonly AgentDefinition[];
  readonly worksFor?: string | undefined;
  readonly owner?: Owner | undefined;
  /** Another program works as this agent, until this resolves; then it is not in the journal. */
  readonly work?: (agent: Agent) => Promise<void>;
};

/** In their order. @param at milliseconds since the epoch */
export function startRecords(pid: Pid, at: number, start: AgentStart): JournalRecord[] {
  const { definition, task, workspaceRoot, past, owner, work } = start;
  if (work !== undefined) return [{ type: 'checkpoint', lastPid: pid }];
  const inherited = past?.inherited;
  const changes = past?.context === undefined ? [] : changesOf(past.context);
  return [
    {
      ...{ type: 'spawned', pid, at, definition, task },
      workspace: { root: workspaceRoot, trusted: true },
      ...(inherited !== undefined && {
        inherited: { messages: inherited.messages, tools: [...inherited.tools] },
      }),
      ...(owner !== undefined && { owner }),
    },
    ...(past?.messages ?? []).map((message): JournalRecord => ({ type: 'message', pid, message })),
    ...[...changes].map((change) => contextRecord(pid, change)),
  ];
}
