import assert from 'node:assert/strict';
import { LiveGrants, revokedNewsMs } from '../../../src/extension/liveGrants.js';
import type { Grant } from '../../../src/shared/capability.js';
import type { LiveGrant } from '../../../src/shared/protocol.js';
import { fakeCalls, type FakeCalls } from './fakeCalls.js';
import { infoOf } from './rows.js';

const grantOf = (id: number): Grant => ({
  ...{ id, pid: undefined, capability: 'fs.read', scope: 'src', lifetime: 'session' },
  ...{ grantedBy: 'person', grantedAt: 5 },
});
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

suite('live grants', () => {
  let told: LiveGrant[];
  let kernel: FakeCalls;
  let grants: LiveGrants;

  setup(() => {
    told = [];
    kernel = fakeCalls(() => told);
    grants = new LiveGrants(kernel);
  });
  teardown(() => grants.dispose());

  const run = async (): Promise<void> => {
    kernel.state = { name: 'running', info: infoOf() };
    kernel.fire('stateChanged', kernel.state);
    await settled();
  };
  const ids = (): number[] => grants.all.map(({ grant }) => grant.id);

  test('are asked of a kernel that begins to run, and follow what it tells', async () => {
    told = [{ grant: grantOf(1), uses: 4 }];
    await run();
    assert.deepEqual(grants.all, told);
    kernel.fire('grantChanged', { grant: grantOf(2), isLive: true });
    assert.deepEqual(ids(), [1, 2]);
    kernel.fire('grantChanged', { grant: grantOf(1), isLive: false });
    assert.deepEqual(ids(), [2]);
    assert.deepEqual(kernel.called, ['grants']);
  });

  test('have keys that mean one kernel alone', async () => {
    await run();
    kernel.fire('grantChanged', { grant: grantOf(1), isLive: true });
    const key = grants.keyOf(grantOf(1));
    assert.equal(grants.find(key)?.id, 1);
    kernel.fire('stateChanged', { name: 'starting' });
    assert.deepEqual([ids(), grants.find(key)], [[], undefined]);
    await run();
    kernel.fire('grantChanged', { grant: grantOf(1), isLive: true });
    assert.equal(grants.find(key), undefined);
    assert.notEqual(grants.keyOf(grantOf(1)), key);
  });

  test('are told as revoked for a while', async () => {
    await run();
    kernel.fire('grantChanged', { grant: grantOf(1), isLive: true });
    kernel.fire('grantChanged', { grant: grantOf(1), isLive: false });
    const now = performance.now();
    assert.deepEqual(grants.revokedSince(now), [grantOf(1)]);
    assert.deepEqual(grants.revokedSince(now + revokedNewsMs), []);
  });

  test('an answer that is older than what was told meanwhile is not believed', async () => {
    await run();
    told = [{ grant: grantOf(9), uses: 0 }];
    kernel.fire('stateChanged', kernel.state);
    kernel.fire('grantChanged', { grant: grantOf(2), isLive: true });
    await settled();
    assert.deepEqual(ids(), [2]);
  });
});
