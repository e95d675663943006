/**
 * What the status bar says, as a pure function of what is known. It counts people's open questions first: an agent
 * that waits for a person is the only thing here that somebody has to act on.
 */

import type { AgentRow, KernelInfo } from '../shared/protocol.js';
import type { KernelStatus } from '../shared/taskManagerMessages.js';

export interface StatusInput {
  readonly kernel: KernelStatus;
  readonly info: KernelInfo | undefined;
  readonly live: readonly AgentRow[];
  /** Open questions. */
  readonly pending: number;
  readonly tokensPerSecond: number;
}

export interface StatusText {
  readonly text: string;
  readonly tooltip: string;
  readonly needsPerson: boolean;
}

export function statusOf(input: StatusInput): StatusText {
  return { text: textOf(input), tooltip: tooltipOf(input), needsPerson: input.pending > 0 };
}

function textOf({ kernel, live, pending, tokensPerSecond }: StatusInput): string {
  if (pending > 0) return `$(bell-dot) ${pending} ${pending === 1 ? 'needs' : 'need'} you`;
  if (kernel === 'starting') return '$(loading~spin) starting kernel';
  if (kernel === 'failed') return '$(warning) kernel failed';
  const paused = live.filter(({ state }) => state === 'paused').length;
  const running = live.length - paused;
  if (running === 0) return `$(circuit-board) ${paused > 0 ? `${paused} paused` : '0 agents'}`;
  const rate = Math.round(tokensPerSecond);
  return `$(circuit-board) ${running} running${rate > 0 ? ` · ${rate} tok/s` : ''}`;
}

const kernelWords: Readonly<Record<KernelStatus, string>> = {
  off: 'Kernel: starts with the first agent',
  starting: 'Kernel: starting',
  ready: 'Kernel: running',
  failed: 'Kernel: failed to start',
};

function tooltipOf({ kernel, info, live, pending }: StatusInput): string {
  const lines = ['Agentic Microkernel', kernelWords[kernel]];
  if (info !== undefined) {
    lines.push(`Model: ${info.model} on ${info.device}`, `Context: ${info.contextTokens} tokens an agent`);
  }
  if (live.length > 0)
    lines.push(`Agents: ${live.map(({ name, state }) => `${name} (${state})`).join(', ')}`);
  lines.push(pending > 0 ? 'Click to answer the open question.' : 'Click to open the task manager.');
  return lines.join('\n');
}
