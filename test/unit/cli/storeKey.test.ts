// The key and the address of an external vector store, from the environment and the command line.

import assert from 'node:assert/strict';
import { parseCommandLine } from '../../../src/cli/commandLine.js';
import { takeStoreKey } from '../../../src/cli/storeKey.js';

suite('a vector store for the command line', () => {
  test('the key is taken out of the environment', () => {
    const env: Record<string, string | undefined> = { AMK_STORE_KEY: 'pcsk_abc\n', HOME: '/' };
    assert.equal(takeStoreKey(env), 'pcsk_abc');
    assert.deepEqual(env, { HOME: '/' });
    assert.equal(takeStoreKey(env), undefined);
    assert.equal(takeStoreKey({ AMK_STORE_KEY: '' }), undefined);
  });

  test('an unusable key is refused without being shown, and is out of the environment as well', () => {
    const env: Record<string, string | undefined> = { AMK_STORE_KEY: 'my secret' };
    assert.throws(
      () => takeStoreKey(env),
      (error: Error & { code?: string }) => error.code === 'badRequest' && !error.message.includes('secret'),
    );
    assert.deepEqual(env, {});
  });

  test('--store names a kind and an address', () => {
    const engineOf = (store: string) => {
      const command = parseCommandLine(['run', '--store', store, 'task'], '/here');
      assert.ok(command.kind === 'run');
      return command.engine.vectorStore;
    };
    const collection = 'AgentBlocks';
    assert.deepEqual(engineOf('chroma=http://localhost:8000'), {
      ...{ kind: 'chroma', url: 'http://localhost:8000', collection },
    });
    assert.deepEqual(engineOf('weaviate=https://db.example.org'), {
      ...{ kind: 'weaviate', url: 'https://db.example.org', grpcPort: 50_051, collection },
    });
    for (const store of ['chroma', 'http://localhost', 'redis=http://localhost', 'chroma=file:///x', '']) {
      assert.throws(() => engineOf(store), /--store is chroma=URL/);
    }
  });
});
