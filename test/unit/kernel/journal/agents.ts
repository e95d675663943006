// Records of made-up agents, for the journal's tests.

import type { JournalRecord } from '../../../../src/kernel/journal/records.js';
import type { JournalState } from '../../../../src/kernel/journal/replay.js';
import { builtInAgents } from '../../../../src/shared/agentDefinition.js';
import type { AgentReport } from '../../../../src/shared/protocol.js';

const [definition] = builtInAgents;

export function spawned(pid: number): JournalRecord {
  const workspace = { root: '/workspace', trusted: true };
  return { type: 'spawned', pid, at: 1000 + pid, definition: definition!, task: `task ${pid}`, workspace };
}

export function said(pid: number, content: string, generated = 0): JournalRecord {
  const tokens = { prompt: 10, generated };
  return { type: 'message', pid, message: { role: 'assistant', content }, ...(generated > 0 && { tokens }) };
}

export function exited(pid: number, answer = 'done'): JournalRecord {
  const report: AgentReport = {
    pid,
    name: 'scout',
    task: `task ${pid}`,
    state: 'answered',
    answer,
    error: null,
    toolCalls: [],
    tokens: { prompt: 10, generated: 5, reused: 0 },
    ms: { queued: 0, prefill: 1.5, decode: 2, tools: 0, total: 4 },
  };
  return { type: 'exited', pid, report };
}

/** One of every kind that is about an agent. */
export function lifeOf(pid: number): JournalRecord[] {
  const call = { name: 'read_file', arguments: { path: 'a.ts' } };
  return [
    spawned(pid),
    { type: 'message', pid, message: { role: 'system', content: 'You are scout.' } },
    { type: 'message', pid, message: { role: 'user', content: `task ${pid}` } },
    {
      type: 'message',
      pid,
      message: { role: 'assistant', content: 'I look.\n', toolCall: call },
      tokens: { prompt: 40, generated: 12 },
    },
    {
      type: 'granted',
      grant: {
        id: pid,
        pid,
        spec: { capability: 'fs.read', scope: 'src' },
        lifetime: 'run',
        grantedAt: 2000,
      },
      uses: 0,
    },
    { type: 'grantUsed', id: pid, pid },
    {
      type: 'toolCalled',
      pid,
      call: {
        tool: 'read_file',
        arguments: { path: 'a.ts' },
        capability: 'fs.read',
        decision: 'allowed-run',
        ms: 3.25,
        ok: true,
      },
    },
    { type: 'message', pid, message: { role: 'tool', name: 'read_file', content: 'grüße, \u{1f600}' } },
    { type: 'reniced', pid, class: 'batch', nice: 7 },
    { type: 'paused', pid, isPaused: true },
    { type: 'snapshotTaken', pid, key: 'k'.repeat(64), tokens: 52 },
  ];
}

/** As plain data, so that two states can be compared. */
export function plain(state: JournalState): unknown {
  return {
    agents: [...state.agents.values()],
    reports: [...state.reports],
    grants: [...state.grants.values()],
    lastPid: state.lastPid,
  };
}
