/**
 * What `amk top` knows and what its keys mean, without terminal, clock or kernel: rows and times come in, a view to
 * be drawn and calls to be made go out. A key changes nothing in a kernel by itself, and stopping an agent takes two.
 */

import { priorityClasses, type PriorityClass } from '../shared/agentDefinition.js';
import { AgentRates, type Rates } from '../shared/agentRates.js';
import { escapeForDisplay } from '../shared/escape.js';
import type {
  AgentRow,
  KernelDescriptor,
  KernelInfo,
  KernelUsage,
  Pid,
  ReniceRequest,
} from '../shared/protocol.js';

export interface TopRow extends AgentRow {
  /** Missing before there is something to compare with. */
  readonly rates: Rates | undefined;
}

/** The last line: what the keys do, a question, or what became of a call. */
export type TopLine =
  { readonly kind: 'keys' } | { readonly kind: 'question' | 'note' | 'error'; readonly text: string };

export interface TopView {
  readonly kernel: KernelDescriptor;
  readonly info: KernelInfo;
  readonly usage: KernelUsage;
  /** Those that live by number, then those that have ended, the latest first. */
  readonly rows: readonly TopRow[];
  readonly selected: Pid | undefined;
  readonly line: TopLine;
}

export type TopAction =
  | { readonly call: 'pause' | 'resume' | 'stop'; readonly input: { readonly pid: Pid } }
  | { readonly call: 'renice'; readonly input: ReniceRequest };

/** What a key can ask for; names of keys that are no character are `up`, `f7` and the like. */
export type TopRequest = TopAction | 'quit' | undefined;

const pageRows = 10;
const moves: Readonly<Record<string, number>> = {
  up: -1,
  down: 1,
  pageUp: -pageRows,
  pageDown: pageRows,
  home: -Infinity,
  end: Infinity,
};
const niceSteps: Readonly<Record<string, number>> = { '+': 1, '=': 1, f8: 1, '-': -1, _: -1, f7: -1 };
const [leastNice, mostNice] = [-20, 19];

export class TopModel {
  readonly #kernel: KernelDescriptor;
  readonly #info: KernelInfo;
  readonly #rates = new AgentRates<Pid>();
  #usage: KernelUsage;
  #rows: readonly AgentRow[] = [];
  #selected: Pid | undefined;
  #line: TopLine = { kind: 'keys' };
  /** The agent that the open question is about. */
  #stopping: AgentRow | undefined;

  constructor(kernel: KernelDescriptor, info: KernelInfo, usage: KernelUsage) {
    this.#kernel = kernel;
    this.#info = info;
    this.#usage = usage;
  }

  /** All rows there are, as of `atMs`. */
  sampled(rows: readonly AgentRow[], usage: KernelUsage, atMs: number): void {
    this.#usage = usage;
    this.#rates.record(new Map(rows.map((row) => [row.pid, row])), atMs);
    this.#show(rows);
  }

  /** Some rows, as they are now; their rates stay those of the last sample. */
  rowsChanged(changed: readonly AgentRow[]): void {
    const rows = new Map(this.#rows.map((row) => [row.pid, row]));
    for (const row of changed) rows.set(row.pid, row);
    this.#show([...rows.values()]);
  }

  /** Says something in the last line, until the next key. */
  say(kind: 'note' | 'error', text: string): void {
    if (this.#stopping === undefined) this.#line = { kind, text };
  }

  /** Takes back what was said of one kind. */
  unsay(kind: 'note' | 'error'): void {
    if (this.#line.kind === kind) this.#line = { kind: 'keys' };
  }

  view(): TopView {
    return {
      kernel: this.#kernel,
      info: this.#info,
      usage: this.#usage,
      rows: this.#rows.map((row) => ({ ...row, rates: this.#rates.of(row.pid) })),
      selected: this.#selected,
      line: this.#line,
    };
  }

  press(key: string): TopRequest {
    const stopping = this.#stopping;
    this.#stopping = undefined;
    this.#line = { kind: 'keys' };
    if (stopping !== undefined) return this.#answered(stopping, key);
    if (key === 'q') return 'quit';
    const move = moves[key];
    if (move !== undefined) this.#move(move);
    const row = this.#rows.find(({ pid }) => pid === this.#selected);
    return row === undefined || move !== undefined ? undefined : this.#pressOn(row, key);
  }

  #pressOn(row: AgentRow, key: string): TopRequest {
    const step = niceSteps[key];
    if (step === undefined && !['p', 'c', 'k'].includes(key)) return undefined;
    if (row.state === 'exited') {
      this.say('error', `${nameOf(row)} has ended`);
      return undefined;
    }
    if (step !== undefined) return this.#renice(row, { nice: row.nice + step });
    if (key === 'c') return this.#renice(row, { class: nextClass(row.class) });
    if (key === 'p') {
      return { call: row.isPaused ? 'resume' : 'pause', input: { pid: row.pid } };
    }
    this.#stopping = row;
    this.#line = { kind: 'question', text: `Stop ${nameOf(row)}? y: yes, any other key: no` };
    return undefined;
  }

  #answered(row: AgentRow, key: string): TopRequest {
    if (key !== 'y' && key !== 'Y') return undefined;
    this.say('note', `${nameOf(row)} is told to stop`);
    return { call: 'stop', input: { pid: row.pid } };
  }

  /** The row shows at once what was asked for, so that a key pressed twice counts twice. */
  #renice(row: AgentRow, change: { nice: number } | { class: PriorityClass }): TopRequest {
    if ('nice' in change && (change.nice < leastNice || change.nice > mostNice)) {
      this.say('error', `nice goes from ${leastNice} to ${mostNice}`);
      return undefined;
    }
    this.rowsChanged([{ ...row, ...change }]);
    return { call: 'renice', input: { pid: row.pid, ...change } };
  }

  #move(by: number): void {
    const index = this.#rows.findIndex(({ pid }) => pid === this.#selected);
    const target = Math.min(Math.max(index + by, 0), this.#rows.length - 1);
    this.#selected = this.#rows[target]?.pid;
  }

  #show(rows: readonly AgentRow[]): void {
    const byPid = rows.toSorted((one, other) => one.pid - other.pid);
    const index = this.#rows.findIndex(({ pid }) => pid === this.#selected);
    const before = this.#rows[index];
    this.#rows = [...byPid.filter(isLive), ...byPid.filter((row) => !isLive(row)).reverse()];
    const after = this.#rows.find(({ pid }) => pid === this.#selected);
    // Who ends moves down, or is forgotten: the selection stays where it is, on whoever is there now.
    const isElsewhere = after === undefined || (before !== undefined && isLive(before) && !isLive(after));
    if (isElsewhere) this.#selected = this.#rows[Math.min(Math.max(index, 0), this.#rows.length - 1)]?.pid;
  }
}

const isLive = ({ state }: AgentRow): boolean => state !== 'exited';
const nameOf = ({ pid, name }: AgentRow): string => `${pid} ${escapeForDisplay(name)}`;

function nextClass(current: PriorityClass): PriorityClass {
  const next = (priorityClasses.indexOf(current) + 1) % priorityClasses.length;
  return priorityClasses[next] ?? current;
}
