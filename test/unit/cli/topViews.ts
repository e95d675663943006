/** What the tests of `amk top` share: a kernel that is never called, and a model of it with some agents. */

import { TopModel } from '../../../src/cli/topModel.js';
import type { AgentRow, KernelDescriptor } from '../../../src/shared/protocol.js';
import { infoOf, rowOf } from '../extension/rows.js';

export const descriptor: KernelDescriptor = {
  protocol: 1,
  osPid: 4711,
  socket: '/run/4711.sock',
  token: '0'.repeat(64),
  model: 'tiny',
  device: 'cpu',
  client: 'editor',
  workspaces: ['/home/me/code'],
  startedAt: 1_000_000,
};

export const fleet: readonly AgentRow[] = [
  rowOf(3, { state: 'exited', outcome: 'answered', kvBytes: 0, deviceMs: 900 }),
  rowOf(1, { deviceMs: 0, generatedTokens: 0, class: 'interactive', nice: -5 }),
  rowOf(12, { name: 'coder', state: 'blocked', reason: 'waiting for you: fs.write src/a.ts', deviceMs: 0 }),
  rowOf(2, {
    name: 'reviewer',
    state: 'paused',
    isPaused: true,
    reason: 'paused by you',
    class: 'batch',
    kvBytes: 0,
  }),
  rowOf(4, { state: 'exited', outcome: 'failed', reason: 'the engine failed twice', kvBytes: 0 }),
];

/** As seen twice, two seconds apart: agent 1 had half of the device and 40 tokens. */
export function modelOf(rows = fleet): TopModel {
  const usage = { rssBytes: 412_000_000, peakRssBytes: 500_000_000, tiers: null };
  const model = new TopModel(descriptor, infoOf(), usage);
  model.sampled(rows, usage, 0);
  const later = rows.map((row) =>
    row.pid === 1
      ? { ...row, deviceMs: row.deviceMs + 1_000, generatedTokens: row.generatedTokens + 40 }
      : row,
  );
  model.sampled(later, usage, 2_000);
  return model;
}
