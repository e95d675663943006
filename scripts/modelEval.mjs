/**
 * Measures the embedded models through the engine that runs them: the share of held-out conversations whose tool calls
 * and answers come out exactly, family by family, decoded greedily with the model's own chat template; the perplexity
 * of what it has to write; and how often a search with the embedder's vectors finds the right block.
 *
 * usage: node scripts/modelEval.mjs [--model FILE.gguf] [--f16 FILE.gguf] [--episodes FILE.json] [--only FAMILY,…]
 *                                   [--embedder FILE.gguf] [--pairs FILE.json] [--json] [--failures]
 * Without --f16, the same model in half precision, its perplexity is null. `none` for --embedder leaves that out.
 */

import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';
import { createEmbedder } from '../out/src/hal/llama/embedder.js';
import { measureFamilies, measurePerplexity, openModel } from './modelEval/episodes.mjs';
import { measureRetrieval } from './modelEval/retrieval.mjs';

const { values: options } = parseArgs({
  options: {
    model: { type: 'string', default: 'models/amk-embedded.gguf' },
    f16: { type: 'string' },
    episodes: { type: 'string', default: 'models/training/heldout.json' },
    only: { type: 'string' },
    embedder: { type: 'string', default: 'models/amk-embedder.gguf' },
    pairs: { type: 'string', default: 'models/training/heldoutPairs.json' },
    json: { type: 'boolean', default: false },
    failures: { type: 'boolean', default: false },
  },
});

/** Conversations whose perplexity is measured, spread over all of them: every token's probabilities take time. */
const perplexityEpisodes = 120;

const rounded = (value) => Math.round(1000 * value) / 1000;
const readJson = async (path) => JSON.parse(await readFile(path, 'utf8'));

function complain({ family, request, wanted, came }) {
  if (options.failures) console.error(`${family}: ${request}\n  wanted ${wanted}\n  came   ${came}`);
}

async function familiesOf(opened, episodes) {
  const families = await measureFamilies(opened, episodes, complain);
  return Object.fromEntries(
    Object.entries(families).map(([family, { n, toolCall, answer }]) => [
      family,
      { n, toolCall: rounded(toolCall / n), answer: rounded(answer / n) },
    ]),
  );
}

async function perplexityOf(llama, path, episodes) {
  if (path === undefined) return null;
  const step = Math.max(1, Math.floor(episodes.length / perplexityEpisodes));
  const opened = await openModel(llama, path);
  const perplexity = await measurePerplexity(
    opened,
    episodes.filter((_, index) => index % step === 0),
  );
  await opened.model.dispose();
  return Math.round(1e5 * perplexity) / 1e5;
}

async function retrievalOf(llama) {
  if (options.embedder === 'none') return null;
  const engine = { llama, device: 'cpu', takeComplaints: () => '' };
  const embedder = await createEmbedder(options.embedder, { engine, threads: 1, log: () => undefined });
  try {
    return await measureRetrieval(embedder, await readJson(options.pairs));
  } finally {
    await embedder[Symbol.asyncDispose]();
  }
}

function show(families, perplexity, retrieval) {
  console.table(families);
  console.log(`perplexity: q8_0 ${perplexity.q8_0}, f16 ${perplexity.f16 ?? 'not measured (--f16 FILE)'}`);
  for (const [name, kinds] of Object.entries(retrieval ?? {})) {
    console.log(`\n${name}`);
    console.table(
      Object.fromEntries(
        Object.entries(kinds).map(([kind, shares]) => [
          kind,
          Object.fromEntries(Object.entries(shares).map(([depth, share]) => [depth, rounded(share)])),
        ]),
      ),
    );
  }
}

/** The figures over all kinds of question. */
const overAll = (retrieval) =>
  retrieval &&
  Object.fromEntries(
    Object.entries(retrieval).map(([name, { all }]) => [
      name,
      Object.fromEntries(Object.entries(all).map(([depth, share]) => [depth, rounded(share)])),
    ]),
  );

const wanted = options.only?.split(',');
const episodes = (await readJson(options.episodes)).filter(
  ({ tasks }) => wanted === undefined || wanted.includes(tasks.at(-1).family),
);
const llama = await getLlama({ build: 'never', gpu: false, logLevel: LlamaLogLevel.error, maxThreads: 1 });
const opened = await openModel(llama, options.model);
const families = await familiesOf(opened, episodes);
await opened.model.dispose();
const perplexity = {
  f16: await perplexityOf(llama, options.f16, episodes),
  q8_0: await perplexityOf(llama, options.model, episodes),
};
const retrieval = await retrievalOf(llama);
await llama.dispose();
if (options.json) console.log(JSON.stringify({ families, perplexity, embedder: overAll(retrieval) }));
else show(families, perplexity, retrieval);
