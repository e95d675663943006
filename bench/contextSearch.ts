/**
 * How long the kernel's own block store takes: putting blocks, opening the store again, being able to search all of
 * it, and searching, with 1,000, 10,000 and 100,000 blocks of one owner. Texts are made of words as unevenly frequent
 * as those of code are, and vectors are random, which is the worst case for a search. Deterministic but for the time.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage } from '../src/hal/storage.js';
import { BlockLog } from '../src/kernel/context/store/blockLog.js';
import type { BlockQuery, StoredBlock } from '../src/kernel/context/store/blockStore.js';
import { OramaStore } from '../src/kernel/context/store/oramaStore.js';
import { percentile, rounded } from './statistics.js';

export interface ContextSearchFigures {
  readonly blocks: number;
  readonly searchP50Ms: number;
  readonly searchP99Ms: number;
  /** Time that the processor worked at it, which is less where the machine is busy with others. */
  readonly searchCpuP50Ms: number;
  readonly searchCpuP99Ms: number;
  /** Until all are durable. */
  readonly putMs: number;
  /** From the file to a store that can be put to and read from. */
  readonly openMs: number;
  /** Until the first search of an opened store, which waits for the index of words, is answered. */
  readonly firstSearchMs: number;
  /** The longest that nothing else could run meanwhile. */
  readonly longestStallMs: number;
  readonly fileMegabytes: number;
}

export interface ContextSearchOptions {
  readonly blocks: number;
  readonly searches?: number;
  readonly dimensions?: number;
}

const owner = 'agent:bench';
const workspace = '/bench';
const wordsPerBlock = 90;
const vocabularyWords = 20_000;
const wordsPerQuery = 8;
/** As many as an agent that pages out a whole window at once. */
const putBatch = 200;

/** Only the figures of 1,000 and 10,000 blocks take seconds; 100,000 take minutes. */
export async function measureContextSearch(options: ContextSearchOptions): Promise<ContextSearchFigures> {
  const dir = await mkdtemp(join(tmpdir(), 'context-search-'));
  try {
    return await measureIn(dir, options);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function measureIn(
  dir: string,
  { blocks: count, searches = 400, dimensions = 256 }: ContextSearchOptions,
): Promise<ContextSearchFigures> {
  const make = createMaker(dimensions);
  const blocks = Array.from({ length: count }, (_, position) => make.block(position));
  await using storage = await openStorage({ path: dir });
  const folder = await storage.folder('blocks');
  const open = async (): Promise<{ log: BlockLog; store: OramaStore }> => {
    const log = await BlockLog.open({ folder, onTrouble: throwIt });
    return { log, store: await OramaStore.open(log) };
  };

  const first = await open();
  const putMs = await timed(async () => {
    for (let at = 0; at < count; at += putBatch) await first.store.put(blocks.slice(at, at + putBatch));
  });
  const fileMegabytes = rounded(first.log.bytes / 1e6, 1);
  await first.store[Symbol.asyncDispose]();

  const stalls = watchStalls();
  let again = first;
  const openMs = await timed(async () => {
    again = await open();
  });
  const firstSearchMs = await timed(async () => {
    await again.store.search(make.query());
  });
  const longestStallMs = stalls.stop();
  const [times, cpuTimes]: [number[], number[]] = [[], []];
  for (let count = 0; count < searches; count++) {
    const query = make.query();
    const before = process.cpuUsage();
    times.push(
      await timed(async () => {
        await again.store.search(query);
      }),
    );
    const { user, system } = process.cpuUsage(before);
    cpuTimes.push((user + system) / 1000);
  }
  await again.store[Symbol.asyncDispose]();
  return {
    blocks: count,
    searchP50Ms: rounded(percentile(times, 0.5), 2),
    searchP99Ms: rounded(percentile(times, 0.99), 2),
    searchCpuP50Ms: rounded(percentile(cpuTimes, 0.5), 2),
    searchCpuP99Ms: rounded(percentile(cpuTimes, 0.99), 2),
    ...{ putMs: rounded(putMs, 0), openMs: rounded(openMs, 0), firstSearchMs: rounded(firstSearchMs, 0) },
    ...{ longestStallMs: rounded(longestStallMs, 0), fileMegabytes },
  };
}

interface Maker {
  block(position: number): StoredBlock;
  query(): BlockQuery;
}

function createMaker(dimensions: number): Maker {
  const random = createRandom(7);
  const vocabulary = Array.from({ length: vocabularyWords }, () => makeWord(random));
  // A word's frequency falls with its rank (Zipf).
  const word = (): string => vocabulary[Math.floor(vocabularyWords ** random()) - 1] ?? '';
  const text = (words: number): string => Array.from({ length: words }, word).join(' ');
  const vector = (): Float32Array => {
    const values = Float32Array.from({ length: dimensions }, () => random() - 0.5);
    const length = Math.hypot(...values);
    return values.map((value) => value / length);
  };
  const source = { kind: 'message' } as const;
  return {
    block: (position) => ({
      ...{ id: String(position), owner, workspace, position, source, at: position },
      ...{ text: text(wordsPerBlock), vector: vector() },
    }),
    query: () => ({ text: text(wordsPerQuery), vector: vector(), workspace, owners: [owner], limit: 10 }),
  };
}

const syllables =
  'get set read line map list file node path block token state make find next time call byte'.split(' ');

/** Like an identifier: two to four parts, some of them with a number. */
function makeWord(random: () => number): string {
  const part = (): string => syllables[Math.floor(random() * syllables.length)] ?? '';
  const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
  const parts = Array.from({ length: 1 + Math.floor(random() * 3) }, () => capital(part()));
  return `${part()}${parts.join('')}${random() < 0.3 ? String(Math.floor(random() * 1000)) : ''}`;
}

/** Numerical Recipes' linear congruential generator. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

function watchStalls(): { stop(): number } {
  let [last, longest] = [performance.now(), 0];
  const note = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(note, 1);
  return {
    stop: () => {
      note();
      clearInterval(timer);
      return longest;
    },
  };
}

function throwIt(message: string): never {
  throw new Error(message);
}
