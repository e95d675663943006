/**
 * When a window is too full, and what leaves it then: the least needed first, in one pass down to the target. What a
 * rule or a person pinned never leaves; what was said last leaves only when nothing else is left, and of a message
 * that is too large its middle leaves first. Pure.
 */

import type { Block, BlockId } from './block.js';
import type { BlockTable, Exchange } from './blockTable.js';
import type { Reentry } from './view.js';

export interface PressureSettings {
  /** Shares of the window: above the one blocks leave, until no more than the other is in use. */
  readonly contextThreshold: number;
  readonly contextTarget: number;
}

export interface Levels {
  readonly windowTokens: number;
  readonly thresholdTokens: number;
  readonly targetTokens: number;
  /** Where the agent is told what will leave. */
  readonly warningTokens: number;
}

const warningShare = 0.9;

export function levelsOf(windowTokens: number, settings: PressureSettings): Levels {
  const thresholdTokens = Math.floor(windowTokens * settings.contextThreshold);
  const target = Math.min(settings.contextTarget, settings.contextThreshold);
  return {
    ...{ windowTokens, thresholdTokens, targetTokens: Math.floor(windowTokens * target) },
    warningTokens: Math.floor(thresholdTokens * warningShare),
  };
}

/** Blocks that leave together. */
export interface Candidate {
  readonly blocks: readonly Block[];
  /** What the window gains. */
  readonly tokens: number;
  /** 0 leaves first whatever its score; 1 and 2 are what was said last. */
  readonly tier: number;
  readonly score: number;
}

/** A line that stands for a block costs about this much. */
const stubTokens = 16;
/** Not worth a line of its own: it leaves with the rest of its exchange. */
const smallTokens = 2 * stubTokens;
/** The template's own tokens around a message, about. */
const frameTokens = 6;
/** Exchanges at the end that count as said last. */
const lastExchanges = 2;

export interface CandidateParts {
  readonly table: BlockTable;
  readonly reentries: readonly Reentry[];
  readonly scoreOf: (block: Block) => number;
}

export function candidatesOf(parts: CandidateParts): Candidate[] {
  const { table } = parts;
  const exchanges = table.exchanges();
  const opening = table.ofExchange({ first: 0, end: exchanges[0]?.first ?? table.messages.length });
  return [
    ...recalled(parts),
    ...separately(opening, exchanges.length === 0 ? 2 : 0, parts),
    ...exchanges.flatMap((exchange, index) =>
      ofExchange(exchange, tierOf(exchanges.length - 1 - index), parts),
    ),
  ];
}

/** @param fromEnd 0 for the last exchange */
const tierOf = (fromEnd: number): number => Math.max(0, lastExchanges - fromEnd);

function recalled({ table, reentries, scoreOf }: CandidateParts): Candidate[] {
  return reentries.flatMap((reentry) => {
    const block = table.get(reentry.block);
    if (block === undefined || block.pin !== undefined) return [];
    const tier = reentry.message === table.messages.length - 1 ? 2 : 0;
    return { blocks: [block], tokens: table.tokens(block) + stubTokens, tier, score: scoreOf(block) };
  });
}

function ofExchange(exchange: Exchange, tier: number, parts: CandidateParts): Candidate[] {
  const { table, scoreOf } = parts;
  const blocks = table.ofExchange(exchange).filter(({ place, pin }) => place === 'resident' && !pin);
  const large = blocks.filter((block) => table.tokens(block) > smallTokens);
  if (tier === lastExchanges) return separately(large, tier, parts);
  const small = blocks.filter((block) => !large.includes(block));
  const frames = (exchange.end - exchange.first) * frameTokens;
  // What is small goes with the last of what is large.
  const isLast = (index: number): boolean => index === large.length - 1;
  const ranked = [...large].sort((a, b) => scoreOf(a) - scoreOf(b) || a.id - b.id);
  if (ranked.length === 0) {
    if (small.length === 0) return [];
    const score = Math.max(...small.map((block) => scoreOf(block)));
    return [{ blocks: small, tokens: table.tokensOf(small) + frames, tier, score }];
  }
  return ranked.map((block, index) => {
    const together = isLast(index) ? [...callBlocks(block, table), ...small] : callBlocks(block, table);
    const gain = table.tokensOf(together) - stubTokens + (isLast(index) ? frames : 0);
    return { blocks: together, tokens: Math.max(1, gain), tier, score: scoreOf(block) };
  });
}

/** A call leaves as a whole. */
function callBlocks(block: Block, table: BlockTable): Block[] {
  if (block.field !== 'call') return [block];
  return table.ofMessage(block.message).filter(({ field, pin }) => field === 'call' && pin === undefined);
}

/** Each by itself. Of one message the beginning and the end stay longest. */
function separately(blocks: readonly Block[], tier: number, parts: CandidateParts): Candidate[] {
  const { table, scoreOf } = parts;
  return blocks
    .filter(
      (block) => block.place === 'resident' && block.pin === undefined && table.tokens(block) > smallTokens,
    )
    .map((block) => ({
      ...{ blocks: callBlocks(block, table), tier },
      tokens: Math.max(1, table.tokensOf(callBlocks(block, table)) - stubTokens),
      score: tier === 0 ? scoreOf(block) : edgeNearness(block, table),
    }));
}

/** 1 at the edges of its message, 0 in the middle. */
function edgeNearness({ message, id }: Block, table: BlockTable): number {
  const all = table.ofMessage(message);
  const at = all.findIndex((each) => each.id === id);
  const half = (all.length - 1) / 2;
  return half === 0 ? 1 : Math.abs(at - half) / half;
}

/** The fewest of them, the least needed first, so that the window is as full as it should be. */
export function choose(candidates: readonly Candidate[], usedTokens: number, levels: Levels): Candidate[] {
  const order = [...candidates].sort(
    (a, b) => a.tier - b.tier || a.score - b.score || firstId(a) - firstId(b),
  );
  const chosen: Candidate[] = [];
  let left = usedTokens;
  for (const candidate of order) {
    if (left <= mostTokens(candidate.tier, levels)) break;
    chosen.push(candidate);
    left -= candidate.tokens;
  }
  return chosen;
}

/** What may stay in use before those of a tier leave: what was said last leaves for need, not for order. */
function mostTokens(tier: number, { windowTokens, thresholdTokens, targetTokens }: Levels): number {
  if (tier === 0) return targetTokens;
  return tier === 1 ? thresholdTokens : Math.floor((thresholdTokens + windowTokens) / 2);
}

const firstId = ({ blocks }: Candidate): BlockId => blocks[0]?.id ?? 0;
