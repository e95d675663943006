/**
 * What a journal says is true now: the live agents, the grants they hold, and the last reports. The state is a
 * function of the records alone, without clock or files, and `recordsOf` is its inverse: its records make the same
 * state again. A record about an agent that has exited changes nothing, since work may end after its agent.
 */

import type { ChatMessage } from '../../hal/driver.js';
import type { AgentDefinition, PriorityClass } from '../../shared/agentDefinition.js';
import type { GrantLifetime } from '../../shared/capability.js';
import { maxKeptReports } from '../../shared/limits.js';
import type { AgentReport, Pid, ToolCallReport } from '../../shared/protocol.js';
import { changed, changesOf, type ContextChange, type ContextHistory } from '../context/history.js';
import { contextRecord, type JournalRecord } from './records.js';

type RecordOf<T extends JournalRecord['type']> = Extract<JournalRecord, { type: T }>;

export interface JournalledAgent {
  readonly pid: Pid;
  readonly spawnedAt: number;
  readonly definition: AgentDefinition;
  readonly task: string;
  readonly workspace: RecordOf<'spawned'>['workspace'];
  readonly inherited: RecordOf<'spawned'>['inherited'];
  readonly owner: RecordOf<'spawned'>['owner'];
  readonly messages: readonly ChatMessage[];
  readonly toolCalls: readonly ToolCallReport[];
  readonly tokens: { readonly prompt: number; readonly generated: number };
  readonly isPaused: boolean;
  readonly class: PriorityClass;
  readonly nice: number;
  /** What left its window, and what came back; undefined while nothing has. */
  readonly context: ContextHistory | undefined;
  /** Its latest attention state in the store, if it has one. */
  readonly snapshot: { readonly key: string; readonly tokens: number } | undefined;
}

export interface JournalledGrant {
  readonly grant: RecordOf<'granted'>['grant'];
  readonly uses: number;
}

/** Read it; only `applyRecord` changes it. */
export interface JournalState {
  /** Those that had not exited, in the order they were spawned. */
  readonly agents: ReadonlyMap<Pid, JournalledAgent>;
  /** Of the last ones that exited, oldest first. */
  readonly reports: ReadonlyMap<Pid, AgentReport>;
  /** Those that hold. */
  readonly grants: ReadonlyMap<number, JournalledGrant>;
  /** The highest pid ever given. */
  readonly lastPid: Pid;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface WritableAgent extends Mutable<JournalledAgent> {
  messages: ChatMessage[];
  toolCalls: ToolCallReport[];
}
interface WritableState {
  agents: Map<Pid, WritableAgent>;
  reports: Map<Pid, AgentReport>;
  grants: Map<number, Mutable<JournalledGrant>>;
  lastPid: Pid;
}

/** Which grants a new kernel still honours. */
const outlivesKernel: Readonly<Record<GrantLifetime, boolean>> = {
  ...{ once: false, run: false, session: false },
  // The client keeps these and hands them to every kernel.
  workspace: false,
};

/** The state after these records. */
export function replay(records: Iterable<JournalRecord>): JournalState {
  const state = new ReplayedState();
  for (const record of records) state.apply(record);
  return state;
}

/** A state that grows by records, so that a long conversation is not copied with each of its messages. */
export class ReplayedState implements JournalState {
  readonly #state: WritableState = { agents: new Map(), reports: new Map(), grants: new Map(), lastPid: 0 };

  get agents(): ReadonlyMap<Pid, JournalledAgent> {
    return this.#state.agents;
  }
  get reports(): ReadonlyMap<Pid, AgentReport> {
    return this.#state.reports;
  }
  get grants(): ReadonlyMap<number, JournalledGrant> {
    return this.#state.grants;
  }
  get lastPid(): Pid {
    return this.#state.lastPid;
  }

