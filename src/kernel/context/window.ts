/**
 * The state of one agent's window: its blocks, what came back beside which message, and the notes. What it shows
 * follows from the conversation and the history alone.
 */

import type { ChatMessage } from '../../hal/driver.js';
import type { Pid } from '../../shared/protocol.js';
import type { Block, BlockId } from './block.js';
import { BlockTable } from './blockTable.js';
import type { ContextHistory } from './history.js';
import { levelsOf, type Levels, type PressureSettings } from './pressure.js';
import { viewOf, type Note, type Reentry } from './view.js';

/** The agent whose window it is. */
export interface ContextSubject {
  readonly pid: Pid;
  readonly task: string;
  /** Grows; never changes what it has. */
  readonly messages: readonly ChatMessage[];
  /** Index of the message that is its own task. */
  readonly taskMessage: number;
  readonly workspaceRoot: string;
  /** Whether it can ask for what left. */
  readonly canRecall: boolean;
  /** Name that outlives the kernel, in the store. */
  readonly owner: string;
}

export interface WindowOptions {
  readonly windowTokens: number;
  readonly settings: PressureSettings;
  readonly countTokens: (text: string) => number;
}

/** A task that takes more of the window than this is not kept as a whole. */
const taskShare = 1 / 3;
/** Tokens of a block: an eighth of the window, within these. */
const blockTokens = { least: 64, most: 512, windowShare: 1 / 8 };
/** A token of code is about so many characters. */
const charactersPerToken = 2.5;

export class Window {
  readonly subject: ContextSubject;
  readonly levels: Levels;
  readonly table: BlockTable;
  readonly notes: Note[];
  reentries: readonly Reentry[];
  /** Of the last prompt. */
  usedTokens = 0;

  constructor(subject: ContextSubject, options: WindowOptions, past: ContextHistory | undefined) {
    this.subject = subject;
    const { windowTokens, settings, countTokens } = options;
    this.levels = levelsOf(windowTokens, settings);
    const { messages, taskMessage: task } = subject;
    const blockLength = past?.blockLength ?? blockLengthOf(windowTokens);
    this.table = new BlockTable({ messages, task, blockLength, countTokens });
    this.reentries = past?.reentries ?? [];
    this.notes = [...(past?.notes ?? [])];
    this.extend();
    if (past !== undefined) this.#goOn(past);
  }

  /** What the journal, or an agent that goes on with the conversation, has to know; undefined where nothing happened. */
  get history(): ContextHistory | undefined {
    const paged = this.idsOf(({ place }) => place !== 'resident');
    const pinned = this.idsOf(({ pin }) => pin === 'person');
    if (paged.length + pinned.length + this.notes.length === 0) return undefined;
    const { blockLength } = this.table;
    return { blockLength, paged, pinned, reentries: this.reentries, notes: [...this.notes] };
  }

  /** Messages of the model so far. */
  get turn(): number {
    return this.table.messages.filter(({ role }) => role === 'assistant').length;
  }

  view(): ChatMessage[] {
    return viewOf(this.table, { reentries: this.reentries, notes: this.notes });
  }

  idsOf(test: (block: Block) => boolean): BlockId[] {
    return this.table.blocks.filter(test).map(({ id }) => id);
  }

  /** The conversation may have grown. */
  extend(): void {
    this.table.extend();
    for (const message of [0, this.subject.taskMessage]) this.#pinByRule(message);
  }

  #goOn({ paged, pinned, reentries }: ContextHistory): void {
    const back = new Set(reentries.map(({ block }) => block));
    const blocksOf = (ids: readonly BlockId[]): Block[] => ids.flatMap((id) => this.table.get(id) ?? []);
    for (const block of blocksOf(paged)) block.place = back.has(block.id) ? 'recalled' : 'paged';
    for (const block of blocksOf(pinned)) block.pin ??= 'person';
  }

  /** The system message, and the task: as a whole, or its beginning and its end where it is too long for that. */
  #pinByRule(message: number): void {
    const blocks = this.table.ofMessage(message);
    if (blocks[0] === undefined || blocks[0].pin === 'rule') return;
    const most = this.levels.windowTokens * taskShare;
    const isWhole = message !== this.subject.taskMessage || this.table.tokensOf(blocks) <= most;
    for (const [index, block] of blocks.entries()) {
      if (isWhole || index === 0 || index === blocks.length - 1) block.pin = 'rule';
    }
  }
}

function blockLengthOf(windowTokens: number): number {
  const { least, most, windowShare } = blockTokens;
  const tokens = Math.min(most, Math.max(least, Math.floor(windowTokens * windowShare)));
  return Math.floor(tokens * charactersPerToken);
}
