/** The kernel is killed while agents work, on the embedded model: the short form of `npm run test:crash`. */

import assert from 'node:assert/strict';
import { crashTest } from '../support/crashTest.js';

suite('a kernel that is killed', function () {
  this.timeout(120_000);

  test('three times, loses no agent, no answer and no state', async () => {
    const { faults, kills, lost, wrong, corrupt } = await crashTest({ kills: 3, seed: 7, agents: 5 });
    assert.deepEqual(faults, []);
    assert.deepEqual([lost, wrong, corrupt], [0, 0, 0]);
    assert.equal(kills, 3);
  });
});
