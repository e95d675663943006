// What every block store promises, asked of each of them by the same tests.

import assert from 'node:assert/strict';
import type {
  BlockQuery,
  BlockStore,
  StoredBlock,
} from '../../../../../src/kernel/context/store/blockStore.js';

export const dimensions = 8;
const workspace = '/home/someone/the project';

/** A unit vector of a direction. */
function direction(index: number): Float32Array {
  return Float32Array.from({ length: dimensions }, (_, at) => (at === index ? 1 : 0));
}

export function makeBlock(id: string, text: string, fields: Partial<StoredBlock> = {}): StoredBlock {
  const source = { kind: 'file', path: 'src/näme.ts', lines: [3, 9], version: 'v1' } as const;
  return {
    ...{ id, owner: 'agent:scout', workspace, position: Number(id) || 0, text, source },
    ...{ vector: direction(0), at: 1_700_000_000_000 },
    ...fields,
  };
}

const hostileTexts: Readonly<Record<string, string>> = {
  empty: '',
  'control characters': Array.from({ length: 33 }, (_, code) => String.fromCharCode(code)).join(''),
  'half surrogates': 'a\ud800b\udc00c',
  'other scripts': 'żółć 日本語 👩‍👩‍👧 \u2028\u2029 e\u0301 \ufeff',
  'line ends': 'a\r\nb\rc\n\n',
  'control tokens': '<|im_end|><tool_call>{"a":"\\u0000"}',
  'a megabyte': 'const value = "é\u0000";\r\n'.repeat(45_000),
};

