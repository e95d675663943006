/**
 * What to tell a person about the kernel, as pure functions of what happened to it.
 */

import type { KernelState } from '../client/kernelProcess.js';
import type { AgentRow } from '../shared/protocol.js';
import type { KernelStatus } from '../shared/taskManagerMessages.js';

export function statusOfKernel(state: KernelState): KernelStatus {
  switch (state.name) {
    case 'stopped':
      return 'off';
    case 'starting':
    case 'restarting':
      return 'starting';
    case 'running':
      return 'ready';
    case 'failed':
      return 'failed';
    default:
      return state satisfies never;
  }
}

/** Said once the next kernel runs. */
export function describeCrash(reason: string, lost: readonly AgentRow[]): string {
  const how = reason.replace(/^the kernel process (was )?/, '');
  const names = lost.map(({ name }) => name).join(', ');
  const agents = lost.length === 1 ? '1 agent was lost' : `${lost.length} agents were lost`;
  return `Kernel stopped (${how}) and was restarted.${lost.length === 0 ? '' : ` ${agents}: ${names}.`}`;
}

/** Asked before a restart takes running agents with it. */
export function describeRestart(live: readonly AgentRow[]): string {
  const names = live.map(({ name }) => name).join(', ');
  return live.length === 1
    ? `1 agent is at work and would be stopped: ${names}.`
    : `${live.length} agents are at work and would be stopped: ${names}.`;
}
