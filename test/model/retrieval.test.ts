// What agents find again in the kernel's own block store, with the embedder's vectors: for questions that no model was
// trained on, the right one of 240 blocks of code is among the first ones, more often by words and meaning than by
// meaning alone. `npm run model:eval` has the figures by kind of question.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createEmbedder } from '../../src/hal/llama/embedder.js';
import { OramaStore } from '../../src/kernel/context/store/oramaStore.js';

interface Pair {
  readonly query: string;
  readonly block: string;
}

const pathOf = (name: string): string => fileURLToPath(new URL(`../../../models/${name}`, import.meta.url));
const [owner, workspace] = ['agent:scout', '/held-out'];
const limit = 10;

suite('finding blocks again', () => {
  test('the right block is among the first ones', async () => {
    const pairs = JSON.parse(readFileSync(pathOf('training/heldoutPairs.json'), 'utf8')) as Pair[];
    await using embedder = await createEmbedder(pathOf('amk-embedder.gguf'), {
      threads: 1,
      log: () => undefined,
    });
    const vectors = await embedder.embed(pairs.map(({ block }) => block));
    const questions = await embedder.embed(pairs.map(({ query }) => query));
    await using store = new OramaStore();
    const source = { kind: 'message' } as const;
    await store.put(
      pairs.map(({ block }, position) => ({
        ...{ id: String(position), owner, workspace, position, source, at: 0 },
        ...{ text: block, vector: vectors[position] },
      })),
    );
    const placesOf = async (hasWords: boolean): Promise<number[]> => {
      const places: number[] = [];
      for (const [id, { query }] of pairs.entries()) {
        const question = { text: hasWords ? query : '', vector: questions[id] };
        const hits = await store.search({ ...question, workspace, owners: [owner], limit });
        const place = hits.findIndex(({ block }) => block.position === id);
        places.push(place < 0 ? Infinity : place);
      }
      return places;
    };
    const shareWithin = (places: readonly number[], depth: number): number =>
      places.filter((place) => place < depth).length / places.length;
    const [both, meaning] = [await placesOf(true), await placesOf(false)];
    assert.ok(shareWithin(both, limit) >= 0.97, `${shareWithin(both, limit)} within ${limit}`);
    assert.ok(shareWithin(both, 1) >= 0.8, `${shareWithin(both, 1)} first`);
    assert.ok(shareWithin(both, 1) > shareWithin(meaning, 1));
  });
});
