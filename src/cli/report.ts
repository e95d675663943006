/**
 * What a run comes to: one JSON document or the answers, and the exit status. Pure functions of the agents' reports.
 */

import type { ErrorData } from '../shared/errors.js';
import { escapeForDisplay } from '../shared/escape.js';
import type { AgentReport, AgentRow, KernelInfo, ToolCallReport } from '../shared/protocol.js';

export const exitStatus = {
  ok: 0,
  notAnswered: 1,
  usage: 2,
  noKernel: 3,
  interrupted: 130,
} as const;

export interface RunResult {
  readonly agents: readonly AgentReport[];
  readonly kernel: KernelInfo;
  readonly peakRssBytes: number;
  readonly ms: { readonly boot: number; readonly total: number };
}

/** The document of `--json`: the kernel part says what computed it and what it took. */
export function jsonDocument({ agents, kernel, peakRssBytes, ms }: RunResult): string {
  const { driver, model, device } = kernel;
  return `${JSON.stringify({ agents, kernel: { driver, model, device, peakRssBytes, ms } }, null, 2)}\n`;
}

/** The document when nothing ran, so that a reader of stdout finds the reason there. */
export function jsonFailure(error: ErrorData): string {
  return `${JSON.stringify({ agents: [], kernel: null, error }, null, 2)}\n`;
}

/** One answer stands alone, so that it can be piped; several each stand under a line that names the agent. */
export function answersText(agents: readonly AgentReport[]): string {
  const [only] = agents;
  if (agents.length === 1 && only !== undefined) return only.answer === '' ? '' : endLine(only.answer);
  return agents
    .map(({ pid, name, task, answer, state }) => {
      const heading = `[${pid}] ${name}: ${escapeForDisplay(task.trim())}`;
      return `${heading}\n${answer === '' ? `(${state} without an answer)\n` : endLine(answer)}`;
    })
    .join('\n');
}

const endLine = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`);

const isDenied = ({ decision }: ToolCallReport): boolean => decision === 'denied';

/** An answer that had to do without what it asked for is not what was asked for. */
export function isComplete({ state, toolCalls }: AgentReport): boolean {
  return state === 'answered' && !toolCalls.some(isDenied);
}

/** Why an agent does not count as done, in a line, or undefined when it does. */
export function complaint({ pid, name, state, error, toolCalls }: AgentReport): string | undefined {
  const who = `[${pid}] ${name}`;
  if (state !== 'answered')
    return error === null ? `${who} was ${state}` : `${who} ${state}: ${error.message}`;
  const denied = toolCalls.filter(isDenied);
  if (denied.length === 0) return undefined;
  const what = [
    ...new Set(denied.map(({ tool, capability }) => `${tool} (${capability ?? 'no capability'})`)),
  ];
  return `${who} answered without what it was denied: ${what.join(', ')}`;
}

/** The report of an agent that cannot give its own, from what was last seen of it. */
export function lostReport(
  row: Pick<AgentRow, 'pid' | 'name' | 'task' | 'promptTokens' | 'generatedTokens' | 'waitMs'>,
  toolCalls: readonly ToolCallReport[],
  totalMs: number,
  error: ErrorData,
): AgentReport {
  const tools = toolCalls.reduce((sum, { ms }) => sum + ms, 0);
  return {
    pid: row.pid,
    name: row.name,
    task: row.task,
    state: 'failed',
    answer: '',
    error,
    toolCalls,
    tokens: { prompt: row.promptTokens, generated: row.generatedTokens, reused: 0 },
    // What the device did for it is known to the kernel alone, and that is gone.
    ms: { queued: row.waitMs, prefill: 0, decode: 0, tools, total: totalMs },
  };
}