  apply(record: JournalRecord): void {
    applyTo(this.#state, record.type, record);
  }
}

/** Records by kind, so that a kind and what is done with it are one thing to the compiler. */
type Records = { readonly [T in JournalRecord['type']]: RecordOf<T> };

function applyTo<T extends JournalRecord['type']>(state: WritableState, type: T, record: Records[T]): void {
  meanings[type](state, record);
}

/** What each kind of record does to the state. */
const meanings: { readonly [T in keyof Records]: (state: WritableState, record: Records[T]) => void } = {
  booted: ({ grants }) => {
    for (const [id, { grant }] of grants) if (!outlivesKernel[grant.lifetime]) grants.delete(id);
  },
  checkpoint: (state, { lastPid }) => {
    state.lastPid = Math.max(state.lastPid, lastPid);
  },
  spawned: applySpawned,
  message: ({ agents }, { pid, message, tokens }) => {
    const agent = agents.get(pid);
    agent?.messages.push(message);
    if (agent !== undefined && tokens !== undefined) agent.tokens = tokens;
  },
  toolCalled: ({ agents }, { pid, call }) => {
    agents.get(pid)?.toolCalls.push(call);
  },
  paused: ({ agents }, { pid, isPaused }) => {
    const agent = agents.get(pid);
    if (agent !== undefined) agent.isPaused = isPaused;
  },
  reniced: ({ agents }, { pid, class: priorityClass, nice }) => {
    const agent = agents.get(pid);
    if (agent === undefined) return;
    agent.class = priorityClass;
    agent.nice = nice;
  },
  snapshotTaken: ({ agents }, { pid, key, tokens }) => {
    const agent = agents.get(pid);
    if (agent !== undefined) agent.snapshot = { key, tokens };
  },
  pagedOut: applyContext,
  pagedIn: applyContext,
  noted: applyContext,
  pinned: applyContext,
  granted: ({ grants }, { grant, uses }) => {
    grants.set(grant.id, { grant, uses });
  },
  grantUsed: ({ grants }, { id }) => {
    const held = grants.get(id);
    if (held !== undefined) held.uses += 1;
  },
  grantRevoked: ({ grants }, { id }) => {
    grants.delete(id);
  },
  exited: applyExited,
};

function applyContext({ agents }: WritableState, { pid, ...change }: ContextChange & { pid: Pid }): void {
  const agent = agents.get(pid);
  if (agent !== undefined) agent.context = changed(agent.context, change);
}

function applySpawned(state: WritableState, record: RecordOf<'spawned'>): void {
  const { pid, at, definition, task, workspace, inherited, owner } = record;
  state.lastPid = Math.max(state.lastPid, pid);
  state.agents.set(pid, {
    pid,
    spawnedAt: at,
    definition,
    task,
    workspace,
    inherited,
    owner,
    messages: [],
    toolCalls: [],
    tokens: { prompt: 0, generated: 0 },
    isPaused: false,
    class: definition.class,
    nice: definition.nice,
    context: undefined,
    snapshot: undefined,
  });
}

function applyExited(state: WritableState, { pid, report }: RecordOf<'exited'>): void {
  state.agents.delete(pid);
  for (const [id, { grant }] of state.grants) if (grant.pid === pid) state.grants.delete(id);
  state.reports.delete(pid);
  state.reports.set(pid, report);
  for (const oldest of state.reports.keys()) {
    if (state.reports.size <= maxKeptReports) return;
    state.reports.delete(oldest);
  }
}

/** The fewest records that make this state. */
export function* recordsOf(state: JournalState): Generator<JournalRecord> {
  yield { type: 'checkpoint', lastPid: state.lastPid };
  for (const [pid, report] of state.reports) yield { type: 'exited', pid, report };
  for (const agent of state.agents.values()) yield* recordsOfAgent(agent);
  for (const { grant, uses } of state.grants.values()) yield { type: 'granted', grant, uses };
}

function* recordsOfAgent(agent: JournalledAgent): Generator<JournalRecord> {
  const { pid, spawnedAt, definition, task, workspace, inherited, owner } = agent;
  const from = { ...(inherited !== undefined && { inherited }), ...(owner !== undefined && { owner }) };
  yield { type: 'spawned', pid, at: spawnedAt, definition, task, workspace, ...from };
  if (agent.class !== definition.class || agent.nice !== definition.nice) {
    yield { type: 'reniced', pid, class: agent.class, nice: agent.nice };
  }
  if (agent.isPaused) yield { type: 'paused', pid, isPaused: true };
  for (const call of agent.toolCalls) yield { type: 'toolCalled', pid, call };
  const last = agent.messages.length - 1;
  for (const [index, message] of agent.messages.entries()) {
    yield { type: 'message', pid, message, ...(index === last && { tokens: agent.tokens }) };
  }
  for (const change of agent.context === undefined ? [] : changesOf(agent.context)) {
    yield contextRecord(pid, change);
  }
  if (agent.snapshot !== undefined) yield { type: 'snapshotTaken', pid, ...agent.snapshot };
}
