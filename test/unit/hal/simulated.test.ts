import assert from 'node:assert/strict';
import type { InferenceDriver, Sampling, Slot, Token } from '../../../src/hal/driver.js';
import { createManualClock } from '../../../src/hal/manualClock.js';
import {
  createSimulatedDriver,
  type SimulatedOptions,
  type SimulatedStateMove,
} from '../../../src/hal/simulated.js';
import { KernelError } from '../../../src/shared/errors.js';

const greedy = (): Sampling => ({ temperature: 0, constraint: undefined });
const promptOf = (driver: InferenceDriver, content: string): Token[] =>
  driver.tokenize(driver.render([{ role: 'user', content }], []));

/** Pulls one turn from a slot, one token a step. */
async function answer(driver: InferenceDriver, slot: Slot, prompt: readonly Token[]): Promise<string> {
  const sampling = greedy();
  const out: Token[] = [];
  for (let next = prompt; ;) {
    const [result] = await driver.step([{ slot, tokens: next, sampling }]);
    assert.ok(result?.ok && result.token !== undefined);
    if (driver.isEndOfTurn(result.token)) return driver.detokenize(out);
    out.push(result.token);
    next = [result.token];
  }
}

suite('the simulated driver', () => {
  const text = '<|im_start|>user\nfind `größe` 🙂  twice<|im_end|>\n<tool_call>{"name": "x"}</tool_call>';

  test('detokenises to the text it tokenised', () => {
    const driver = createSimulatedDriver({ respond: () => '' });
    assert.equal(driver.detokenize(driver.tokenize(text)), text);
    assert.deepEqual(driver.tokenize(text), driver.tokenize(text));
  });

  test('answers what the function says, then ends the turn', async () => {
    const prompts: string[] = [];
    const driver = createSimulatedDriver({
      respond: (prompt) => {
        prompts.push(prompt);
        return 'I found it.';
      },
    });
    const slot = driver.slots[0]!;
    const prompt = promptOf(driver, 'where?');
    assert.equal(await answer(driver, slot, prompt), 'I found it.');
    assert.deepEqual(prompts, [driver.detokenize(prompt)]);
    assert.equal(slot.length, prompt.length + driver.tokenize('I found it.').length);
  });

  test('goes on with a turn that moved to another slot', async () => {
    const driver = createSimulatedDriver({ respond: () => 'one two three' });
    const [a, b] = driver.slots;
    const sampling = greedy();
    const prompt = promptOf(driver, 'count');
    const [first] = await driver.step([{ slot: a!, tokens: prompt, sampling }]);
    assert.ok(first?.ok && first.token !== undefined);
    const [second] = await driver.step([{ slot: b!, tokens: [...prompt, first.token], sampling }]);
    assert.ok(second?.ok && second.token !== undefined);
    assert.equal(driver.detokenize([first.token, second.token]), 'one ');
  });

  test('answers anew when the tokens leave its answer', async () => {
    const asked: string[] = [];
    const driver = createSimulatedDriver({ respond: (prompt) => (asked.push(prompt), 'yes') });
    const sampling = greedy();
    const slot = driver.slots[0]!;
    await driver.step([{ slot, tokens: promptOf(driver, 'ok?'), sampling }]);
    await driver.step([{ slot, tokens: driver.tokenize('no, '), sampling }]);
    assert.equal(asked.length, 2);
    assert.ok(asked[1]?.endsWith('assistant\nno, '));
  });

  test('keeps and forgets tokens as told', async () => {
    const driver = createSimulatedDriver({ respond: () => '' });
    const slot = driver.slots[0]!;
    const tokens = driver.tokenize('a b c d');
    await driver.step([{ slot, tokens }]);
    assert.equal(slot.commonPrefix(driver.tokenize('a b x')), 4);
    await slot.truncate(4);
    assert.equal(slot.length, 4);
    await slot.truncate(99);
    assert.equal(slot.length, 4);
    await driver.reset(slot);
    assert.equal(slot.length, 0);
  });

  test('leaves the ranges that it is told to, in their order', async () => {
    const driver = createSimulatedDriver({ respond: () => '' });
    const slot = driver.slots[0]!;
    await driver.step([{ slot, tokens: driver.tokenize('a b c d') }]);
    await slot.rearrange([
      { start: 0, end: 2 },
      { start: 6, end: 7 },
      { start: 3, end: 5 },
    ]);
    assert.equal(driver.detokenize(slot.tokens), 'a d c');
    await assert.rejects(
      slot.rearrange([
        { start: 0, end: 3 },
        { start: 2, end: 4 },
      ]),
      KernelError,
    );
  });

  test('refuses alone the sequence that does not fit', async () => {
    const driver = createSimulatedDriver({ respond: () => 'x', contextTokens: 3 });
    const work = ['a b', 'a b c'].map((prompt, index) => ({
      slot: driver.slots[index]!,
      tokens: driver.tokenize(prompt),
    }));
    const [fits, overflows] = await driver.step(work);
    assert.equal(fits?.ok, true);
    assert.ok(overflows?.ok === false && overflows.error instanceof KernelError);
    assert.equal(overflows.error.code, 'limitReached');
    assert.equal(driver.slots[1]?.length, 0);
  });

  test('moves the clock by what a step costs', async () => {
    const clock = createManualClock(1000);
    const driver = createSimulatedDriver({
      respond: () => 'x y',
      clock,
      costMs: (prefillTokens, decodes) => prefillTokens * 2 + decodes * 10,
    });
    const [a, b] = driver.slots;
    const [one] = driver.tokenize('z');
    await driver.step([
      { slot: a!, tokens: driver.tokenize('a b') },
      { slot: b!, tokens: [one!], sampling: greedy() },
    ]);
    assert.deepEqual([clock.now(), clock.wallClock()], [16, 1016]);
  });

  test('fails one slot until it is reset', async () => {
    const failure = new Error('bad cell');
    const driver = createSimulatedDriver({
      respond: () => 'x',
      fault: ({ index }) => (index === 0 ? { kind: 'slot', slot: 1, error: failure } : undefined),
    });
    const work = driver.slots.slice(0, 2).map((slot) => ({ slot, tokens: driver.tokenize('a') }));
    assert.deepEqual(await driver.step(work), [{ ok: true }, { ok: false, error: failure }]);
    assert.deepEqual(await driver.step(work), [{ ok: true }, { ok: false, error: failure }]);
    await driver.reset(driver.slots[1]!);
    assert.deepEqual(await driver.step(work), [{ ok: true }, { ok: true }]);
  });

  test('fails a whole batch with nothing resident', async () => {
    const driver = createSimulatedDriver({
      respond: () => 'x',
      fault: ({ index }) =>
        index === 0 ? { kind: 'batch', error: new Error('lost the device') } : undefined,
    });
    const work = [{ slot: driver.slots[0]!, tokens: driver.tokenize('a') }];
    await assert.rejects(
      driver.step(work),
      (error: unknown) => error instanceof KernelError && error.code === 'deviceFailed',
    );
    assert.equal(driver.slots[0]?.length, 0);
    assert.deepEqual(await driver.step(work), [{ ok: true }]);
  });

  test('stalls for as long as it is told', async () => {
    let release = (): void => undefined;
    const until = new Promise<void>((resolve) => (release = resolve));
    const driver = createSimulatedDriver({ respond: () => 'x', fault: () => ({ kind: 'stall', until }) });
    let isDone = false;
    const step = driver
      .step([{ slot: driver.slots[0]!, tokens: driver.tokenize('a') }])
      .then(() => (isDone = true));
    await new Promise(setImmediate);
    assert.equal(isDone, false);
    release();
    await step;
    assert.equal(isDone, true);
  });

  test('tells what a step costs by, before it runs', async () => {
    const told: unknown[] = [];
    const driver = createSimulatedDriver({
      respond: () => 'x y',
      clock: createManualClock(),
      costMs: (...counted) => (told.push(counted), 0),
    });
    const slot = driver.slots[0]!;
    const tokens = driver.tokenize('a b');
    await driver.step([{ slot, tokens }]);
    await driver.step([{ slot, tokens: tokens.slice(0, 1), sampling: greedy() }]);
    assert.deepEqual(told, [
      [3, 0, [{ count: 3, resident: 0 }]],
      [0, 1, [{ count: 1, resident: 3 }]],
    ]);
  });

  test('asks for tools before it constrains a call', async () => {
    const driver = createSimulatedDriver({ respond: () => 'x' });
    await assert.rejects(driver.createConstraint([]), KernelError);
    const constraint = await driver.createConstraint([{ name: 'run', description: '', parameters: {} }]);
    await constraint[Symbol.asyncDispose]();
  });
});

