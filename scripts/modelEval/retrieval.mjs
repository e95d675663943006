// Recall of searches over held-out pairs: for each question, whether the block it is about is among the first ones that
// the kernel's own block store finds, asked by words alone, by the embedder's vectors alone, and by both, as agents ask.
import { OramaStore } from '../../out/src/kernel/context/store/oramaStore.js';

const depths = [1, 5, 10];
const most = depths.at(-1);
const place = { owner: 'agent:held-out', workspace: '/held-out' };

const searches = {
  bm25: ({ query }) => ({ text: query, vector: undefined }),
  vector: ({ vector }) => ({ text: '', vector }),
  hybrid: ({ query, vector }) => ({ text: query, vector }),
};

function sharesOf(ranks) {
  const shareWithin = (depth) => ranks.filter((rank) => rank < depth).length / ranks.length;
  return Object.fromEntries(depths.map((depth) => [`recall${depth}`, shareWithin(depth)]));
}

/**
 * @returns {Promise<Record<string, Record<string, object>>>} search → kind of question, or `all` → shares
 */
export async function measureRetrieval(embedder, pairs) {
  const vectors = await embedder.embed(pairs.map(({ block }) => block));
  const queries = await embedder.embed(pairs.map(({ query }) => query));
  const store = new OramaStore();
  await store.put(
    pairs.map(({ block }, position) => ({
      ...{ ...place, id: String(position), position, at: 0, source: { kind: 'message' } },
      ...{ text: block, vector: vectors[position] },
    })),
  );
  const kinds = ['all', ...new Set(pairs.map(({ kind }) => kind))];
  const result = {};
  for (const [name, questionOf] of Object.entries(searches)) {
    const ranks = [];
    for (const [id, { query }] of pairs.entries()) {
      const question = questionOf({ query, vector: queries[id] });
      const { owner, workspace } = place;
      const hits = await store.search({ ...question, workspace, owners: [owner], limit: most });
      const rank = hits.findIndex(({ block }) => block.position === id);
      ranks.push(rank < 0 ? Infinity : rank);
    }
    result[name] = Object.fromEntries(
      kinds.map((kind) => [
        kind,
        sharesOf(ranks.filter((_, id) => kind === 'all' || pairs[id].kind === kind)),
      ]),
    );
  }
  await store[Symbol.asyncDispose]();
  return result;
}
