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
export function describeCrash(
  reason: string,
  { resumed, lost }: { readonly resumed: readonly AgentRow[]; readonly lost: readonly AgentRow[] },
): string {
  const how = reason.replace(/^the kernel process (was )?/, '');
  const sentences = [`Kernel stopped (${how}) and was restarted.`];
  if (resumed.length > 0) sentences.push(describeGoingOn(resumed));
  if (lost.length > 0) {
    sentences.push(
      `${lost.length === 1 ? '1 agent was lost' : `${lost.length} agents were lost`}: ${namesOf(lost)}.`,
    );
  }
  return sentences.join(' ');
}

/** Agents that outlived their kernel. */
export function describeGoingOn(rows: readonly AgentRow[]): string {
  return `${rows.length === 1 ? '1 agent goes on' : `${rows.length} agents go on`}: ${namesOf(rows)}.`;
}

/** Said when a folder is opened in which agents were left. */
export function describeReturn(rows: readonly AgentRow[]): string {
  return rows.length === 1
    ? `1 agent of the last session is here, paused: ${namesOf(rows)}.`
    : `${rows.length} agents of the last session are here, paused: ${namesOf(rows)}.`;
}

/** Asked before a restart interrupts running agents. @param keepsAgents whether they outlive their kernel */
export function describeRestart(live: readonly AgentRow[], keepsAgents: boolean): string {
  const [what, which] =
    live.length === 1
      ? ['1 agent is at work and', keepsAgents ? 'goes on afterwards' : 'would be stopped']
      : [`${live.length} agents are at work and`, keepsAgents ? 'go on afterwards' : 'would be stopped'];
  return `${what} ${which}: ${namesOf(live)}.`;
}

const namesOf = (rows: readonly AgentRow[]): string => rows.map(({ name }) => name).join(', ');
