// Copies of attention state on request: when they are taken, what they hold, and what becomes of those that cannot be.

import assert from 'node:assert/strict';
import type { InferenceDriver, Slot, Token } from '../../../../src/hal/driver.js';
import { createManualClock } from '../../../../src/hal/manualClock.js';
import { createSimulatedDriver } from '../../../../src/hal/simulated.js';
import { noUsage, type Client } from '../../../../src/kernel/scheduler/job.js';
import { createEntity } from '../../../../src/kernel/scheduler/runQueue.js';
import { StateCopies } from '../../../../src/kernel/scheduler/stateCopies.js';

let lastId = 0;
const client = (): Client => ({
  entity: createEntity(++lastId, 'normal', 0),
  usage: noUsage(),
  isPaused: false,
  onDevice: () => undefined,
});

interface Machine {
  readonly copies: StateCopies;
  readonly slot: Slot;
  readonly saved: string[];
  readonly troubles: string[];
  readonly holders: (holder: Client | undefined) => { slotOf(client: Client): Slot | undefined };
}

async function machine(saveState?: InferenceDriver['saveState']): Promise<Machine> {
  const clock = createManualClock();
  const [saved, troubles]: [string[], string[]] = [[], []];
  const driver = createSimulatedDriver({ respond: () => '', clock, costMs: () => 1, saveMs: () => 10 });
  const [slot] = driver.slots;
  assert.ok(slot);
  await driver.step([{ slot, tokens: driver.tokenize('one two three') }]);
  const saving: Pick<InferenceDriver, 'info' | 'saveState'> = {
    info: driver.info,
    saveState: async (from, path) => {
      saved.push(path);
      await (saveState === undefined ? driver.saveState(from, path) : saveState(from, path));
    },
  };
  const copies = new StateCopies({ driver: saving, clock, onTrouble: (message) => troubles.push(message) });
  return {
    ...{ copies, slot, saved, troubles },
    holders: (holder) => ({ slotOf: (each) => (each === holder ? slot : undefined) }),
  };
}

suite('copies of attention state', () => {
  test('are taken when they are served, one at a time, with the tokens of that moment', async () => {
    const { copies, slot, saved, holders } = await machine();
    const holder = client();
    const [first, second] = [copies.request(holder, 'a'), copies.request(holder, 'b')];
    assert.deepEqual(saved, []);
    assert.equal(await copies.serveOne(holders(holder), Infinity), true);
    assert.deepEqual(saved, ['a']);
    assert.deepEqual(await first, slot.tokens.slice());
    assert.equal(await copies.serveOne(holders(holder), Infinity), true);
    assert.equal((await second)?.length, slot.length);
    assert.equal(await copies.serveOne(holders(holder), Infinity), false);
  });

  test('who has no slot, or nothing in it, gets none', async () => {
    const { copies, slot, saved, holders } = await machine();
    const holder = client();
    const without = copies.request(holder, 'a');
    await copies.serveOne(holders(undefined), 0);
    assert.equal(await without, undefined);
    await slot.truncate(0);
    const empty = copies.request(holder, 'b');
    await copies.serveOne(holders(holder), 0);
    assert.equal(await empty, undefined);
    assert.deepEqual(saved, []);
  });

  test('wait while there is less time than they take', async () => {
    const { copies, saved, holders } = await machine();
    const holder = client();
    const first = copies.request(holder, 'a');
    await copies.serveOne(holders(holder), Infinity);
    await first;
    const second = copies.request(holder, 'b');
    assert.equal(await copies.serveOne(holders(holder), 0), false);
    assert.deepEqual(saved, ['a']);
    assert.equal(await copies.serveOne(holders(holder), Infinity), true);
    assert.ok(await second);
  });

  test('one that fails is told and is none', async () => {
    const { copies, troubles, holders } = await machine(() => Promise.reject(new Error('no room')));
    const holder = client();
    const copy = copies.request(holder, 'a');
    assert.equal(await copies.serveOne(holders(holder), Infinity), true);
    assert.equal(await copy, undefined);
    assert.deepEqual(troubles, ['attention state could not be copied: no room']);
  });

  test('nobody waits after the end', async () => {
    const { copies } = await machine();
    const open = copies.request(client(), 'a');
    copies.close();
    const results: (readonly Token[] | undefined)[] = [await open, await copies.request(client(), 'b')];
    assert.deepEqual(results, [undefined, undefined]);
  });
});
