// The gate: denied unless a grant covers it or a person says yes to exactly this.
import assert from 'node:assert/strict';
import { createManualClock } from '../../../src/hal/manualClock.js';
import {
  Broker,
  createInvocation,
  type Invocation,
  type Prompter,
} from '../../../src/kernel/sandbox/broker.js';
import type { Access } from '../../../src/shared/capability.js';
import type { PermissionAnswer, PermissionRequest } from '../../../src/shared/protocol.js';

const never = new AbortController().signal;
const read = (path: string): Access => ({ capability: 'fs.read', path });
const write = (path: string): Access => ({ capability: 'fs.write', path });
const invocation = (pid = 1): Invocation =>
  createInvocation({ pid, agent: 'scout', task: 'look', tool: 'read_file', workspace: '/w' });

interface Desk {
  readonly broker: Broker;
  readonly asked: PermissionRequest[];
}

function desk(answer: PermissionAnswer | Prompter['ask']): Desk {
  const asked: PermissionRequest[] = [];
  const ask: Prompter['ask'] = (request, signal) => {
    asked.push(request);
    return typeof answer === 'function' ? answer(request, signal) : Promise.resolve(answer);
  };
  return { broker: new Broker({ prompter: { ask }, clock: createManualClock(1000) }), asked };
}

const deny: PermissionAnswer = { kind: 'deny', reason: 'not now' };
const allow = (lifetime: 'once' | 'run' | 'session', scope: string): PermissionAnswer => ({
  kind: 'allow',
  lifetime,
  scope,
});

suite('broker', () => {
  test('denies what nobody granted, and says why', async () => {
    const { broker } = desk(deny);
    await assert.rejects(broker.require(invocation(), read('a.ts'), '/w/a.ts', never), {
      code: 'denied',
      message: 'no grant for fs.read',
      reason: 'not now',
    });
  });

  test('a grant of the run covers its agent and no other, and ends with the run', async () => {
    const { broker, asked } = desk(deny);
    broker.grant({ capability: 'fs.read', scope: 'src' }, { pid: 1, lifetime: 'run' });
    assert.equal(await broker.require(invocation(1), read('src/a.ts'), '', never), 'granted');
    await assert.rejects(broker.require(invocation(2), read('src/a.ts'), '', never), { code: 'denied' });
    broker.endRun(1);
    await assert.rejects(broker.require(invocation(1), read('src/a.ts'), '', never), { code: 'denied' });
    assert.equal(asked.length, 2);
  });

  test('a grant of the session covers every agent until it is revoked', async () => {
    const { broker } = desk(deny);
    const grant = broker.grant({ capability: 'fs.read', scope: '.' }, { pid: 1, lifetime: 'session' });
    assert.equal(grant.grantedAt, 1000);
    broker.endRun(1);
    assert.equal(await broker.require(invocation(2), read('x'), '', never), 'granted');
    assert.equal(broker.revoke(grant.id), true);
    await assert.rejects(broker.require(invocation(2), read('x'), '', never), { code: 'denied' });
  });

  test('allowed once holds for this tool call alone', async () => {
    const { broker, asked } = desk(allow('once', 'a.ts'));
    const first = invocation();
    assert.equal(await broker.require(first, write('a.ts'), '', never), 'allowed-once');
    assert.equal(await broker.require(first, read('a.ts'), '', never), 'allowed-once');
    assert.equal(asked.length, 1);
    await broker.require(invocation(), write('a.ts'), '', never);
    assert.equal(asked.length, 2);
  });

  test('allowed for the run is asked once', async () => {
    const { broker, asked } = desk(allow('run', '.'));
    assert.equal(await broker.require(invocation(), read('a.ts'), '', never), 'allowed-run');
    assert.equal(await broker.require(invocation(), read('b/c.ts'), '', never), 'granted');
    assert.equal(asked.length, 1);
  });

  test('a yes to something else is a no', async () => {
    const { broker } = desk(allow('run', 'docs'));
    await assert.rejects(broker.require(invocation(), read('src/a.ts'), '', never), { code: 'denied' });
  });

  test('a refused access is not asked again in the same tool call', async () => {
    const { broker, asked } = desk(deny);
    const one = invocation();
    await assert.rejects(broker.require(one, read('a.ts'), '', never));
    await assert.rejects(broker.require(one, read('a.ts'), '', never));
    assert.equal(asked.length, 1);
  });

  test('equal questions of one agent share one prompt', async () => {
    let answer: (answer: PermissionAnswer) => void = () => undefined;
    const { broker, asked } = desk(() => new Promise((resolve) => (answer = resolve)));
    const both = Promise.all([1, 2].map(() => broker.require(invocation(), read('a.ts'), '', never)));
    answer(allow('run', 'a.ts'));
    assert.deepEqual(await both, ['allowed-run', 'allowed-run']);
    assert.equal(asked.length, 1);
  });

  test('a prompter that fails means no', async () => {
    const { broker } = desk(() => Promise.reject(new Error('the window is gone')));
    await assert.rejects(broker.require(invocation(), read('a.ts'), '', never), {
      code: 'denied',
      reason: 'nobody could be asked',
    });
  });

  test('an agent stopped while it is asked about is cancelled, not denied', async () => {
    const controller = new AbortController();
    const { broker } = desk(
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
        }),
    );
    const waiting = broker.require(invocation(), read('a.ts'), '', controller.signal);
    controller.abort();
    await assert.rejects(waiting, { code: 'cancelled' });
    await assert.rejects(broker.require(invocation(), read('a.ts'), '', controller.signal), {
      code: 'cancelled',
    });
  });

  test('the person is shown who asks, for what, and the exact target', async () => {
    const { broker, asked } = desk(deny);
    await assert.rejects(broker.require(invocation(), read('a.ts'), '/real/a.ts', never));
    assert.deepEqual(asked[0], {
      pid: 1,
      agent: 'scout',
      task: 'look',
      tool: 'read_file',
      access: read('a.ts'),
      target: '/real/a.ts',
    });
  });
});
