// Edits of a turn in the attention state: what leaves the conversation is not paid for by what comes after it, and
// whatever goes wrong costs a prefill, never a wrong token.
import assert from 'node:assert/strict';
import type { SimulatedStep } from '../../../../src/hal/simulated.js';
import type { Token } from '../../../../src/hal/driver.js';
import type { Divergence, Edit } from '../../../../src/kernel/scheduler/job.js';
import { edited } from '../../../../src/kernel/scheduler/editPlan.js';
import { TestClient, TestTurn, never, withMachine, type Machine, type MachineOptions } from './machine.js';

class Prompt extends TestTurn {
  readonly edits: readonly Edit[];
  constructor(machine: Machine, tokens: readonly Token[], edits: readonly Edit[] = [], limit = 1) {
    super(machine, 0, limit);
    for (const token of tokens) this.tokens.push(token);
    this.edits = edits;
  }
}

interface Scene extends Machine {
  readonly client: TestClient;
  readonly first: Prompt;
  /** Rearrangements that were tried. */
  readonly rearranged: () => number;
  /** Called when a step carries tokens of a line. */
  readonly onLine: (act: () => void) => void;
  readonly words: (word: string, count: number) => Token[];
  readonly line: readonly Token[];
  readonly compute: (turn: Prompt, client?: TestClient) => Promise<void>;
  /** The client's next turn: what the edits make of the first one, and something new. */
  readonly next: (edits: readonly Edit[]) => Prompt;
}

/** A client has computed 1,200 tokens: 200, 400 and 600 of a kind. */
function withScene(options: MachineOptions, body: (scene: Scene) => Promise<void>): Promise<void> {
  let rearranged = 0;
  let act: (() => void) | undefined;
  let lineStart: Token | undefined;
  const { rearrangeFault, fault, ...rest } = options;
  const watched: MachineOptions = {
    slots: 2,
    ...rest,
    rearrangeFault: (slot) => (rearranged++, rearrangeFault?.(slot)),
    fault: (step: SimulatedStep) => {
      if (step.work.some(({ tokens }) => tokens[0] === lineStart)) act?.();
      return fault?.(step);
    },
  };
  return withMachine(watched, async (machine) => {
    const words = (word: string, count: number): Token[] =>
      Array.from({ length: count }, (_, index) => machine.driver.tokenize(`${word}${index} `)).flat();
    const line = machine.driver.tokenize('[paged #17: src/parser.ts 40–92]');
    lineStart = line[0];
    const compute = (turn: Prompt, who = client): Promise<void> =>
      machine.scheduler.compute(who, turn, never);
    const client = new TestClient();
    const first = new Prompt(machine, [...words('one', 100), ...words('two', 200), ...words('three', 300)]);
    await compute(first);
    assert.equal(client.usage.prefillTokens, 1200);
    const next = (edits: readonly Edit[]): Prompt =>
      new Prompt(machine, [...edited(first.tokens, edits), ...words('new', 10)], edits);
    const onLine = (then: () => void): void => void (act = then);
    const scene = { client, first, words, line, compute, next, onLine, rearranged: () => rearranged };
    await body({ ...machine, ...scene });
  });
}

/** What lies in the slot of whoever computed this is this. */
function assertResident({ driver }: Machine, turn: Prompt): void {
  const held = driver.slots.find((slot) => slot.length >= turn.tokens.length);
  assert.deepEqual(held?.tokens.slice(0, turn.tokens.length), turn.tokens);
}

const replacement = (line: readonly Token[]): Edit => ({ start: 200, end: 600, tokens: line });
const newTokens = 20;