/** @param open a store that holds nothing yet; `reopen`, where it is given, the same one in another process */
export function describeStore(
  open: () => Promise<BlockStore>,
  reopen?: (store: BlockStore) => Promise<BlockStore>,
): void {
  let store: BlockStore;
  setup(async () => {
    store = await open();
  });
  teardown(() => store[Symbol.asyncDispose]());

  const query = (fields: Partial<BlockQuery>): BlockQuery => ({
    ...{ text: '', vector: undefined, workspace, owners: ['agent:scout'], limit: 5 },
    ...fields,
  });
  const found = async (fields: Partial<BlockQuery>): Promise<string[]> =>
    (await store.search(query(fields))).map(({ block }) => block.id);

  for (const [name, text] of Object.entries(hostileTexts)) {
    test(`gives a text back byte for byte: ${name}`, async () => {
      const block = makeBlock('1', text, { vector: Float32Array.of(0.1, 0.2, 0.3, 0, 0, 0, 0, 0.9) });
      await store.put([block]);
      assert.deepEqual(await store.read(block.owner, workspace), [block]);
      assert.deepEqual(await store.read(block.owner, workspace, ['1']), [block]);
    });
  }

  test('keeps a block without a vector, and every kind of source', async () => {
    const blocks = [
      makeBlock('1', 'alpha', { vector: undefined, source: { kind: 'system' } }),
      makeBlock('2', 'beta', { source: { kind: 'toolResult', tool: 'read_file' } }),
    ];
    await store.put(blocks);
    assert.deepEqual(await store.read('agent:scout', workspace), blocks);
  });

  test('a block of the same owner and id takes the place of the one before', async () => {
    await store.put([makeBlock('1', 'old words', { vector: direction(1) })]);
    const fresh = makeBlock('1', 'fresh phrase', { vector: direction(2) });
    await store.put([fresh]);
    assert.deepEqual(await store.read('agent:scout', workspace), [fresh]);
    assert.equal(await store.count(workspace), 1);
    assert.deepEqual(await found({ text: 'phrase' }), ['1']);
  });

  test('reads in the order of positions, and only what it is asked for', async () => {
    await store.put(['3', '1', '2'].map((id) => makeBlock(id, `text ${id}`)));
    const ids = async (wanted?: readonly string[]) =>
      (await store.read('agent:scout', workspace, wanted)).map(({ id }) => id);
    assert.deepEqual(await ids(), ['1', '2', '3']);
    assert.deepEqual(await ids(['3', 'none', '1', '3']), ['1', '3']);
    assert.deepEqual(await ids([]), []);
  });

  test('finds by words, by meaning, and best by both', async () => {
    await store.put([
      makeBlock('1', 'function readLines(path) {', { vector: direction(1) }),
      makeBlock('2', 'the weather of tomorrow', { vector: direction(2) }),
      makeBlock('3', 'lines of a poem', { vector: direction(3) }),
    ]);
    assert.deepEqual((await found({ text: 'lines' })).sort(), ['1', '3']);
    assert.equal((await found({ vector: direction(2) }))[0], '2');
    assert.equal((await found({ text: 'lines', vector: direction(3) }))[0], '3');
    const [best] = await store.search(query({ text: 'weather', vector: direction(2) }));
    assert.ok(best !== undefined && best.score > 0.9 && best.score <= 1.0001, String(best?.score));
  });

  test('finds a block without a vector by its words', async () => {
    await store.put([
      makeBlock('1', 'a quick brown fox', { vector: undefined }),
      makeBlock('2', 'something else', { vector: direction(1) }),
    ]);
    assert.equal((await found({ text: 'brown fox', vector: direction(4) }))[0], '1');
  });

  test('searches the owners it is told, in their workspace alone, and no more than the limit', async () => {
    await store.put([
      makeBlock('1', 'shared word'),
      makeBlock('1', 'shared word', { owner: 'agent:other' }),
      makeBlock('1', 'shared word', { owner: 'workspace' }),
      makeBlock('2', 'shared word', { workspace: '/another' }),
      makeBlock('3', 'shared word'),
    ]);
    const owners = async (fields: Partial<BlockQuery>): Promise<string[]> =>
      (await store.search(query({ text: 'shared', ...fields }))).map(({ block }) => block.owner).sort();
    assert.deepEqual(await owners({}), ['agent:scout', 'agent:scout']);
    assert.deepEqual(await owners({ owners: ['workspace', 'agent:other'] }), ['agent:other', 'workspace']);
    assert.deepEqual(await owners({ owners: [] }), []);
    assert.equal((await owners({ owners: ['workspace', 'agent:scout'], limit: 2 })).length, 2);
    assert.equal(await store.count(workspace), 4);
    assert.equal(await store.count('/nowhere'), 0);
  });

  test('removes some blocks of an owner, or all, and nobody else’s', async () => {
    await store.put([
      ...['1', '2', '3'].map((id) => makeBlock(id, 'removable text')),
      makeBlock('1', 'removable text', { owner: 'agent:other' }),
    ]);
    await store.remove('agent:scout', workspace, ['2', 'none']);
    assert.deepEqual((await found({ text: 'removable' })).sort(), ['1', '3']);
    await store.remove('agent:scout', workspace);
    assert.deepEqual(await found({ text: 'removable' }), []);
    assert.deepEqual(await store.read('agent:scout', workspace), []);
    assert.equal((await store.read('agent:other', workspace)).length, 1);
  });

  test('takes many blocks at once', async () => {
    const blocks = Array.from({ length: 230 }, (_, id) => makeBlock(`${id}`, `text number ${id}`));
    await store.put(blocks);
    assert.equal(await store.count(workspace), 230);
    const texts = (await store.read('agent:scout', workspace)).map(({ text }) => text);
    assert.deepEqual(
      texts,
      blocks.map(({ text }) => text),
    );
    await store.remove('agent:scout', workspace);
    assert.equal(await store.count(workspace), 0);
  });

  if (reopen !== undefined) {
    test('what was put and removed is so in the next process', async () => {
      const kept = makeBlock('2', 'kept text');
      await store.put([makeBlock('1', 'gone text'), kept]);
      await store.remove('agent:scout', workspace, ['1']);
      store = await reopen(store);
      assert.deepEqual(await store.read('agent:scout', workspace), [kept]);
      assert.deepEqual(await found({ text: 'text' }), ['2']);
    });
  }
}
