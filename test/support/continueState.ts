/**
 * A process that goes on where another one's snapshot ends: `MODEL SNAPSHOT FIRST COUNT`. It decodes the snapshot for
 * its own engine, whose layout is another one, and tells the tokens that follow.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { createLlamaDriver } from '../../src/hal/llama/llamaDriver.js';
import type { InferenceDriver, Slot, Token } from '../../src/hal/driver.js';
import { decodeSnapshot } from '../../src/kernel/kv/snapshot.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';

/** What the model says, always the likeliest token, from a token that is not resident yet. */
export async function greedy(
  driver: InferenceDriver,
  slot: Slot,
  first: Token,
  count: number,
): Promise<Token[]> {
  const sampling = { temperature: 0, constraint: undefined };
  const said: Token[] = [];
  let next = first;
  while (said.length < count) {
    const [result] = await driver.step([{ slot, tokens: [next], sampling }]);
    if (result?.ok !== true || result.token === undefined) throw new Error('the engine said nothing');
    said.push(result.token);
    next = result.token;
  }
  return said;
}

async function main([model = '', path = '', first = '', count = '']: readonly string[]): Promise<void> {
  const engine = { ...defaultEngineSettings, model, slots: 3, contextTokens: 2048 };
  await using driver = await createLlamaDriver(engine, () => undefined);
  const [, slot] = driver.slots;
  if (slot === undefined) throw new Error('the driver has too few slots');
  const state = `${path}.state`;
  await writeFile(state, decodeSnapshot(await readFile(path), driver.info.state));
  await driver.loadState(slot, state);
  const said = await greedy(driver, slot, Number(first) as Token, Number(count));
  process.stdout.write(JSON.stringify(said));
}

if (process.argv[1]?.endsWith('continueState.js') === true) await main(process.argv.slice(2));
