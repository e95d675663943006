/**
 * How blocks leave an agent's window and come back. A block leaves only when the store has it and the journal knows;
 * whatever fails before that leaves it where it is, is said, and the agent goes on with what it has as long as that
 * fits. What comes back is put beside the newest message, which has not been computed yet.
 */

import { KernelError } from '../../shared/errors.js';
import type { Pid } from '../../shared/protocol.js';
import { decayedAttention } from './attentionFold.js';
import type { Block, BlockId } from './block.js';
import type { ContextChange } from './history.js';
import { aimOf, nearness, needsOf, type Aim, type NeedOf } from './need.js';
import type { Shown } from './placement.js';
import { candidatesOf, choose } from './pressure.js';
import { isOutdated } from './provenance.js';
import { mayBeRecalled } from './recall.js';
import type { Shelf, ShelfParts } from './shelf.js';
import { heads, labelsOf, originOf, rangeOf } from './stub.js';
import type { ContextSubject, Window, WindowOptions } from './window.js';

/** What a block's tokens received of the attention that was measured, against an even share of it. */
export type AttentionByBlock = ReadonlyMap<BlockId, number>;

export interface PagerParts extends ShelfParts, WindowOptions {
  /** Makes a change durable. @throws KernelError `storageFull`, `storageFailed` */
  readonly record: (pid: Pid, change: ContextChange) => Promise<void>;
  /** Text of a workspace file as it is now; undefined where there is none. */
  readonly readFile: (root: string, path: string) => Promise<string | undefined>;
  /** Told of everything that left or came back, in a line. */
  readonly onChange: (pid: Pid, text: string) => void;
  /** Measures the attention that the agent's last tokens paid, or says why it cannot be measured. Never rejects. */
  readonly measureAttention?: (subject: ContextSubject, shown: Shown) => Promise<AttentionByBlock | string>;
  /** Attention will soon have to be measured. */
  readonly prepareAttention?: () => void;
}

/** A prompt, as far as the window is concerned. */
export interface Measured {
  readonly tokens: { readonly length: number };
}

/** A block that comes back must be needed so much more than the least needed one that is there. */
const margin = 0.1;
/** Share of the window that comes back in one turn. */
const backShare = 1 / 8;
/** What is shorter says too little to interrupt for. */
const leastBackTokens = 32;
/** How near a block must be to what was said last, to come back unasked. */
const leastNearness = 0.5;
const searchLimit = 12;
/** What each measurement of attention counts against the next one. */
const keptAttention = 0.5;
const mostRounds = 16;

export class Pager {
  readonly #window: Window;
  readonly #shelf: Shelf;
  readonly #parts: PagerParts;
  /** What a person wants back with the next turn. */
  readonly wanted = new Set<BlockId>();
  /** Whether attention counted when blocks last left; else why not. */
  attention = 'nothing had to leave yet';
  /** Length of the conversation when it was last looked for what should come back. */
  #lookedAt: number;

  constructor(window: Window, shelf: Shelf, parts: PagerParts) {
    this.#window = window;
    this.#shelf = shelf;
    this.#parts = parts;
    const newest = window.table.messages.length;
    this.#lookedAt = window.reentries.some(({ message }) => message === newest - 1) ? newest : 0;
  }

