// Recall of searches over held-out pairs: for each question, whether the block it is about is among the first ones
// found, by text (BM25), by the embedder's vectors, and by both, all in the search library that the kernel uses.
import { create, insertMultiple, search } from '@orama/orama';

const depths = [1, 5, 10];
const most = depths.at(-1);
/** Below this nothing is cut off: a ranking is wanted, not a selection. */
const anySimilarity = -1;

/** Words that questions are made of and that tell no block from another. */
const questionWords = new Set(
  (
    'a about all and any anything are can code did do does find for function has have here how i in is it know located ' +
    'look me need of part say show something tell that the there this to us used was we what where which who with work you'
  ).split(' '),
);

/** Every identifier whole and in its parts: `readLines` is found by "lines". */
const wordsOf = (text) =>
  (text.match(/[\p{L}\p{N}_$]+/gu) ?? []).flatMap((word) => {
    const parts = word.match(/\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+/gu) ?? [];
    return parts.length > 1 ? [word, ...parts] : [word];
  });

const tokenizer = {
  language: 'english',
  normalizationCache: new Map(),
  tokenize: (text) =>
    wordsOf(text)
      .map((word) => word.toLowerCase())
      .filter((word) => !questionWords.has(word)),
};

const searches = {
  bm25: ({ query }) => ({ mode: 'fulltext', term: query, properties: ['text'] }),
  vector: ({ vector }) => ({ mode: 'vector', vector: { value: vector, property: 'vector' } }),
  hybrid: ({ query, vector }) => ({
    mode: 'hybrid',
    term: query,
    properties: ['text'],
    vector: { value: vector, property: 'vector' },
  }),
};

function sharesOf(ranks) {
  const shareWithin = (depth) => ranks.filter((rank) => rank < depth).length / ranks.length;
  return Object.fromEntries(depths.map((depth) => [`recall${depth}`, shareWithin(depth)]));
}

/**
 * @returns {Promise<Record<string, Record<string, object>>>} search → kind of question, or `all` → shares
 */
export async function measureRetrieval(embedder, pairs) {
  const blocks = await embedder.embed(pairs.map(({ block }) => block));
  const queries = await embedder.embed(pairs.map(({ query }) => query));
  const index = create({
    schema: { text: 'string', vector: `vector[${embedder.dimensions}]` },
    components: { tokenizer },
  });
  await insertMultiple(
    index,
    pairs.map(({ block }, id) => ({ id: `${id}`, text: block, vector: [...blocks[id]] })),
  );
  const kinds = ['all', ...new Set(pairs.map(({ kind }) => kind))];
  const result = {};
  for (const [name, paramsOf] of Object.entries(searches)) {
    const ranks = await Promise.all(
      pairs.map(async ({ query }, id) => {
        const params = paramsOf({ query, vector: [...queries[id]] });
        const { hits } = await search(index, { ...params, similarity: anySimilarity, limit: most });
        const rank = hits.findIndex((hit) => hit.id === `${id}`);
        return rank < 0 ? Infinity : rank;
      }),
    );
    result[name] = Object.fromEntries(
      kinds.map((kind) => [
        kind,
        sharesOf(ranks.filter((_, id) => kind === 'all' || pairs[id].kind === kind)),
      ]),
    );
  }
  return result;
}
