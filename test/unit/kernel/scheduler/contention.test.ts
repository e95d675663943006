// More agents than slots: everybody makes progress, and what is told of memory, state and waiting is true.
import assert from 'node:assert/strict';
import type { PriorityClass } from '../../../../src/shared/agentDefinition.js';
import { TestClient, TestTurn, never, withMachine } from './machine.js';

const words = ['ant', 'bee', 'cat', 'dog', 'elk', 'fox'];

suite('slots that are fewer than agents', () => {
  const cases: readonly (readonly [PriorityClass, number])[] = [
    ['interactive', 1],
    ['normal', 1],
    ['normal', 2],
    ['normal', 4],
    ['batch', 1],
    ['batch', 3],
  ];
  for (const [priority, slots] of cases) {
    test(`long prompts of ${priority} agents come to an end on ${slots}, none computed over and over`, () =>
      withMachine({ slots }, async (machine) => {
        const clients = words.map(() => new TestClient(priority));
        const aborting = new AbortController();
        const turns = words.map((word) => new TestTurn(machine, 1500, 20, word));
        const done = Promise.allSettled(
          turns.map((turn, index) => machine.scheduler.compute(clients[index]!, turn, aborting.signal)),
        );
        const limitMs = 3 * words.length * 1500 * 2 * 2;
        const isOver = (): boolean => turns.every(({ times }) => times.length === 20);
        while (!isOver() && machine.clock.now() < limitMs) await Promise.resolve();
        aborting.abort();
        await done;
        assert.ok(isOver(), `after ${limitMs} ms: ${turns.map(({ times }) => times.length).join(' ')}`);
        for (const { usage } of clients)
          assert.ok(usage.prefillTokens < 2 * 3000, `${usage.prefillTokens} tokens`);
      }));
  }

  test('an agent whose slot was taken holds no memory', () =>
    withMachine({ slots: 1 }, async (machine) => {
      const [first, second] = [new TestClient(), new TestClient()];
      await machine.scheduler.compute(first, new TestTurn(machine, 50), never);
      assert.ok(first.usage.residentTokens > 0);
      await machine.scheduler.compute(second, new TestTurn(machine, 50, 20, 'other'), never);
      assert.deepEqual([first.usage.residentTokens, second.usage.residentTokens > 0], [0, true]);
    }));

  test('an agent that is released in the middle of a step holds no memory', () => {
    const [client, controller] = [new TestClient(), new AbortController()];
    let endStep = (): void => undefined;
    const until = new Promise<void>((resolve) => (endStep = resolve));
    return withMachine({ fault: () => ({ kind: 'stall', until }) }, async (machine) => {
      const done = machine.scheduler.compute(client, new TestTurn(machine, 500), controller.signal);
      while (!client.isRunning) await Promise.resolve();
      controller.abort();
      await assert.rejects(done, { code: 'cancelled' });
      machine.scheduler.release(client);
      endStep();
      await machine.scheduler.stop();
      assert.deepEqual([client.usage.residentTokens, client.usage.prefillTokens > 0], [0, true]);
    });
  });

  test('a pause in the middle of a step charges no time of waiting', () =>
    withMachine({}, async (machine) => {
      const [client, turn] = [new TestClient(), new TestTurn(machine, 50)];
      const done = machine.scheduler.compute(client, turn, never);
      while (turn.times.length < 10) await Promise.resolve();
      machine.scheduler.pause(client);
      machine.scheduler.resume(client);
      await done;
      assert.equal(client.usage.queuedMs, 0);
    }));

  test('a client whose turn ended on the device does not run before its next turn does', () =>
    withMachine({}, async (machine) => {
      const client = new TestClient();
      await machine.scheduler.compute(client, new TestTurn(machine, 5), never);
      const next = machine.scheduler.compute(client, new TestTurn(machine, 5), never);
      assert.equal(client.isRunning, false);
      await next;
      assert.equal(client.isRunning, true);
    }));
});