  /** Makes what the model is shown fit, as far as that is possible. @param measure what it is shown now, as a prompt */
  async settle<T extends Measured>(measure: () => T): Promise<T> {
    const { levels } = this.#window;
    let measured = measure();
    if (measured.tokens.length > levels.thresholdTokens) measured = await this.#relieve(measured, measure);
    else if (measured.tokens.length > levels.warningTokens) {
      this.#parts.prepareAttention?.();
      if (await this.#warn(measured.tokens.length)) measured = measure();
    }
    return (await this.#bringBack(measured.tokens.length)) ? measure() : measured;
  }

  /**
   * @param isUrgent where the agent cannot go on as long as they stay
   * @returns false where they stay, because the store does not take them
   */
  async pageOut(blocks: readonly Block[], isUrgent = false): Promise<boolean> {
    const { table, subject } = this.#window;
    // All of the conversation, so that a search finds what the agent saw wherever it is.
    const all = await this.#shelf.keep(table, table.blocks, isUrgent);
    if (!all && blocks.some(({ isStored }) => !isStored)) return false;
    const ids = new Set(blocks.map(({ id }) => id));
    const { blockLength } = table;
    await this.#parts.record(subject.pid, { type: 'pagedOut', blockLength, blocks: [...ids] });
    for (const block of blocks) block.place = 'paged';
    this.#window.reentries = this.#window.reentries.filter(({ block }) => !ids.has(block));
    return true;
  }

  /** Looks whether the files that blocks are of still have their lines. */
  async checkFiles(blocks: readonly Block[]): Promise<void> {
    const { table, subject } = this.#window;
    const paths = new Set(blocks.flatMap(({ source }) => source.path ?? []));
    for (const path of paths) {
      const now = await this.#parts.readFile(subject.workspaceRoot, path);
      const ofFile = blocks.filter(({ source }) => source.path === path);
      for (const block of ofFile) block.isStale = isOutdated(table.text(block), now);
    }
  }

  async #relieve<T extends Measured>(full: T, measure: () => T): Promise<T> {
    const { levels, subject } = this.#window;
    if (this.#shelf.unavailable !== undefined && full.tokens.length < levels.windowTokens) return full;
    await this.#attend();
    const needOf = await this.#needs();
    const how = this.#reason(needOf, full.tokens.length);
    let measured = full;
    const left: Block[] = [];
    for (let round = 0; round < mostRounds; round++) {
      const blocks = this.#leaving((block) => needOf(block).value, measured.tokens.length);
      const isUrgent = measured.tokens.length >= levels.windowTokens;
      if (blocks.length === 0 || !(await this.pageOut(blocks, isUrgent))) break;
      left.push(...blocks);
      measured = measure();
    }
    if (left.length > 0) {
      left.sort((a, b) => a.id - b.id);
      this.#parts.onChange(
        subject.pid,
        `paged out ${left.length} blocks (${labelsOf(left)}), ${full.tokens.length} → ${measured.tokens.length} tokens`,
      );
      this.#parts.log('info', `agent ${subject.pid} paged out ${listOf(left)} ${how}`);
    }
    return measured;
  }

  /** By what the blocks that leave are chosen, and whether attention made a difference. */
  #reason(needOf: NeedOf, usedTokens: number): string {
    if (this.attention !== 'measured') return `without attention: ${this.attention}`;
    const leaving = new Set(this.#leaving((block) => needOf(block).value, usedTokens));
    const spared = this.#leaving((block) => needOf(block).unattended, usedTokens)
      .filter((block) => !leaving.has(block))
      .sort((a, b) => a.id - b.id);
    return spared.length === 0
      ? 'by attention received, which changed nothing'
      : `by attention received, which spared ${listOf(spared)}`;
  }

  /** Once, while it can still do something about it. */
  async #warn(usedTokens: number): Promise<boolean> {
    const { subject, levels, notes, table } = this.#window;
    if (!subject.canRecall || notes.length > 0 || this.#shelf.unavailable !== undefined) return false;
    const needOf = await this.#needs();
    const next = this.#leaving((block) => needOf(block).value, levels.thresholdTokens + 1).sort(
      (a, b) => a.id - b.id,
    );
    if (next.length === 0) return false;
    const note = { message: table.messages.length - 1, text: heads(usedTokens / levels.windowTokens, next) };
    const { blockLength } = table;
    await this.#parts.record(subject.pid, { type: 'noted', blockLength, ...note });
    notes.push(note);
    return true;
  }

