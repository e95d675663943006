/**
 * `npm run bench -- context`: what a window that pages is worth. Questions about conversations of up to sixteen windows,
 * answered by the embedded model where nothing is done about that, where the oldest is dropped, where a summary stands
 * for it, and where it is paged; what paging costs; and how good the choice of what leaves is. Judges nothing.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import {
  measureWays,
  measureWithinWindow,
  type AnswerFigures,
  type Length,
  type Way,
} from './contextAnswers.js';
import { measureContextEdits, type ContextEditFigures } from './contextEdits.js';
import { measureEviction, type EvictionFigures } from './contextEviction.js';
import { withWindow, type WindowDevice } from './contextMachine.js';
import { policies } from './contextPolicies.js';
import { measureContextSearch } from './contextSearch.js';
import { withDevice } from './kvMachine.js';
import { benchmarkShape, embeddedModel } from './models.js';
import { writeRandomModel } from './randomModel.js';
import { rounded } from './statistics.js';

const windowTokens = 1024;
/** A level counts for what is longer than the window where the model masters it within. */
const masteredShare = 0.8;
const editTokens = 4096;
/** Blocks of a store. */
const usualSizes = [1_000, 10_000];

export interface ContextOptions {
  readonly model?: string | undefined;
  /** In windows: how long the conversations are. */
  readonly lengths?: readonly number[] | undefined;
  /** Searches 100,000 blocks, too, which takes minutes. */
  readonly isFull?: boolean;
}

type Ways = Readonly<Record<Way, AnswerFigures>>;

export interface ContextFigures {
  readonly model: string;
  readonly windowTokens: number;
  readonly machine: { readonly cores: number; readonly loadBefore: number; readonly loadAfter: number };
  /** By level: nested keys whose pairs are all in sight. */
  readonly withinWindow: Readonly<Record<number, number>>;
  readonly mastered: readonly number[];
  /** Of the longest conversations: the worst of the levels that the model masters within its window. */
  readonly paged: { readonly accuracy?: number; readonly level?: number; readonly lost: number };
  readonly pagedWithoutAttention: { readonly accuracy?: number };
  readonly truncate: { readonly accuracy?: number };
  readonly summarise: { readonly accuracy?: number };
  readonly bare: { readonly accuracy?: number };
  /** By length, as `16x`. */
  readonly nested: Readonly<Record<string, Ways>>;
  readonly needle: Readonly<Record<string, Ways>>;
  readonly eviction: {
    readonly askedAgain: number;
    readonly askedAgainWithoutAttention: number;
    /** Below 1, attention helps. */
    readonly askedAgainOverWithout: number;
    readonly withAttention: EvictionFigures;
    readonly withoutAttention: EvictionFigures;
  };
  readonly pageOut: ContextEditFigures;
  readonly search: Readonly<Record<string, number>>;
}

export async function benchContext(options: ContextOptions = {}): Promise<ContextFigures> {
  const loadBefore = load();
  const { model = embeddedModel, lengths = [1, 4, 16], isFull = false } = options;
  const answers = await withWindow(model, windowTokens, (device) => measureAnswers(device, lengths));
  const pageOut = await measurePageOut();
  const search = await measureSearch(isFull ? [...usualSizes, 100_000] : usualSizes);
  return {
    ...{ model: basename(model), windowTokens },
    machine: { cores: availableParallelism(), loadBefore, loadAfter: load() },
    ...answers,
    ...{ pageOut, search },
  };
}

const load = (): number => rounded(loadavg()[0] ?? 0, 2);

type Answers = Omit<ContextFigures, 'model' | 'windowTokens' | 'machine' | 'pageOut' | 'search'>;

