// The mechanism, on the simulated driver in virtual time: who gets the device, and that no failure spreads.
import assert from 'node:assert/strict';
import { createSimulatedDriver } from '../../../../src/hal/simulated.js';
import { createManualClock } from '../../../../src/hal/manualClock.js';
import { Budget } from '../../../../src/kernel/scheduler/budget.js';
import { Scheduler } from '../../../../src/kernel/scheduler/scheduler.js';
import type { PriorityClass } from '../../../../src/shared/agentDefinition.js';
import { TestClient, TestTurn, never, restartIds, withMachine } from './machine.js';

suite('scheduler', () => {
  test('a turn computes its prompt and then its tokens', () =>
    withMachine({}, async (machine) => {
      const [client, turn] = [new TestClient(), new TestTurn(machine, 100)];
      await machine.scheduler.compute(client, turn, never);
      assert.equal(turn.times.length, 20);
      assert.ok(client.usage.prefillTokens >= 99);
      assert.ok(client.usage.residentTokens >= 119);
      assert.ok(client.usage.prefillMs > 0 && client.usage.decodeMs > 0);
    }));

  test('agents of one class decode together', () =>
    withMachine({}, async (machine) => {
      const turns = Array.from({ length: 4 }, () => new TestTurn(machine, 2));
      await Promise.all(turns.map((turn) => machine.scheduler.compute(new TestClient(), turn, never)));
      // Alone each would take 20 steps of 10 ms; together they share them.
      assert.ok(machine.clock.now() < 2 * 20 * 10, `took ${machine.clock.now()} ms`);
    }));

  test('an interactive newcomer is answered while long prompts are computed', () =>
    withMachine({}, async (machine) => {
      const background = Array.from({ length: 4 }, () => new TestTurn(machine, 1000));
      const done = background.map((turn) => machine.scheduler.compute(new TestClient('batch'), turn, never));
      while (machine.clock.now() < 1000) await Promise.resolve();
      const arrived = machine.clock.now();
      const turn = new TestTurn(machine, 20);
      await machine.scheduler.compute(new TestClient('interactive'), turn, never);
      const firstToken = turn.times[0]! - arrived;
      assert.ok(firstToken < 300, `first token after ${firstToken} ms`);
      await Promise.all(done);
    }));

  test('more agents than slots all come to an end', () =>
    withMachine({ slots: 2 }, async (machine) => {
      const turns = Array.from({ length: 7 }, () => new TestTurn(machine, 30));
      await Promise.all(turns.map((turn) => machine.scheduler.compute(new TestClient(), turn, never)));
      for (const turn of turns) assert.equal(turn.times.length, 20);
    }));

  test('a client keeps its slot between turns and prefills only what is new', () =>
    withMachine({}, async (machine) => {
      const client = new TestClient();
      await machine.scheduler.compute(client, new TestTurn(machine, 200), never);
      const before = client.usage.prefillTokens;
      await machine.scheduler.compute(client, new TestTurn(machine, 210), never);
      assert.ok(
        client.usage.prefillTokens - before <= 20,
        `${client.usage.prefillTokens - before} tokens again`,
      );
    }));

  test('a cancelled turn ends at the next safe point and the others go on', () =>
    withMachine({}, async (machine) => {
      const controller = new AbortController();
      const cancelled = machine.scheduler.compute(
        new TestClient(),
        new TestTurn(machine, 1000),
        controller.signal,
      );
      const other = new TestTurn(machine, 10);
      const done = machine.scheduler.compute(new TestClient(), other, never);
      while (machine.clock.now() < 100) await Promise.resolve();
      controller.abort();
      await assert.rejects(cancelled, { code: 'cancelled' });
      await done;
      assert.equal(other.times.length, 20);
    }));

  test('a turn that is cancelled before it starts never runs', () =>
    withMachine({}, async (machine) => {
      const turn = new TestTurn(machine, 10);
      await assert.rejects(machine.scheduler.compute(new TestClient(), turn, AbortSignal.abort()), {
        code: 'cancelled',
      });
      assert.equal(turn.times.length, 0);
    }));

  test('a paused client computes nothing until it is resumed', () =>
    withMachine({}, async (machine) => {
      const [client, turn] = [new TestClient(), new TestTurn(machine, 50)];
      const done = machine.scheduler.compute(client, turn, never);
      while (turn.times.length < 5) await Promise.resolve();
      client.isPaused = true;
      machine.scheduler.pause(client);
      for (let round = 0; round < 1000; round++) await Promise.resolve();
      const count = turn.times.length;
      assert.ok(count <= 6);
      client.isPaused = false;
      machine.scheduler.resume(client);
      await done;
      assert.equal(turn.times.length, 20);
    }));

  test('one failing sequence ends one turn', () =>
    withMachine(
      {
        fault: ({ index }) =>
          index > 3 ? { kind: 'slot', slot: 0, error: new Error('bad cell') } : undefined,
      },
      async (machine) => {
        const turns = [new TestTurn(machine, 10), new TestTurn(machine, 10)];
        const [first, second] = await Promise.allSettled(
          turns.map((turn) => machine.scheduler.compute(new TestClient(), turn, never)),
        );
        assert.equal(first?.status, 'rejected');
        assert.match(String(first.reason), /bad cell/);
        assert.equal(second?.status, 'fulfilled');
      },
    ));

  test('a batch that throws once is tried again and loses nothing', () =>
    withMachine(
      { fault: ({ index }) => (index === 5 ? { kind: 'batch', error: new Error('hiccup') } : undefined) },
      async (machine) => {
        const turns = [new TestTurn(machine, 10), new TestTurn(machine, 10)];
        await Promise.all(turns.map((turn) => machine.scheduler.compute(new TestClient(), turn, never)));
        for (const turn of turns) assert.equal(turn.times.length, 20);
      },
    ));

  test('a full context is a typed error for that agent alone', () =>
    withMachine({ contextTokens: 64 }, async (machine) => {
      const [full, fine] = [new TestTurn(machine, 60), new TestTurn(machine, 10)];
      const results = await Promise.allSettled(
        [full, fine].map((turn) => machine.scheduler.compute(new TestClient(), turn, never)),
      );
      assert.match(String((results[0] as PromiseRejectedResult).reason), /context holds 64 tokens/);
      assert.equal(results[1]?.status, 'fulfilled');
    }));

  test('a turn that throws ends itself and nobody else', () =>
    withMachine({}, async (machine) => {
      const bad = new TestTurn(machine, 5);
      bad.accept = () => {
        throw new Error('cannot read this token');
      };
      const fine = new TestTurn(machine, 5);
      const results = await Promise.allSettled(
        [bad, fine].map((turn) => machine.scheduler.compute(new TestClient(), turn, never)),
      );
      assert.deepEqual(
        results.map(({ status }) => status),
        ['rejected', 'fulfilled'],
      );
    }));

  test('a stalled step is seen from outside', () =>
    withMachine({}, async (machine) => {
      assert.equal(machine.scheduler.stepAgeMs, 0);
      let release = (): void => undefined;
      const until = new Promise<void>((resolve) => (release = resolve));
      const driver = createSimulatedDriver({
        respond: () => 'a',
        clock: machine.clock,
        fault: () => ({ kind: 'stall', until }),
      });
      const scheduler = new Scheduler({ driver, clock: machine.clock });
      const done = scheduler.compute(new TestClient(), new TestTurn({ ...machine, driver }, 3), never);
      for (let round = 0; round < 10; round++) await Promise.resolve();
      machine.clock.advance(5000);
      assert.equal(scheduler.stepAgeMs, 5000);
      release();
      await done;
      await scheduler.stop();
    }));

  test('the same inputs give the same run', async () => {
    const run = async (): Promise<number[][]> => {
      const times: number[][] = [];
      restartIds();
      await withMachine({ slots: 3 }, async (machine) => {
        const turns = [5, 50, 500, 20, 7].map((words) => new TestTurn(machine, words));
        const classes: PriorityClass[] = ['normal', 'batch', 'batch', 'interactive', 'normal'];
        await Promise.all(
          turns.map((turn, index) =>
            machine.scheduler.compute(new TestClient(classes[index], index - 2), turn, never),
          ),
        );
        times.push(...turns.map((turn) => turn.times));
      });
      return times;
    };
    assert.deepEqual(await run(), await run());
  });
});

