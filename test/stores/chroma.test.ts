// The promises of a store, kept by a real Chroma server that `npm run test:stores` starts; its address comes in
// AMK_CHROMA_URL. Every test has a collection of its own.

import assert from 'node:assert/strict';
import { openBlockStore } from '../../src/kernel/context/store/openBlockStore.js';
import { KernelError } from '../../src/shared/errors.js';
import { describeStore, dimensions } from '../unit/kernel/context/store/storeSuite.js';

const silent = (): void => undefined;

suite('block store: chroma, on a real server', () => {
  const url = process.env['AMK_CHROMA_URL'] ?? '';
  let collection = '';
  const open = (address = url) =>
    openBlockStore({
      setting: { kind: 'chroma', url: address, collection },
      ...{ dimensions, log: silent, timeoutMs: 10_000 },
    });

  describeStore(
    () => {
      collection = `Blocks${process.hrtime.bigint()}`;
      return open();
    },
    () => open(),
  );

  test('a server that is not there is named', async () => {
    await assert.rejects(
      open('http://127.0.0.1:9'),
      (error: unknown) =>
        error instanceof KernelError &&
        error.code === 'storageFailed' &&
        error.message.includes('http://127.0.0.1:9'),
    );
  });
});
