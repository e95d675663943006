// The encryption key in the editor's secret storage: made once, the same for every window, never replaced.

import assert from 'node:assert/strict';
import { stateKeyOf, type Secrets } from '../../../src/extension/stateKey.js';

const atOnce = (): Promise<void> => Promise.resolve();

function storage(content?: string): Secrets & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>(content === undefined ? [] : [['stateKey', content]]);
  return {
    kept,
    get: (name) => Promise.resolve(kept.get(name)),
    store: (name, value) => {
      kept.set(name, value);
      return Promise.resolve();
    },
  };
}

suite('the encryption key of the editor', () => {
  test('is made once', async () => {
    const secrets = storage();
    const key = await stateKeyOf(secrets, atOnce);
    assert.match(key, /^[0-9a-f]{64}$/);
    assert.equal(await stateKeyOf(secrets, atOnce), key);
    assert.notEqual(await stateKeyOf(storage(), atOnce), key);
  });

  test('two windows that make one at once have the same', async () => {
    const secrets = storage();
    const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
    const [one, other] = await Promise.all([stateKeyOf(secrets, settle), stateKeyOf(secrets, settle)]);
    assert.equal(one, other);
  });

  test('what is there and is none is refused and kept', async () => {
    const secrets = storage('broken');
    await assert.rejects(stateKeyOf(secrets, atOnce), { code: 'stateInvalid' });
    assert.equal(secrets.kept.get('stateKey'), 'broken');
  });

  test('a storage that refuses is told', async () => {
    const secrets = { ...storage(), store: () => Promise.reject(new Error('no keyring')) };
    await assert.rejects(stateKeyOf(secrets, atOnce), /no keyring/);
  });
});
