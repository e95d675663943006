import assert from 'node:assert/strict';
import { Fleet } from '../../../src/extension/fleet.js';
import {
  describeCrash,
  describeRestart,
  describeReturn,
  statusOfKernel,
} from '../../../src/extension/kernelNews.js';
import { viewOf } from '../../../src/extension/taskManagerView.js';
import { Throughput } from '../../../src/extension/throughput.js';
import type { PermissionRequest } from '../../../src/shared/protocol.js';
import { infoOf, rowOf } from './rows.js';

suite('the fleet', () => {
  test('keeps the last row of each agent', () => {
    const fleet = new Fleet();
    fleet.update([rowOf(1), rowOf(2)]);
    fleet.update([rowOf(1, { state: 'exited', outcome: 'answered' })]);
    assert.deepEqual(
      fleet.live.map(({ row }) => row.pid),
      [2],
    );
    assert.equal(fleet.agents.length, 2);
  });

  test('agents of different kernels never share a key', () => {
    const fleet = new Fleet();
    fleet.beginGeneration();
    fleet.update([rowOf(1)]);
    const { key } = fleet.live[0]!;
    fleet.lose([rowOf(1)], 'the kernel died');
    fleet.beginGeneration();
    fleet.update([rowOf(1, { name: 'coder' })]);
    assert.equal(fleet.findLive(key), undefined);
    assert.equal(fleet.agents.length, 2);
    assert.deepEqual(
      fleet.agents.map(({ row }) => [row.name, row.state, row.reason]),
      [
        ['scout', 'exited', 'the kernel died'],
        ['coder', 'running', ''],
      ],
    );
  });

  test('ended agents are cleared on demand and never pile up', () => {
    const fleet = new Fleet();
    fleet.update([rowOf(1)]);
    for (let pid = 2; pid < 500; pid++) fleet.update([rowOf(pid, { state: 'exited', outcome: 'answered' })]);
    assert.equal(fleet.agents.length, 101);
    fleet.clearExited();
    assert.equal(fleet.agents.length, 1);
  });
});

const requestOf = (pid: number): PermissionRequest => ({
  ...{ pid, agent: 'scout', task: 'find it', tool: 'read_file', target: '/w/a.ts' },
  access: { capability: 'fs.read', path: 'a.ts' },
});
const nothingAsked = { pending: [], grants: [], revoked: [], nameOf: () => undefined };

suite('the view of the task manager', () => {
  test('shows live agents first, then the latest ended', () => {
    const fleet = new Fleet();
    fleet.update([rowOf(1, { state: 'exited' }), rowOf(2, { state: 'exited' }), rowOf(3), rowOf(4)]);
    const view = viewOf({
      state: { name: 'running', info: infoOf() },
      agents: fleet.agents,
      ...nothingAsked,
      pending: [{ id: 1, request: requestOf(4) }],
      shareOf: (key) => (key === fleet.keyOf(4) ? undefined : 0.5),
      tokensPerSecond: 12,
      usage: { rssBytes: 5_000, tiers: null },
    });
    assert.deepEqual(
      view.rows.map(({ pid, needsPerson, deviceShare }) => [pid, needsPerson, deviceShare]),
      [
        [3, false, 0.5],
        [4, true, null],
        [2, false, null],
        [1, false, null],
      ],
    );
    assert.deepEqual(
      view.questions.map(({ id, wish }) => [id, wish]),
      [[1, 'scout (4) wants to read a.ts']],
    );
    assert.deepEqual([view.kernel.model, view.kernel.device, view.kernel.rssBytes], ['tiny', 'cpu', 5_000]);
  });

  test('a kernel that does not run has no model and no memory', () => {
    const view = viewOf({
      state: { name: 'stopped' },
      agents: [],
      ...nothingAsked,
      shareOf: () => undefined,
      tokensPerSecond: 0,
      usage: { rssBytes: 5_000, tiers: null },
    });
    assert.deepEqual([view.kernel.status, view.kernel.model, view.kernel.rssBytes], ['off', '', 0]);
  });
});

suite('news of the kernel', () => {
  test('a crash says how, and who was lost', () => {
    assert.equal(
      describeCrash('the kernel process was killed by SIGKILL', {
        resumed: [],
        lost: [rowOf(1), rowOf(2, { name: 'coder' })],
      }),
      'Kernel stopped (killed by SIGKILL) and was restarted. 2 agents were lost: scout, coder.',
    );
    assert.equal(
      describeCrash('the kernel process was killed by SIGKILL', {
        resumed: [rowOf(1, { name: 'coder' })],
        lost: [],
      }),
      'Kernel stopped (killed by SIGKILL) and was restarted. 1 agent goes on: coder.',
    );
    assert.equal(
      describeCrash('the kernel process exited with code 1: out of memory', { resumed: [], lost: [] }),
      'Kernel stopped (exited with code 1: out of memory) and was restarted.',
    );
  });

  test('a restart says whom it stops, or who goes on afterwards', () => {
    assert.equal(describeRestart([rowOf(1)], false), '1 agent is at work and would be stopped: scout.');
    assert.equal(describeRestart([rowOf(1)], true), '1 agent is at work and goes on afterwards: scout.');
    assert.equal(
      describeRestart([rowOf(1), rowOf(2)], true),
      '2 agents are at work and go on afterwards: scout, scout.',
    );
  });

  test('a folder that is opened again says who is there', () => {
    assert.equal(describeReturn([rowOf(1)]), '1 agent of the last session is here, paused: scout.');
  });

  test('a kernel between two lives is starting', () => {
    assert.equal(statusOfKernel({ name: 'restarting', reason: 'crash', delayMs: 0 }), 'starting');
    assert.equal(statusOfKernel({ name: 'stopped' }), 'off');
  });
});

suite('throughput', () => {
  test('is the mean over the last seconds', () => {
    const throughput = new Throughput();
    for (let second = 0; second <= 10; second++) throughput.record(second * 1_000, second * 40);
    assert.equal(Math.round(throughput.perSecond(10_000)), 40);
  });

  test('falls to nothing when no token comes', () => {
    const throughput = new Throughput();
    throughput.record(0, 0);
    throughput.record(1_000, 100);
    assert.equal(throughput.perSecond(60_000), 0);
  });

  test('is not diluted by the silence before', () => {
    const throughput = new Throughput();
    throughput.record(0, 100);
    throughput.record(600_000, 100);
    throughput.record(601_000, 160);
    assert.equal(Math.round(throughput.perSecond(601_000)), 20);
  });

  test('begins anew when ended agents are forgotten', () => {
    const throughput = new Throughput();
    throughput.record(0, 1_000);
    throughput.record(1_000, 10);
    assert.equal(throughput.perSecond(1_000), 0);
  });
});