  /** @returns whether anything came back */
  async #bringBack(usedTokens: number): Promise<boolean> {
    const { table, levels } = this.#window;
    const isNew = this.#lookedAt < table.messages.length;
    this.#lookedAt = table.messages.length;
    const room = Math.min(levels.thresholdTokens - usedTokens, levels.windowTokens * backShare);
    const asked = [...this.wanted]
      .flatMap((id) => table.get(id) ?? [])
      .filter(({ place }) => place === 'paged');
    this.wanted.clear();
    const needed = isNew && table.blocks.some(({ place }) => place === 'paged') ? await this.#needed() : [];
    const chosen = [...new Set([...asked, ...needed])];
    const back: Block[] = [];
    for (const block of chosen) {
      const isAsked = asked.includes(block);
      const most = isAsked ? levels.windowTokens - usedTokens : room;
      if (table.tokensOf([...back, block]) <= most) back.push(block);
    }
    if (back.length > 0) await this.#pageIn(back);
    return back.length > 0;
  }

  /** Paged blocks that are needed more than what is there, most first. */
  async #needed(): Promise<Block[]> {
    const { table, subject } = this.#window;
    const aim = await aimOf(table, subject.task, this.#shelf);
    const hits = await this.#search(aim);
    const isWorthIt = (block: Block): boolean =>
      block.place === 'paged' && mayBeRecalled(block.source) && table.tokens(block) >= leastBackTokens;
    const resident = table.blocks.filter(({ place }) => place === 'resident');
    const shown = new Set(resident.map((block) => table.text(block).trim()));
    const found = hits
      .filter((block) => isWorthIt(block) && !shown.has(table.text(block).trim()))
      .filter((block) => nearness(table, aim, block) >= leastNearness);
    if (found.length === 0) return [];
    const needOf = await needsOf(table, aim, this.#shelf, [...found, ...resident]);
    const candidates = this.#candidates((block) => needOf(block).value).filter(({ tier }) => tier === 0);
    const least = Math.min(1, ...candidates.map(({ score }) => score));
    return found
      .filter((block) => needOf(block).value > least + margin)
      .sort((a, b) => needOf(b).value - needOf(a).value);
  }

  async #search({ goal, recent }: Aim): Promise<Block[]> {
    const hits = await this.#shelf.search(`${recent.text}\n${goal.text}`, recent.vector, searchLimit);
    return hits.flatMap(({ block }) => this.#window.table.get(Number(block.id)) ?? []);
  }

  async #pageIn(blocks: readonly Block[]): Promise<void> {
    const { table, subject, turn } = this.#window;
    await this.checkFiles(blocks);
    const message = table.messages.length - 1;
    const ids = blocks.map(({ id }) => id);
    const stale = blocks.filter(({ isStale }) => isStale).map(({ id }) => id);
    await this.#parts.record(subject.pid, { type: 'pagedIn', message, blocks: ids, stale });
    for (const block of blocks) {
      block.place = 'recalled';
      block.lastUsedTurn = turn;
    }
    const back = blocks.map(({ id: block, isStale }) => ({ block, message, isStale }));
    this.#window.reentries = [...this.#window.reentries, ...back];
    this.#parts.onChange(subject.pid, `recalled ${listOf(blocks)}, ${table.tokensOf(blocks)} tokens`);
  }

  /** Measures what can be measured of the blocks that may leave. */
  async #needs(): Promise<NeedOf> {
    const { table, subject } = this.#window;
    const aim = await aimOf(table, subject.task, this.#shelf);
    const inWindow = table.blocks.filter(({ place, pin }) => place !== 'paged' && pin === undefined);
    return await needsOf(table, aim, this.#shelf, inWindow);
  }

  async #attend(): Promise<void> {
    const { measureAttention, log } = this.#parts;
    const { table, subject, reentries } = this.#window;
    if (measureAttention === undefined) {
      this.attention = 'there is no probe of attention';
      return;
    }
    const received = await measureAttention(subject, { table, reentries });
    if (typeof received === 'string') {
      if (this.attention !== received)
        log('info', `agent ${subject.pid} pages without attention: ${received}`);
      this.attention = received;
      return;
    }
    this.attention = 'measured';
    for (const [id, density] of received) {
      const block = table.get(id);
      if (block !== undefined) {
        block.attention = decayedAttention(block.attention, density, keptAttention);
      }
    }
  }

  #candidates(scoreOf: (block: Block) => number) {
    const { table, reentries } = this.#window;
    return candidatesOf({ table, reentries, scoreOf });
  }

  /** Until the window is as full as it should be. */
  #leaving(scoreOf: (block: Block) => number, usedTokens: number): Block[] {
    const chosen = choose(this.#candidates(scoreOf), usedTokens, this.#window.levels);
    return chosen.flatMap(({ blocks }) => blocks);
  }

  /** What was too much, in numbers. */
  overflow(usedTokens: number): KernelError {
    const { table, levels } = this.#window;
    const pinned = table.blocks.filter(({ place, pin }) => place === 'resident' && pin !== undefined);
    const why = this.#shelf.unavailable;
    const reason = why === undefined ? 'everything else is paged out' : `nothing can be paged out: ${why}`;
    return new KernelError(
      'limitReached',
      `the conversation needs ${usedTokens} tokens and the window holds ${levels.windowTokens}; ` +
        `${table.tokensOf(pinned)} of them are pinned, and ${reason}`,
    );
  }
}

function listOf(blocks: readonly Block[]): string {
  const shown = blocks.slice(0, 4).map((block) => originOf(block));
  const more = blocks.length - shown.length;
  return more > 0 ? `${shown.join(', ')} and ${more} more (${rangeOf(blocks)})` : shown.join(', ');
}
