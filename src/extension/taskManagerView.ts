/** What the task manager page shows, as a pure function of what is known: live agents first, then the latest ended. */

import type { KernelState } from '../client/kernelProcess.js';
import type { Pid } from '../shared/protocol.js';
import type { AgentKey, TaskManagerRow, TaskManagerView } from '../shared/taskManagerMessages.js';
import { isLive, type FleetAgent } from './fleet.js';
import { statusOfKernel } from './kernelNews.js';

const maxTaskLength = 500;

export interface ViewInput {
  readonly state: KernelState;
  readonly agents: readonly FleetAgent[];
  readonly askingPids: ReadonlySet<Pid>;
  readonly shareOf: (key: AgentKey) => number | undefined;
  readonly tokensPerSecond: number;
  readonly rssBytes: number;
}

export function viewOf(input: ViewInput): TaskManagerView {
  const { state, agents, askingPids, shareOf, tokensPerSecond, rssBytes } = input;
  const info = state.name === 'running' ? state.info : undefined;
  const exited = agents.filter((agent) => !isLive(agent));
  return {
    kernel: {
      status: statusOfKernel(state),
      fault: state.name === 'failed' ? state.reason : '',
      model: info?.model ?? '',
      device: info?.device ?? '',
      contextTokens: info?.contextTokens ?? 0,
      slots: info?.slots ?? 0,
      rssBytes: info === undefined ? 0 : rssBytes,
    },
    tokensPerSecond,
    rows: [
      ...agents
        .filter(isLive)
        .map((agent) => rowOf(agent, askingPids.has(agent.row.pid), shareOf(agent.key) ?? null)),
      ...exited.reverse().map((agent) => rowOf(agent, false, null)),
    ],
  };
}

function rowOf({ key, row }: FleetAgent, needsPerson: boolean, deviceShare: number | null): TaskManagerRow {
  return { ...row, key, task: row.task.slice(0, maxTaskLength), needsPerson, deviceShare };
}
