// Attention state on the move: what is kept, what is shared, what is not worth it, and what happens when a move fails.
import assert from 'node:assert/strict';
import type { Divergence } from '../../../../src/kernel/scheduler/job.js';
import { TestClient, TestTurn, never, withMachine, type Machine } from './machine.js';

/** A move takes 1 ms where computing 100 tokens takes 200. */
const cheapMoves = { saveMs: () => 1, loadMs: () => 1, parkedStates: 100 };

const prefilled = (clients: readonly TestClient[]): number =>
  clients.reduce((sum, { usage }) => sum + usage.prefillTokens, 0);

async function computeAll(
  machine: Machine,
  clients: readonly TestClient[],
  words: number,
): Promise<TestTurn[]> {
  const turns = clients.map(({ entity }) => new TestTurn(machine, words, 20, `agent${entity.id}`));
  await Promise.all(turns.map((turn, index) => machine.scheduler.compute(clients[index]!, turn, never)));
  return turns;
}

suite('state mover', () => {
  test('who lost its slot finds its state again', () =>
    withMachine({ slots: 1, ...cheapMoves }, async (machine) => {
      const [first, second] = [new TestClient(), new TestClient()];
      await computeAll(machine, [first], 300);
      await computeAll(machine, [second], 300);
      const before = first.usage.prefillTokens;
      await computeAll(machine, [first], 300);
      assert.equal(first.usage.prefillTokens, before, 'not one token of the prompt is computed again');
      assert.ok(first.usage.reusedTokens >= 299);
      assert.ok(first.usage.swapMs > 0);
    }));

  test('without memory for states the prompt is computed again', () =>
    withMachine({ slots: 1, ...cheapMoves, parkedStates: 0 }, async (machine) => {
      const [first, second] = [new TestClient(), new TestClient()];
      await computeAll(machine, [first], 300);
      await computeAll(machine, [second], 300);
      const before = first.usage.prefillTokens;
      await computeAll(machine, [first], 300);
      assert.ok(first.usage.prefillTokens >= before + 299);
    }));

  test('a move that costs more than computing is not made', () =>
    withMachine(
      { slots: 1, parkedStates: 100, saveMs: () => 50_000, loadMs: () => 50_000 },
      async (machine) => {
        const clients = [new TestClient(), new TestClient(), new TestClient()];
        for (let round = 0; round < 10; round++) {
          for (const client of clients) await computeAll(machine, [client], 50);
        }
        // The first move teaches what moves cost.
        assert.ok(machine.clock.now() < 3 * 50_000 + 10 * 3 * 1_000, `took ${machine.clock.now()} ms`);
      },
    ));

  test('agents of one system prompt compute it once', () =>
    withMachine({ ...cheapMoves }, async (machine) => {
      const clients = Array.from({ length: 6 }, () => new TestClient());
      const done = clients.map((client, index) => {
        const turn = new TestTurn(machine, 400);
        turn.tokens.push(...machine.driver.tokenize(`task${index} `.repeat(20)));
        return machine.scheduler.compute(client, turn, never);
      });
      await Promise.all(done);
      // A word is two tokens: the shared prompt once, and each agent's own part.
      const most = 800 + 6 * 40 + 50;
      assert.ok(prefilled(clients) <= most, `${prefilled(clients)} tokens were computed, not ${most}`);
    }));

  test('a state that cannot be saved costs a prefill and nothing else', () =>
    withMachine(
      {
        slots: 1,
        ...cheapMoves,
        stateFault: ({ kind }) => (kind === 'save' ? new Error('disk full') : undefined),
      },
      async (machine) => {
        const clients = [new TestClient(), new TestClient()];
        for (let round = 0; round < 2; round++) {
          for (const client of clients) {
            const [turn] = await computeAll(machine, [client], 300);
            assert.equal(turn?.times.length, 20);
          }
        }
        assert.match(machine.troubles.join(), /could not be kept.*disk full/);
        assert.equal(machine.swap.size, 0);
      },
    ));

  test('a state that cannot be loaded costs a prefill and is not tried again', () => {
    let loads = 0;
    return withMachine(
      {
        slots: 1,
        ...cheapMoves,
        stateFault: ({ kind }) => (kind === 'load' && ++loads === 1 ? new Error('damaged') : undefined),
      },
      async (machine) => {
        const [first, second] = [new TestClient(), new TestClient()];
        await computeAll(machine, [first], 300);
        await computeAll(machine, [second], 300);
        const [turn] = await computeAll(machine, [first], 300);
        assert.equal(turn?.times.length, 20);
        assert.match(machine.troubles.join(), /could not be loaded/);
      },
    );
  });

  test('an agent that is killed while its state moves harms nobody', () =>
    withMachine({ slots: 1, ...cheapMoves }, async (machine) => {
      const [victim, other] = [new TestClient('batch'), new TestClient('interactive')];
      const kill = new AbortController();
      const killed = machine.scheduler.compute(
        victim,
        new TestTurn(machine, 500, 500, 'victim'),
        kill.signal,
      );
      const ended = assert.rejects(killed, { code: 'cancelled' });
      while (victim.usage.decodedTokens < 3) await Promise.resolve();
      const turn = new TestTurn(machine, 100, 20, 'other');
      const done = machine.scheduler.compute(other, turn, never);
      await Promise.resolve();
      kill.abort();
      machine.scheduler.release(victim);
      await ended;
      await done;
      assert.equal(turn.times.length, 20);
    }));

  test('more agents than slots do not move all the time', () =>
    withMachine({ slots: 2, saveMs: () => 20, loadMs: () => 20, parkedStates: 100 }, async (machine) => {
      const clients = Array.from({ length: 8 }, () => new TestClient());
      await Promise.all(
        clients.map((client, index) =>
          machine.scheduler.compute(client, new TestTurn(machine, 300, 400, `agent${index}`), never),
        ),
      );
      const total = (value: (client: TestClient) => number): number =>
        clients.reduce((sum, client) => sum + value(client), 0);
      const moved = total(({ usage }) => usage.swapMs);
      const computed = total(({ usage }) => usage.prefillMs + usage.decodeMs);
      assert.ok(moved > 0 && moved < 0.1 * computed, `${moved} ms of moves for ${computed} ms of computing`);
    }));

  test('the first token that no longer fits is named', () =>
    withMachine({}, async (machine) => {
      const seen: Divergence[] = [];
      class Watched extends TestClient {
        onDivergence(divergence: Divergence): void {
          seen.push(divergence);
        }
      }
      const client = new Watched();
      const words = (text: string): TestTurn => {
        const turn = new TestTurn(machine, 0);
        turn.tokens.push(...machine.driver.tokenize(text));
        return turn;
      };
      await machine.scheduler.compute(client, words('same '.repeat(50) + 'old '.repeat(50)), never);
      assert.equal(seen.length, 0);
      await machine.scheduler.compute(client, words('same '.repeat(50) + 'new '.repeat(50)), never);
      const divergence = seen.at(0);
      assert.ok(divergence !== undefined);
      assert.match(machine.driver.detokenize([divergence.had]), /old/);
      assert.match(machine.driver.detokenize([divergence.wants]), /new/);
      assert.ok(divergence.lostTokens > 10);
    }));
});
