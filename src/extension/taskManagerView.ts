/** What the task manager page shows, as a pure function of what is known: live agents first, then the latest ended. */

import type { KernelState } from '../client/kernelProcess.js';
import type { Grant } from '../shared/capability.js';
import type { KernelUsage, LiveGrant, Pid } from '../shared/protocol.js';
import type { AgentKey, GrantKey, TaskManagerRow, TaskManagerView } from '../shared/taskManagerMessages.js';
import { isLive, type FleetAgent } from './fleet.js';
import { statusOfKernel } from './kernelNews.js';
import type { PendingPermission } from './permissionQueue.js';
import { grantRowOf, questionRowOf, reasonAfter } from './rightsView.js';

const maxTaskLength = 500;

export interface ViewInput {
  readonly state: KernelState;
  readonly agents: readonly FleetAgent[];
  /** Open questions, oldest first. */
  readonly pending: readonly PendingPermission[];
  readonly grants: readonly { readonly key: GrantKey; readonly live: LiveGrant }[];
  /** Rights that were taken back lately. */
  readonly revoked: readonly Grant[];
  readonly nameOf: (pid: Pid) => string | undefined;
  readonly shareOf: (key: AgentKey) => number | undefined;
  readonly tokensPerSecond: number;
  /** As it was measured last. */
  readonly usage: Pick<KernelUsage, 'rssBytes' | 'tiers'>;
}

const noUsage: ViewInput['usage'] = { rssBytes: 0, tiers: null };

export function viewOf(input: ViewInput): TaskManagerView {
  const { state, agents, pending, grants, nameOf, tokensPerSecond, usage } = input;
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
      ...(info === undefined ? noUsage : { rssBytes: usage.rssBytes, tiers: usage.tiers }),
    },
    tokensPerSecond,
    rows: [
      ...agents.filter(isLive).map((agent) => liveRowOf(agent, input)),
      ...exited.reverse().map((agent) => rowOf(agent, { needsPerson: false, deviceShare: null })),
    ],
    questions: pending.map(questionRowOf),
    grants: grants.map(({ key, live }) => grantRowOf(live, key, nameOf)),
  };
}

function liveRowOf(agent: FleetAgent, { pending, revoked, shareOf }: ViewInput): TaskManagerRow {
  const { key, row } = agent;
  return rowOf(
    { key, row: { ...row, reason: reasonAfter(revoked, row) } },
    {
      needsPerson: pending.some(({ request }) => request.pid === row.pid),
      deviceShare: shareOf(key) ?? null,
    },
  );
}

function rowOf(
  { key, row }: FleetAgent,
  figures: Pick<TaskManagerRow, 'needsPerson' | 'deviceShare'>,
): TaskManagerRow {
  return { ...row, ...figures, key, task: row.task.slice(0, maxTaskLength) };
}
