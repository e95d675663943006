import assert from 'node:assert/strict';
import { ContextWatch } from '../../../src/extension/contextWatch.js';
import { Fleet } from '../../../src/extension/fleet.js';
import { KernelError } from '../../../src/shared/errors.js';
import type { ContextMap } from '../../../src/shared/protocol.js';
import type { ContextView } from '../../../src/shared/taskManagerMessages.js';
import { fakeCalls, type FakeCalls } from './fakeCalls.js';
import { rowOf } from './rows.js';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

suite('open context maps', () => {
  let map: ContextMap;
  let fault: KernelError | undefined;
  let sent: ContextView[];
  let kernel: FakeCalls;
  let fleet: Fleet;
  let watch: ContextWatch;
  let key: string;

  setup(() => {
    map = { windowTokens: 1_024, thresholdTokens: 819, usedTokens: 1, attention: 'measured', blocks: [] };
    fault = undefined;
    sent = [];
    kernel = fakeCalls(() => {
      if (fault !== undefined) throw fault;
      return map;
    });
    fleet = new Fleet();
    fleet.update([rowOf(7)]);
    key = fleet.keyOf(7);
    watch = new ContextWatch({ kernel, fleet, send: (_key, context) => sent.push(context) });
  });
  teardown(() => watch.dispose());

  test('are asked for when they open, and never while they are closed', async () => {
    kernel.fire('contextChanged', { pid: 7, text: '' });
    watch.open(key);
    await settled();
    assert.deepEqual([kernel.called.length, sent.length, sent[0]?.map?.usedTokens], [1, 1, 1]);
    watch.close(key);
    kernel.fire('contextChanged', { pid: 7, text: '' });
    fleet.update([rowOf(7, { promptTokens: 999 })]);
    await settled();
    assert.equal(kernel.called.length, 1);
  });

  test('a flood of news asks once now and once later, and the same map is sent once', async () => {
    watch.open(key);
    for (let tokens = 0; tokens < 50; tokens++) {
      kernel.fire('contextChanged', { pid: 7, text: '' });
      fleet.update([rowOf(7, { generatedTokens: tokens })]);
    }
    await settled();
    assert.equal(kernel.called.length, 1);
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.deepEqual([kernel.called.length, sent.length], [2, 1]);
  });

  test('an agent of an earlier kernel has none, and that is said', async () => {
    fleet.beginGeneration();
    watch.open(key);
    await settled();
    assert.deepEqual(
      [kernel.called.length, sent[0]?.map, sent[0]?.note],
      [0, null, 'Its context went with its kernel.'],
    );
  });

  test('a kernel that has none says so in words', async () => {
    fault = new KernelError('notFound', 'there is no agent with pid 7');
    watch.open(key);
    await settled();
    assert.equal(sent[0]?.note, 'The kernel keeps no context of it.');
  });
});
