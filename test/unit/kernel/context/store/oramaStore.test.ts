// The kernel's own store keeps every promise of a store, in memory and on disk, and searches while it is filled.

import assert from 'node:assert/strict';
import { openStorage, type Storage } from '../../../../../src/hal/storage.js';
import { openBlockStore } from '../../../../../src/kernel/context/store/openBlockStore.js';
import type { DurableFolder } from '../../../../../src/hal/durableFolder.js';
import type { BlockStore } from '../../../../../src/kernel/context/store/blockStore.js';
import { UnreliableDisk } from '../../../hal/unreliableDisk.js';
import { describeStore, dimensions, makeBlock } from './storeSuite.js';

const silent = (): void => undefined;
const open = (folder?: DurableFolder): Promise<BlockStore> =>
  openBlockStore({ setting: 'orama', dimensions, log: silent, ...(folder && { folder }) });

suite('block store: orama, in memory', () => {
  describeStore(() => open());

  test('says that nothing outlives the kernel', async () => {
    const lines: string[] = [];
    await openBlockStore({ setting: 'orama', dimensions, log: (_, line) => lines.push(line) });
    assert.match(lines.join(), /in memory alone/);
  });

  test('an index that is being filled is waited for', async () => {
    const store = await open();
    const put = store.put(Array.from({ length: 400 }, (_, id) => makeBlock(`${id}`, `word${id} common`)));
    await put;
    const hits = await store.search({
      ...{ text: 'word399', vector: undefined, workspace: makeBlock('', '').workspace },
      ...{ owners: ['agent:scout'], limit: 3 },
    });
    assert.equal(hits[0]?.block.id, '399');
    await store[Symbol.asyncDispose]();
  });
});

suite('block store: orama, on disk', () => {
  let storage: Storage;
  let folder: DurableFolder;

  describeStore(
    async () => {
      storage = await openStorage({ path: '/state', calls: new UnreliableDisk().calls });
      folder = await storage.folder('blocks');
      return await open(folder);
    },
    async (store) => {
      await store[Symbol.asyncDispose]();
      return await open(folder);
    },
  );
});