suite('saved states of the simulated driver', () => {
  const prompt = 'a b c d';

  /** A driver whose first slot holds the prompt. */
  async function filled(options: Partial<SimulatedOptions> = {}): Promise<{
    readonly driver: InferenceDriver;
    readonly slot: Slot;
    readonly other: Slot;
  }> {
    const driver = createSimulatedDriver({ respond: () => 'x', ...options });
    const [slot, other] = driver.slots;
    assert.ok(slot !== undefined && other !== undefined);
    await driver.step([{ slot, tokens: driver.tokenize(prompt) }]);
    return { driver, slot, other };
  }

  test('come back in any slot, as often as they are asked for', async () => {
    const { driver, slot, other } = await filled();
    await driver.saveState(slot, '/ram/1');
    await driver.step([{ slot, tokens: driver.tokenize('e') }]);
    await driver.step([{ slot: other, tokens: driver.tokenize('something else') }]);
    for (const each of [other, slot]) {
      await driver.loadState(each, '/ram/1');
      assert.equal(each.length, 7);
      assert.equal(each.commonPrefix(driver.tokenize(prompt)), 7);
    }
  });

  test('are not there under another path, and the slot is then empty', async () => {
    const { driver, slot } = await filled();
    await driver.saveState(slot, '/ram/1');
    await assert.rejects(driver.loadState(slot, '/ram/2'), { code: 'stateInvalid', message: /\/ram\/2/ });
    assert.equal(slot.length, 0);
    assert.deepEqual(await driver.step([{ slot, tokens: driver.tokenize('a') }]), [{ ok: true }]);
  });

  test('take the time that they are said to take', async () => {
    const clock = createManualClock();
    const { driver, slot, other } = await filled({
      clock,
      saveMs: (tokens) => tokens * 10,
      loadMs: (tokens) => tokens,
    });
    await driver.saveState(slot, '/ram/1');
    assert.equal(clock.now(), 70);
    await driver.loadState(other, '/ram/1');
    assert.equal(clock.now(), 77);
  });

  test('fail where a fault is put, the slot unchanged by a save and empty after a load', async () => {
    const faults: SimulatedStateMove[] = [];
    const { driver, slot } = await filled({
      stateFault: (move) => {
        faults.push(move);
        return move.path === '/full'
          ? new KernelError('storageFull', 'the disk is full')
          : new Error('broken');
      },
    });
    await assert.rejects(driver.saveState(slot, '/full'), { code: 'storageFull' });
    await assert.rejects(driver.saveState(slot, '/ram/1'), { code: 'deviceFailed', message: /broken/ });
    assert.equal(slot.length, 7);
    await assert.rejects(driver.loadState(slot, '/ram/1'), { code: 'stateInvalid' });
    assert.equal(slot.length, 0);
    assert.deepEqual(faults[0], { kind: 'save', slot: 0, path: '/full', tokens: 7 });
  });

  test('make a failed slot usable again, but are not made of one', async () => {
    const { driver, slot } = await filled({
      fault: ({ index }) =>
        index === 1 ? { kind: 'slot', slot: 0, error: new Error('bad cell') } : undefined,
    });
    await driver.saveState(slot, '/ram/1');
    await driver.step([{ slot, tokens: driver.tokenize('e') }]);
    await assert.rejects(driver.saveState(slot, '/ram/2'), { code: 'deviceFailed', message: /bad cell/ });
    await driver.loadState(slot, '/ram/1');
    assert.deepEqual(await driver.step([{ slot, tokens: driver.tokenize('e') }]), [{ ok: true }]);
  });
});