suite('state editor', () => {
  test('what comes after an erased part is not computed again', () =>
    withScene({}, async (scene) => {
      const turn = scene.next([{ start: 200, end: 600, tokens: [] }]);
      await scene.compute(turn);
      assert.equal(scene.client.usage.prefillTokens, 1200 + newTokens);
      assert.equal(scene.client.usage.residentTokens, 800 + newTokens);
      assertResident(scene, turn);
    }));

  test('a line in the place of a part costs the line alone, as a move of state', () =>
    withScene({}, async (scene) => {
      const turn = scene.next([replacement(scene.line)]);
      const { prefillTokens, swapMs } = scene.client.usage;
      await scene.compute(turn);
      assert.equal(scene.client.usage.prefillTokens, prefillTokens + newTokens);
      assert.equal(scene.client.usage.swapMs - swapMs, scene.line.length * 2);
      assertResident(scene, turn);
      assert.deepEqual(scene.troubles, []);
    }));

  test('several parts go at once, also those next to each other', () =>
    withScene({}, async (scene) => {
      const { line } = scene;
      const turn = scene.next([
        { start: 100, end: 150, tokens: line },
        { start: 150, end: 180, tokens: [] },
        { start: 300, end: 400, tokens: [...line, ...line] },
        { start: 700, end: 900, tokens: line },
      ]);
      await scene.compute(turn);
      assert.equal(scene.client.usage.prefillTokens, 1200 + newTokens);
      assert.equal(scene.rearranged(), 1);
      assertResident(scene, turn);
    }));

  test('a line may be longer than what it stands for', () =>
    withScene({}, async (scene) => {
      const turn = scene.next([{ start: 200, end: 204, tokens: [...scene.line, ...scene.line] }]);
      await scene.compute(turn);
      assert.equal(scene.client.usage.prefillTokens, 1200 + newTokens);
      assertResident(scene, turn);
    }));

  test('state that was parked comes back and is edited', () =>
    withScene({ slots: 1, parkedStates: 10, saveMs: () => 1, loadMs: () => 1 }, async (scene) => {
      await scene.compute(new Prompt(scene, scene.words('other', 200)), new TestClient());
      assert.equal(scene.client.usage.residentTokens, 0);
      const turn = scene.next([replacement(scene.line)]);
      await scene.compute(turn);
      assert.equal(scene.client.usage.prefillTokens, 1200 + newTokens);
      assertResident(scene, turn);
    }));

  test('in a full window the gap is closed before the line is computed', () =>
    withScene({ contextTokens: 1205 }, async (scene) => {
      const turn = scene.next([replacement(scene.line)]);
      await scene.compute(turn);
      assert.equal(scene.client.usage.prefillTokens, 1200 + newTokens);
      assert.equal(scene.rearranged(), 2);
      assertResident(scene, turn);
    }));

  test('where there is little to save everything is computed again', () =>
    withScene({}, async (scene) => {
      const turn = scene.next([{ start: 1000, end: 1150, tokens: [] }]);
      await scene.compute(turn);
      assert.equal(scene.rearranged(), 0);
      assert.equal(scene.client.usage.prefillTokens, 1200 + 50 + newTokens);
      assertResident(scene, turn);
    }));

  test('an engine that cannot move tokens computes them', () =>
    withScene({ canRearrange: false }, async (scene) => {
      const turn = scene.next([replacement(scene.line)]);
      await scene.compute(turn);
      assert.equal(scene.rearranged(), 0);
      assert.equal(scene.client.usage.prefillTokens, 1200 + scene.line.length + 600 + newTokens);
      assertResident(scene, turn);
      assert.deepEqual(scene.troubles, []);
    }));

  test('edits that are not those of the turn decide nothing', () =>
    withScene({}, async (scene) => {
      const tokens = [...scene.words('four', 150), ...scene.words('three', 300)];
      const turn = new Prompt(scene, tokens, [replacement(scene.line), { start: 900, end: 5, tokens: [] }]);
      await scene.compute(turn);
      assert.equal(scene.client.usage.prefillTokens, 1200 + tokens.length);
      assertResident(scene, turn);
    }));

  test('a failed move is said, and the turn computed', () =>
    withScene({ rearrangeFault: () => new Error('no such cell') }, async (scene) => {
      const turn = scene.next([replacement(scene.line)]);
      await scene.compute(turn);
      assert.equal(scene.rearranged(), 1);
      assert.match(scene.troubles.join(), /could not be edited.*no such cell/);
      assertResident(scene, turn);
    }));

  test('parked state that cannot be loaded costs a prefill', () =>
    withScene(
      {
        ...{ slots: 1, parkedStates: 10, saveMs: () => 1, loadMs: () => 1 },
        stateFault: ({ kind }) => (kind === 'load' ? new Error('damaged') : undefined),
      },
      async (scene) => {
        await scene.compute(new Prompt(scene, scene.words('other', 200)), new TestClient());
        const turn = scene.next([replacement(scene.line)]);
        await scene.compute(turn);
        assert.match(scene.troubles.join(), /could not be loaded.*damaged/);
        assert.equal(scene.rearranged(), 0);
        assertResident(scene, turn);
      },
    ));

  test('a line that cannot be computed costs a prefill', () => {
    let lines = 0;
    let failed = 0;
    return withScene(
      {
        fault: () => {
          if (lines !== 1 || failed > 0) return undefined;
          failed++;
          return { kind: 'slot', slot: 0, error: new Error('out of order') };
        },
      },
      async (scene) => {
        scene.onLine(() => {
          lines++;
        });
        const turn = scene.next([replacement(scene.line)]);
        await scene.compute(turn);
        assert.deepEqual([failed, scene.rearranged(), turn.times.length], [1, 0, 1]);
        assertResident(scene, turn);
      },
    );
  });

  test('an agent that is paused in the middle goes on, also when it lost its slot', () =>
    withScene({ slots: 1, parkedStates: 10, saveMs: () => 1, loadMs: () => 1 }, async (scene) => {
      let paused = 0;
      scene.onLine(() => {
        if (paused++ === 0) scene.scheduler.pause(scene.client);
      });
      const turn = scene.next([replacement(scene.line)]);
      const done = scene.compute(turn);
      while (paused === 0) await new Promise((resolve) => setImmediate(resolve));
      await scene.compute(new Prompt(scene, scene.words('other', 200)), new TestClient());
      assert.equal(turn.times.length, 0);
      scene.scheduler.resume(scene.client);
      await done;
      assert.equal(scene.client.usage.prefillTokens, 1200 + newTokens);
      assertResident(scene, turn);
    }));

  test('an agent that is stopped in the middle leaves what its next turn can use', () =>
    withScene({}, async (scene) => {
      const stop = new AbortController();
      scene.onLine(() => stop.abort());
      const turn = scene.next([replacement(scene.line)]);
      await assert.rejects(scene.scheduler.compute(scene.client, turn, stop.signal), { code: 'cancelled' });
      const again = scene.next([replacement(scene.line)]);
      await scene.compute(again);
      assert.equal(scene.client.usage.prefillTokens, 1200 + newTokens);
      assertResident(scene, again);
    }));

  test('who decodes meanwhile waits for no longer than a step', () =>
    withScene({}, async (scene) => {
      const other = new TestClient('interactive');
      const chat = new Prompt(scene, scene.words('chat', 10), [], 20);
      const chatting = scene.compute(chat, other);
      while (chat.times.length < 3) await new Promise((resolve) => setImmediate(resolve));
      const turn = scene.next([replacement(scene.line), { start: 700, end: 800, tokens: scene.line }]);
      await Promise.all([scene.compute(turn), chatting]);
      const gaps = chat.times.slice(1).map((time, index) => time - (chat.times[index] ?? 0));
      // Half of the default target of an interactive agent.
      assert.ok(Math.max(...gaps) <= 150, `waited ${Math.max(...gaps)} ms`);
      assertResident(scene, turn);
    }));

  test('an edit is no divergence', () =>
    withScene({}, async (scene) => {
      const seen: Divergence[] = [];
      class Watched extends TestClient {
        onDivergence(divergence: Divergence): void {
          seen.push(divergence);
        }
      }
      const client = new Watched();
      await scene.compute(new Prompt(scene, scene.first.tokens), client);
      await scene.compute(scene.next([replacement(scene.line)]), client);
      assert.deepEqual(seen, []);
    }));
});
