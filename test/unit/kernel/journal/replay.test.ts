// What records mean: the state is a function of them, and has records of its own that mean the same.

import assert from 'node:assert/strict';
import {
  grantedRecord,
  recordSchema,
  recordTypes,
  type JournalRecord,
} from '../../../../src/kernel/journal/records.js';
import { recordsOf, replay } from '../../../../src/kernel/journal/replay.js';
import { maxKeptReports } from '../../../../src/shared/limits.js';
import { exited, lifeOf, plain, said, spawned } from './agents.js';

suite('journal replay', () => {
  test('an agent is where its records say', () => {
    const state = replay(lifeOf(3));
    const agent = state.agents.get(3)!;
    assert.deepEqual(
      agent.messages.map(({ role }) => role),
      ['system', 'user', 'assistant', 'tool'],
    );
    assert.deepEqual(
      [agent.tokens, agent.isPaused, agent.class, agent.nice, agent.toolCalls.length],
      [{ prompt: 40, generated: 12 }, true, 'batch', 7, 1],
    );
    assert.deepEqual(agent.snapshot, { key: 'k'.repeat(64), tokens: 52 });
    assert.deepEqual(
      [...state.grants.values()].map(({ uses, grant }) => [grant.id, uses]),
      [[3, 1]],
    );
    assert.equal(state.lastPid, 3);
  });

  test('an agent that exited leaves its report, takes its grants along and is not changed any more', () => {
    const state = replay([...lifeOf(1), ...lifeOf(2), exited(1), said(1, 'too late'), said(9, 'of nobody')]);
    assert.deepEqual([...state.agents.keys()], [2]);
    assert.deepEqual([...state.grants.keys()], [2]);
    assert.deepEqual(
      [...state.reports.values()].map(({ answer }) => answer),
      ['done'],
    );
    assert.equal(state.lastPid, 2);
  });

  test('grants end when they are revoked, and all of today end with the kernel', () => {
    const grant = (id: number, lifetime: 'run' | 'session'): JournalRecord => {
      const pid = lifetime === 'run' ? 1 : undefined;
      return grantedRecord({
        id,
        pid,
        capability: 'process.run',
        scope: 'npm test',
        lifetime,
        grantedAt: 1,
        grantedBy: 'person',
      });
    };
    const records = [spawned(1), grant(1, 'run'), grant(2, 'session'), grant(3, 'session')];
    const held = (more: readonly JournalRecord[]): unknown => [
      ...replay([...records, ...more]).grants.keys(),
    ];
    assert.deepEqual(held([]), [1, 2, 3]);
    assert.deepEqual(
      held([
        { type: 'grantRevoked', id: 2 },
        { type: 'grantUsed', id: 2, pid: 1 },
      ]),
      [1, 3],
    );
    assert.deepEqual(held([{ type: 'booted', at: 5 }]), []);
  });

  test('the records of a state make the same state again, and are the fewest', () => {
    const records = [
      ...lifeOf(1),
      ...lifeOf(2),
      { type: 'reniced', pid: 2, class: 'interactive', nice: 0 } as const,
      { type: 'paused', pid: 2, isPaused: false } as const,
      ...lifeOf(7),
      spawned(8),
      exited(7),
      exited(1),
    ];
    const state = replay(records);
    const fewest = [...recordsOf(state)];
    assert.deepEqual(plain(replay(fewest)), plain(state));
    assert.deepEqual([...recordsOf(replay(fewest))], fewest);
    assert.ok(fewest.length < records.length);
    assert.equal(replay([...recordsOf(replay([spawned(5), exited(5)]))]).lastPid, 5);
  });

  test('every kind can be written and read, and no field may be unknown', () => {
    const records: JournalRecord[] = [
      { type: 'booted', at: 1 },
      { type: 'checkpoint', lastPid: 1 },
      ...lifeOf(1),
      { type: 'pagedOut', pid: 1, blockLength: 640, blocks: [3, 4] },
      { type: 'pagedIn', pid: 1, message: 3, blocks: [3], stale: [] },
      { type: 'noted', pid: 1, blockLength: 640, message: 3, text: 'almost full' },
      { type: 'pinned', pid: 1, blockLength: 640, block: 3, isPinned: true },
      { type: 'grantRevoked', id: 1 },
      exited(1),
    ];
    assert.deepEqual(new Set(records.map(({ type }) => type)), recordTypes);
    for (const record of records) {
      assert.deepEqual(recordSchema.parse(JSON.parse(JSON.stringify(record))), record);
      assert.throws(() => recordSchema.parse({ ...record, later: true }));
    }
  });

  test('only the last reports are kept', () => {
    const records = Array.from({ length: maxKeptReports + 10 }, (_, index) => exited(index + 1));
    const { reports } = replay(records);
    assert.equal(reports.size, maxKeptReports);
    assert.equal(reports.keys().next().value, 11);
  });
});
