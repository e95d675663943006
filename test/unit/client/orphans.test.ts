// Agents whose kernel ended: which of them the next kernel goes on with, which had ended, and which are lost.

import assert from 'node:assert/strict';
import { Orphans } from '../../../src/client/orphans.js';
import { KernelError } from '../../../src/shared/errors.js';
import type { AgentReport, AgentRow, Pid } from '../../../src/shared/protocol.js';
import { rowOf } from '../extension/rows.js';

/** The next kernel: what it lists, and how those ended that it knows besides. */
const next =
  (rows: readonly AgentRow[], reports: ReadonlyMap<Pid, Partial<AgentReport>> = new Map()) =>
  (name: 'list' | 'wait', input: unknown): Promise<never> => {
    if (name === 'list') return Promise.resolve(rows as never);
    const report = reports.get((input as { pid: Pid }).pid);
    return report === undefined
      ? Promise.reject(new KernelError('notFound', 'there is no such agent'))
      : Promise.resolve(report as never);
  };
const pids = (rows: readonly AgentRow[]): Pid[] => rows.map(({ pid }) => pid);

suite('orphans', () => {
  test('those that the next kernel has are resumed, those it knows to have ended are told, the others are lost', async () => {
    const orphans = new Orphans();
    orphans.add([rowOf(1), rowOf(2), rowOf(3), rowOf(4, { state: 'exited' })], 'it was killed');
    const error = { code: 'limitReached', message: 'too many steps' } as const;
    const claimed = await orphans.claim(
      next([rowOf(1), rowOf(9)], new Map([[2, { state: 'failed', error }]])),
    );
    assert.deepEqual([pids(claimed.rows), pids(claimed.resumed)], [[1, 9], [1]]);
    const [ended] = claimed.ended;
    assert.deepEqual(
      [ended?.pid, ended?.state, ended?.outcome, ended?.reason, ended?.kvBytes, ended?.tier],
      [2, 'exited', 'failed', 'too many steps', 0, 'none'],
    );
    assert.equal(orphans.reason, 'it was killed');
    assert.deepEqual(pids(orphans.take()), [3]);
    assert.deepEqual(orphans.take(), []);
  });

  test('one that the next kernel lists as exited is not resumed, and not lost', async () => {
    const orphans = new Orphans();
    orphans.add([rowOf(1)], 'gone');
    const claimed = await orphans.claim(next([rowOf(1, { state: 'exited', outcome: 'answered' })]));
    assert.deepEqual([claimed.resumed, claimed.ended, orphans.take()], [[], [], []]);
  });

  test('a kernel that ends without live agents leaves the reason of the one before', () => {
    const orphans = new Orphans();
    orphans.add([rowOf(1)], 'first');
    orphans.add([rowOf(2, { state: 'exited' })], 'second');
    assert.equal(orphans.reason, 'first');
    assert.deepEqual(pids(orphans.take()), [1]);
  });
});
