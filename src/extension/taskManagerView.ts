/** What the task manager page shows, as a pure function of what is known: live agents first, then the latest ended. */

import type { KernelState } from '../client/kernelProcess.js';
import type { AgentRow, Pid } from '../shared/protocol.js';
import type { TaskManagerRow, TaskManagerView } from '../shared/taskManagerMessages.js';
import { isLive, type FleetAgent } from './fleet.js';
import { statusOfKernel } from './kernelNews.js';

const maxTaskLength = 500;

export interface ViewInput {
  readonly state: KernelState;
  readonly agents: readonly FleetAgent[];
  readonly askingPids: ReadonlySet<Pid>;
  readonly tokensPerSecond: number;
  readonly rssBytes: number;
}

export function viewOf({ state, agents, askingPids, tokensPerSecond, rssBytes }: ViewInput): TaskManagerView {
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
      ...agents.filter(isLive).map(({ key, row }) => rowOf(key, row, askingPids.has(row.pid))),
      ...exited.reverse().map(({ key, row }) => rowOf(key, row, false)),
    ],
  };
}

function rowOf(key: string, row: AgentRow, needsPerson: boolean): TaskManagerRow {
  return { ...row, key, task: row.task.slice(0, maxTaskLength), needsPerson };
}