async function measureAnswers(device: WindowDevice, lengths: readonly number[]): Promise<Answers> {
  const { byLevel: withinWindow } = await measureWithinWindow(device, 8);
  const mastered = Object.keys(withinWindow)
    .map(Number)
    .filter((level) => (withinWindow[level] ?? 0) >= masteredShare);
  const nested: [string, Ways][] = [];
  const needle: [string, Ways][] = [];
  for (const windows of lengths) {
    nested.push([`${windows}x`, await measureWays(device, 'nested', nestedLength(windows), ways)]);
    const length = { windows, conversations: 1, questions: 12 };
    needle.push([`${windows}x`, await measureWays(device, 'needle', length, ways)]);
  }
  const longest = nested.at(-1)?.[1];
  const worst = (way: Way): { accuracy?: number; level?: number } => worstOf(longest?.[way], mastered);
  const lost = [...nested, ...needle].reduce((sum, [, { paged }]) => sum + (paged.lost ?? 0), 0);
  const withAttention = await measureEviction(device, true, evictionWindows);
  const withoutAttention = await measureEviction(device, false, evictionWindows);
  return {
    ...{ withinWindow, mastered },
    paged: { ...worst('paged'), lost },
    ...{ pagedWithoutAttention: worst('pagedWithoutAttention'), truncate: worst('truncate') },
    ...{ summarise: worst('summarise'), bare: worst('bare') },
    ...{ nested: Object.fromEntries(nested), needle: Object.fromEntries(needle) },
    eviction: {
      askedAgain: withAttention.askedAgain,
      askedAgainWithoutAttention: withoutAttention.askedAgain,
      askedAgainOverWithout: rounded(withAttention.askedAgain / withoutAttention.askedAgain, 2),
      ...{ withAttention, withoutAttention },
    },
  };
}

const ways = [...policies, 'paged', 'pagedWithoutAttention'] as const;
const evictionWindows = 4;

/** The same number of questions of each level, whose pairs have to fit: two a level take thirty pairs. */
const nestedLength = (windows: number): Length =>
  windows < 4 ? { windows, conversations: 3, questions: 2 } : { windows, conversations: 1, questions: 6 };

function worstOf(
  figures: AnswerFigures | undefined,
  mastered: readonly number[],
): { accuracy?: number; level?: number } {
  const ranked = mastered
    .map((level) => ({ level, accuracy: figures?.byLevel[level] ?? 0 }))
    .sort((a, b) => a.accuracy - b.accuracy);
  return ranked[0] ?? {};
}

async function measurePageOut(): Promise<ContextEditFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'amk-bench-'));
  try {
    const random = join(folder, 'random.gguf');
    await writeRandomModel(random, embeddedModel, { ...benchmarkShape, contextTokens: 2 * editTokens });
    return await withDevice(random, (device) => measureContextEdits(device, editTokens, 3));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** As `p99Ms10k`. */
async function measureSearch(sizes: readonly number[]): Promise<Record<string, number>> {
  const figures: Record<string, number> = {};
  for (const blocks of sizes) {
    const { searchP50Ms, searchP99Ms } = await measureContextSearch({ blocks });
    figures[`p50Ms${blocks / 1000}k`] = searchP50Ms;
    figures[`p99Ms${blocks / 1000}k`] = searchP99Ms;
  }
  return figures;
}

export function printContext(figures: object): void {
  const { model, windowTokens: window, machine, withinWindow, mastered, ...rest } = figures as ContextFigures;
  const { nested, needle, paged, eviction, pageOut, search } = rest;
  console.log(
    `${model}, a window of ${window} tokens, ${machine.cores} cores, load ${machine.loadBefore}–${machine.loadAfter}`,
  );
  console.log('\nNested keys within the window, by level', withinWindow, 'mastered:', mastered);
  for (const [length, byWay] of Object.entries(nested)) {
    console.log(`\nNested keys, ${length} the window: share of right answers by level`);
    console.table(byLevelOf(byWay));
  }
  for (const [length, byWay] of Object.entries(needle)) {
    console.log(`\nOne fact of a conversation of ${length} the window`);
    console.table(byLevelOf(byWay));
  }
  console.log(`\n${paged.lost} bytes of the paged conversations were lost`);
  console.log('\nOf what left, the part that was asked for soon');
  console.table({ 'with attention': eviction.withAttention, without: eviction.withoutAttention });
  console.log('\nBlocks that leave, against computing the rest again', pageOut);
  console.log('\nSearch', search);
}

const byLevelOf = (byWay: Ways): Record<string, object> =>
  Object.fromEntries(
    Object.entries(byWay).map(([way, { byLevel, accuracy, errors, recalls, measured }]) => [
      way,
      { ...byLevel, all: accuracy, errors, recalls, measured },
    ]),
  );