suite('scheduler limits', () => {
  test('a turn ends when its client has used up its device time', () =>
    withMachine({}, async (machine) => {
      class Limited extends TestClient {
        readonly budgets = [new Budget('agent scout', { deviceMs: 500 })];
      }
      const [limited, other] = [new Limited(), new TestClient()];
      const ended = machine.scheduler.compute(limited, new TestTurn(machine, 1000), never);
      const turn = new TestTurn(machine, 20);
      const done = machine.scheduler.compute(other, turn, never);
      await assert.rejects(ended, {
        code: 'limitReached',
        message: 'agent scout has used its 0.5 s of device time',
      });
      await done;
      assert.equal(turn.times.length, 20);
    }));

  test('a driver without slots is refused', () => {
    const driver = createSimulatedDriver({ respond: () => 'a', slots: 0 });
    assert.throws(() => new Scheduler({ driver, clock: createManualClock() }), { code: 'badRequest' });
  });

  test('a slot that cannot be reset is lost, and the others go on', () =>
    withMachine(
      {
        slots: 2,
        fault: ({ index }) =>
          index === 4 ? { kind: 'slot', slot: 0, error: new Error('bad cell') } : undefined,
      },
      async (machine) => {
        machine.driver.reset = () => Promise.reject(new Error('no sequence left'));
        const turns = [new TestTurn(machine, 10), new TestTurn(machine, 10), new TestTurn(machine, 10)];
        await Promise.all(turns.map((turn) => machine.scheduler.compute(new TestClient(), turn, never)));
        for (const turn of turns) assert.equal(turn.times.length, 20);
        assert.match(machine.troubles.join(), /slot 0 is lost: no sequence left/);
      },
    ));

  test('with the last slot every turn ends with a typed error', () =>
    withMachine(
      {
        slots: 1,
        fault: ({ index }) => (index > 2 ? { kind: 'slot', slot: 0, error: new Error('x') } : undefined),
      },
      async (machine) => {
        machine.driver.reset = () => Promise.reject(new Error('no sequence left'));
        const turns = [new TestTurn(machine, 10), new TestTurn(machine, 10)];
        const ends = turns.map((turn) => machine.scheduler.compute(new TestClient(), turn, never));
        for (const end of ends) await assert.rejects(end, { code: 'deviceFailed' });
        const late = machine.scheduler.compute(new TestClient(), new TestTurn(machine, 3), never);
        await assert.rejects(late, { code: 'deviceFailed' });
      },
    ));
});
