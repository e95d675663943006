// Which processes belong to a command. That they are really ended is shown with real ones, in process.test.ts.

import assert from 'node:assert/strict';
import { membersOf } from '../../../src/hal/processTree.js';

suite('processTree', () => {
  const tree = { leader: 10, mark: 'mark' };
  const row = (pid: number, parent: number, group: number) => ({ pid, parent, group });
  const members = (rows: ReturnType<typeof row>[], marked: readonly number[] = []) =>
    [...membersOf(tree, rows, (pid) => marked.includes(pid))].sort((a, b) => a - b);

  test('its group belongs to it, with or without its leader', () => {
    assert.deepEqual(members([row(1, 0, 1), row(10, 5, 10), row(11, 10, 10)]), [10, 11]);
    assert.deepEqual(members([row(1, 0, 1), row(11, 1, 10)]), [11]);
  });

  test('descendants belong to it, whatever their group and order', () => {
    assert.deepEqual(
      members([row(3, 12, 3), row(12, 11, 12), row(11, 10, 11), row(10, 5, 10)]),
      [3, 10, 11, 12],
    );
  });

  test('who carries its mark belongs to it, with its descendants', () => {
    assert.deepEqual(members([row(1, 0, 1), row(20, 1, 20), row(21, 20, 21)], [20]), [20, 21]);
  });

  test('nobody else does', () => {
    assert.deepEqual(members([row(1, 0, 1), row(5, 1, 5), row(6, 5, 5), row(100, 1, 100)]), []);
  });
});
