// The calls from outside on the simulated driver: whose agents they reach, and what they refuse.
import assert from 'node:assert/strict';
import { KernelError } from '../../../../src/shared/errors.js';
import { maxAgentsPerCaller } from '../../../../src/shared/limits.js';
import type { AgentReport, AgentRow } from '../../../../src/shared/protocol.js';
import {
  alice,
  bob,
  createExternalMachine,
  untilStopped,
  type ExternalMachine,
  type ExternalMachineOptions,
} from '../../../support/externalMachine.js';

async function withMachine(
  body: (machine: ExternalMachine) => Promise<void>,
  options?: ExternalMachineOptions,
): Promise<void> {
  await using machine = createExternalMachine(options);
  await body(machine);
}

async function codeOf(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => assert.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof KernelError, String(error));
  return error.code;
}

const pidOf = async (answer: Promise<Readonly<Record<string, unknown>>>): Promise<number> =>
  (await answer)['pid'] as number;

suite('calls from outside', () => {
  test('an agent that a caller starts is its own, under its name, and starts with no right', () =>
    withMachine(async ({ call, agents, broker }) => {
      const pid = await pidOf(call(alice, 'agent.spawn', { agent: 'scout', task: 'look' }));
      const report = (await call(alice, 'agent.wait', { pid })) as unknown as AgentReport;
      assert.deepEqual([report.name, report.answer], ['Alice/scout', 'done: look']);
      assert.equal(agents.get(pid).entity.user, 'alice');
      assert.deepEqual(broker.list(), []);
    }));

  test("another caller's agent does not exist, in any call", () =>
    withMachine(async ({ call }) => {
      const pid = await pidOf(call(alice, 'agent.spawn', { task: 'mine' }));
      const definition = { name: 'thief' };
      const calls: [string, object][] = [
        ...['status', 'wait', 'pause', 'resume', 'renice', 'kill'].map((verb): [string, object] => [
          `agent.${verb}`,
          { pid },
        ]),
        ['context.map', { pid }],
        ['context.read', { pid, id: 1 }],
        ['context.recall', { pid, query: 'x' }],
        ['context.pin', { pid, id: 1, pinned: true }],
        ['context.page', { pid, id: 1, direction: 'out' }],
        ['kv.snapshot', { pid }],
        ['kv.handoff', { from: pid, definition, task: 'x' }],
      ];
      for (const [name, input] of calls) {
        const error: unknown = await call(bob, name, input).catch((reason: unknown) => reason);
        assert.ok(error instanceof KernelError, name);
        assert.deepEqual(
          [error.code, error.message],
          ['notFound', `there is no agent with pid ${pid}`],
          name,
        );
      }
      assert.deepEqual(await call(bob, 'agent.list'), { agents: [] });
    }));

  test('input is checked against the table, by name', () =>
    withMachine(async ({ call }) => {
      assert.equal(await codeOf(call(alice, 'disk.format')), 'unknownCall');
      const wrong: [string, unknown][] = [
        ['agent.spawn', {}],
        ['agent.spawn', { task: '   ' }],
        ['agent.spawn', { task: 'x', grants: [{ capability: 'fs.read', scope: '.' }] }],
        ['agent.spawn', { task: 'x', agent: 'scout', definition: { name: 'other' } }],
        ['agent.spawn', { task: 'x', nice: -21 }],
        ['agent.status', { pid: '1' }],
        ['agent.status', 'text'],
        ['tool.call', { name: 'run', arguments: { command: 1 } }],
        ['grant.revoke', { id: 0 }],
      ];
      for (const [name, input] of wrong)
        assert.equal(await codeOf(call(alice, name, input)), 'badRequest', name);
      assert.equal(await codeOf(call(alice, 'agent.spawn', { task: 'x', agent: 'nobody' })), 'notFound');
      assert.equal(await codeOf(call(alice, 'agent.status', { pid: 99 })), 'notFound');
    }));

  test('agents work where the person works, and nowhere else', () =>
    withMachine(
      async ({ call, agents }) => {
        const elsewhere = { task: 'x', workspace: '/etc' };
        assert.equal(await codeOf(call(alice, 'agent.spawn', elsewhere)), 'denied');
        assert.equal(await codeOf(call(alice, 'tool.call', { name: 'search', workspace: '/' })), 'denied');
        const pid = await pidOf(call(alice, 'agent.spawn', { task: 'x', workspace: '/two' }));
        assert.equal(agents.get(pid).workspaceRoot, '/two');
      },
      { workspaces: ['/one', '/two'] },
    ));

  test('where no folder is open, nothing runs', () =>
    withMachine(
      async ({ call }) => assert.equal(await codeOf(call(alice, 'agent.spawn', { task: 'x' })), 'denied'),
      {
        workspaces: [],
      },
    ));

  test('a class above what the caller may ask for is refused, and lowered where a definition brings it along', () =>
    withMachine(async ({ call, agents }) => {
      const urgent = { task: 'x', class: 'interactive' };
      assert.equal(await codeOf(call(alice, 'agent.spawn', urgent)), 'denied');
      const pid = await pidOf(call(alice, 'agent.spawn', { task: 'x', agent: 'scout' }));
      assert.equal(agents.get(pid).entity.class, 'normal');
      assert.equal(await codeOf(call(alice, 'agent.renice', { pid, class: 'interactive' })), 'denied');
      const theirs = await pidOf(call(bob, 'agent.spawn', urgent));
      assert.equal(agents.get(theirs).entity.class, 'interactive');
    }));

  test('a flood of one caller leaves room for others', () =>
    withMachine(
      async ({ call }) => {
        for (let count = 0; count < maxAgentsPerCaller; count++)
          await call(alice, 'agent.spawn', { task: 'tool' });
        assert.equal(await codeOf(call(alice, 'agent.spawn', { task: 'tool' })), 'limitReached');
        await call(bob, 'agent.spawn', { task: 'tool' });
      },
      { invoke: untilStopped },
    ));

  test('agent.run that is taken back stops its agent, agent.wait leaves it alone', () =>
    withMachine(
      async ({ call, agents }) => {
        const ran = new AbortController();
        const run = call(alice, 'agent.run', { task: 'tool' }, ran.signal);
        await until(() => agents.all()[0]?.state === 'waiting');
        ran.abort();
        assert.equal(await codeOf(run), 'cancelled');
        await until(() => agents.all()[0]?.outcome === 'stopped');

        const pid = await pidOf(call(alice, 'agent.spawn', { task: 'tool' }));
        const waited = new AbortController();
        const wait = call(alice, 'agent.wait', { pid }, waited.signal);
        waited.abort();
        assert.equal(await codeOf(wait), 'cancelled');
        assert.equal(agents.get(pid).isLive, true);
        await call(alice, 'agent.kill', { pid });
        await until(() => agents.get(pid).outcome === 'stopped');
      },
      { invoke: untilStopped },
    ));

  test('a tool is called as an agent of the caller, one call after the other', () => {
    const open = { now: 0, most: 0 };
    return withMachine(
      async ({ call, agents }) => {
        const calls = Array.from({ length: 3 }, () =>
          call(alice, 'tool.call', { name: 'search', arguments: { query: 'x' } }),
        );
        assert.deepEqual(
          (await Promise.all(calls)).map(({ text }) => text),
          ['found', 'found', 'found'],
        );
        assert.equal(open.most, 1);
        const [seat, ...others] = agents.all();
        assert.deepEqual(others, []);
        assert.deepEqual([seat?.row().name, seat?.toolCalls.length], ['Alice/tools', 3]);
        seat?.cancellation.abort();
        await call(alice, 'tool.call', { name: 'search' });
        assert.equal(agents.all().length, 2);
      },
      {
        invoke: async () => {
          open.most = Math.max(open.most, ++open.now);
          await new Promise((resolve) => setImmediate(resolve));
          open.now--;
          return { text: 'found', ok: true, capability: null, decision: 'granted', ms: 0 };
        },
      },
    );
  });

  test('rights are seen and taken back by those whose agents hold them', () =>
    withMachine(async ({ call, broker }) => {
      const spec = { capability: 'fs.read', scope: 'src' } as const;
      const pid = await pidOf(call(alice, 'agent.spawn', { task: 'x' }));
      const { id } = broker.grant(spec, { pid, lifetime: 'session' });
      const run = broker.grant(spec, { pid, lifetime: 'run' });
      assert.deepEqual(await call(bob, 'grant.list'), { grants: [] });
      assert.equal(await codeOf(call(bob, 'grant.revoke', { id: run.id })), 'notFound');
      const { grants } = (await call(alice, 'grant.list')) as { grants: { id: number }[] };
      assert.deepEqual(
        grants.map((grant) => grant.id),
        [run.id],
      );
      await call(alice, 'grant.revoke', { id: run.id });
      // A right of the whole session is the person's.
      assert.equal(await codeOf(call(alice, 'grant.revoke', { id })), 'notFound');
    }));

  test('what a caller does is in the audit log in its name', () =>
    withMachine(async ({ call, audit }) => {
      const pid = await pidOf(call(alice, 'agent.spawn', { task: 'x' }));
      await call(alice, 'agent.pause', { pid }).catch(() => undefined);
      const said = audit.entries
        .filter(({ client }) => client === 'alice')
        .map(({ what, phase }) => `${what} ${phase ?? ''}`);
      assert.deepEqual(said.slice(0, 2), ['spawn begin', 'spawn end']);
      assert.ok(said.includes('pause begin'));
    }));

  test('the kernel tells what it is and what the caller has used', () =>
    withMachine(async ({ call }) => {
      await call(alice, 'agent.run', { task: 'x' });
      const metrics = await call(alice, 'kernel.metrics');
      assert.deepEqual(metrics['agents'], { live: 0, all: 1 });
      assert.deepEqual((await call(bob, 'kernel.metrics'))['agents'], { live: 0, all: 0 });
      assert.deepEqual((await call(alice, 'kernel.info'))['workspaces'], ['/workspace']);
      const { tokens } = (await call(alice, 'llm.tokenize', { text: 'three little words' })) as {
        tokens: number[];
      };
      assert.ok(tokens.length > 0);
      assert.equal(await codeOf(call(alice, 'llm.embed', { texts: ['x'] })), 'notFound');
      const { agents } = (await call(alice, 'agent.list')) as { agents: AgentRow[] };
      assert.equal(agents[0]?.outcome, 'answered');
    }));
});

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('it did not come true');
}
