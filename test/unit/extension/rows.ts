/** Rows for tests: an agent that runs, with what a test wants different. */

import type { AgentRow, KernelInfo } from '../../../src/shared/protocol.js';

export const rowOf = (pid: number, fields: Partial<AgentRow> = {}): AgentRow => ({
  pid,
  name: 'scout',
  task: 'find it',
  state: 'running',
  reason: '',
  outcome: undefined,
  isPaused: false,
  class: 'normal',
  nice: 0,
  promptTokens: 100,
  generatedTokens: 10,
  tokensPerSecond: 20,
  kvBytes: 1_000,
  tier: 'slots',
  deviceMs: 500,
  waitMs: 5,
  firstTokenMs: null,
  ...fields,
});

export const infoOf = (): KernelInfo => ({
  driver: 'simulated',
  model: 'tiny',
  modelPath: '/tiny.gguf',
  modelBytes: 1_000_000,
  device: 'cpu',
  slots: 4,
  contextTokens: 2_048,
  kvBytesPerToken: 100,
  bootMs: 12,
  keepsAgents: false,
});
