// The key of an external vector store in the editor's secret storage: kept, replaced, removed, never shown.

import assert from 'node:assert/strict';
import {
  faultOfStoreKey,
  keepStoreKey,
  storeKeyOf,
  type RemovableSecrets,
} from '../../../src/extension/storeKey.js';

function storage(content?: string): RemovableSecrets & { readonly kept: Map<string, string> } {
  const kept = new Map<string, string>(content === undefined ? [] : [['storeKey', content]]);
  return {
    kept,
    get: (name) => Promise.resolve(kept.get(name)),
    store: (name, value) => {
      kept.set(name, value);
      return Promise.resolve();
    },
    delete: (name) => {
      kept.delete(name);
      return Promise.resolve();
    },
  };
}

suite('the key of a vector store in the editor', () => {
  test('is there when it was set, without what was pasted around it', async () => {
    const secrets = storage();
    assert.equal(await storeKeyOf(secrets), undefined);
    await keepStoreKey(secrets, ' pcsk_abc\n');
    assert.equal(await storeKeyOf(secrets), 'pcsk_abc');
    await keepStoreKey(secrets, 'other');
    assert.equal(await storeKeyOf(secrets), 'other');
  });

  test('an empty one removes it', async () => {
    const secrets = storage('pcsk_abc');
    await keepStoreKey(secrets, '  ');
    assert.equal(secrets.kept.size, 0);
  });

  test('what no header can hold is refused, and what was there stays', async () => {
    const secrets = storage('pcsk_abc');
    for (const text of ['two words', 'a\r\nb', 'schlüssel', 'x'.repeat(4097)]) {
      assert.match(faultOfStoreKey(text) ?? '', /one word of printable ASCII/);
      await assert.rejects(keepStoreKey(secrets, text), { code: 'badRequest' });
    }
    assert.equal(secrets.kept.get('storeKey'), 'pcsk_abc');
    assert.equal(faultOfStoreKey('pcsk_abc'), undefined);
    assert.equal(faultOfStoreKey(''), undefined);
  });

  test('one that is there and unusable is told, not shown', async () => {
    await assert.rejects(storeKeyOf(storage('se cret')), (error: Error) => !error.message.includes('cret'));
  });
});
