/**
 * The disk tier of attention state: what an agent has computed outlives its slot, the memory tier and the kernel.
 * State is copied at the scheduler's safe points, and encoded and written off its loop, one snapshot at a time for
 * each agent. What comes back goes to the memory tier, where the scheduler looks for it. Nothing here throws and
 * nobody has to wait: whatever fails is told and costs a prefill, nothing else.
 */

import type { StateFacts, Token } from '../hal/driver.js';
import type { AgentState } from '../shared/agentState.js';
import { messageOf } from '../shared/errors.js';
import type { Disposable } from '../shared/lifecycle.js';
import { minSnapshotGrowth, minSnapshotTokens } from '../shared/limits.js';
import type { LogLevel } from '../shared/protocol.js';
import type { Quantisation } from '../shared/settings.js';
import { Agent } from './agent/agent.js';
import type { AgentJournal } from './agent/loop.js';
import type { AgentSnapshots } from './agentTable.js';
import type { Scheduler } from './scheduler/scheduler.js';
import type { CodecPool } from './kv/codecPool.js';
import { kindOfState } from './kv/snapshot.js';
import { parseStateFile } from './kv/stateFile.js';
import type { SnapshotStore } from './kv/store.js';
import type { ParkedState, SwapSpace } from './kv/swapSpace.js';
import { copyState, linkState, type StateCopy } from './stateCopy.js';

/** The memory tier's folder. `Scratch` of the HAL is one. */
export interface TierFiles {
  path(name: string): string;
  read(name: string): Promise<Uint8Array>;
  write(name: string, content: Uint8Array): Promise<void>;
  link(name: string, second: string): Promise<void>;
  remove(name: string): Promise<void>;
}

export interface DiskTierParts {
  readonly store: SnapshotStore;
  readonly codec: Pick<CodecPool, 'encode' | 'decode'>;
  readonly facts: StateFacts;
  readonly quantisation: Quantisation;
  readonly files: TierFiles;
  readonly scheduler: Pick<Scheduler, 'snapshot'>;
  readonly swap: SwapSpace;
  readonly journal: AgentJournal;
  readonly log: (level: LogLevel, message: string) => void;
}

/** A snapshot in the store. */
interface Kept {
  readonly key: string;
  readonly tokens: number;
}

export class DiskTier implements AgentSnapshots, AsyncDisposable {
  readonly #parts: DiskTierParts;
  readonly #kept = new Map<Agent, Kept>();
  readonly #taking = new Map<Agent, Promise<void>>();
  readonly #evicted: Disposable;
  #count = 0;
  #isClosed = false;

  constructor(parts: DiskTierParts) {
    this.#parts = parts;
    this.#evicted = parts.store.onDidEvict(({ key }) => this.#evict(key));
  }

  adopt(agent: Agent, snapshot: Kept): void {
    this.#kept.set(agent, snapshot);
  }

  turnEnded(agent: Agent): void {
    if (this.#isWorthIt(agent, agent.usage.residentTokens)) void this.#take(agent, () => this.#copy(agent));
  }

  async keep(agent: Agent): Promise<void> {
    await this.#take(agent, () => this.#copy(agent));
  }

  /** The memory tier is about to forget it. Resolves when the state is safe from that. */
  async demote(parked: ParkedState): Promise<void> {
    const { owner, tokens } = parked;
    if (!(owner instanceof Agent) || !this.#isWorthIt(owner, tokens.length)) return;
    const copy = await linkState(parked, this.#newName(), this.#parts.files);
    if (copy !== undefined) void this.#take(owner, () => Promise.resolve(copy));
  }

  /** An agent without a slot and without state in memory gets its snapshot back, if it has one. */
  async restore(agent: Agent): Promise<void> {
    const { swap, log } = this.#parts;
    const kept = this.#kept.get(agent);
    const isElsewhere = agent.usage.residentTokens > 0 || swap.of(agent) !== undefined;
    if (kept === undefined || isElsewhere || this.#isClosed) return;
    try {
      const tokens = await this.#load(agent, kept);
      if (tokens > 0) log('info', `agent ${agent.pid} goes on from a snapshot of ${tokens} tokens`);
    } catch (error) {
      this.#kept.delete(agent);
      log('warn', `the snapshot of agent ${agent.pid} cannot be used: ${messageOf(error)}`);
    }
  }

  /** Whether a later kernel would find something of it. */
  keeps(agent: Agent): boolean {
    return this.#kept.has(agent);
  }

  /** Of the owner of a snapshot, as the store asks it; undefined where it has none. */
  stepsUntilRun(key: string): number | undefined {
    const [owner] = [...this.#kept].find(([, kept]) => kept.key === key) ?? [];
    return owner === undefined ? undefined : stepsUntilRunOf(owner);
  }

  forget(agent: Agent): void {
    const kept = this.#kept.get(agent);
    this.#kept.delete(agent);
    if (kept !== undefined) void this.#remove(kept);
  }

  /** Removes what no agent of these needs. */
  async removeOthers(keys: ReadonlySet<string>): Promise<void> {
    const { store } = this.#parts;
    for (const { key } of store.list()) if (!keys.has(key)) await this.#remove({ key });
  }

  /** Waits for what is being written. Its codec is closed before, so that it does not take long. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#evicted.dispose();
    await Promise.all(this.#taking.values());
  }

  /** Computing less than this again is cheaper than keeping it. */
  #isWorthIt(agent: Agent, tokens: number): boolean {
    const kept = this.#kept.get(agent)?.tokens ?? 0;
    const least = Math.max(minSnapshotTokens, kept * minSnapshotGrowth);
    return !this.#isClosed && agent.isLive && tokens - kept >= least;
  }

  /** One at a time for an agent: whoever wants another one meanwhile waits for that. */
  #take(agent: Agent, copy: () => Promise<StateCopy | undefined>): Promise<void> {
    const present = this.#taking.get(agent);
    if (present !== undefined || this.#isClosed) return present ?? Promise.resolve();
    const taken = this.#write(agent, copy)
      .catch((error: unknown) => {
        if (this.#isClosed) return;
        this.#parts.log('warn', `no snapshot of agent ${agent.pid}: ${messageOf(error)}`);
      })
      .finally(() => this.#taking.delete(agent));
    this.#taking.set(agent, taken);
    return taken;
  }

  async #write(agent: Agent, copyOf: () => Promise<StateCopy | undefined>): Promise<void> {
    const { files, codec, store, journal, quantisation, facts } = this.#parts;
    const copy = await copyOf();
    if (copy === undefined) return;
    try {
      const before = this.#kept.get(agent);
      if (copy.tokens.length <= (before?.tokens ?? 0)) return;
      const encoded = await codec.encode(await files.read(copy.name), { quantisation, facts });
      if (hasExited(agent)) return;
      const { key } = await store.put(encoded, {
        model: kindOfState(facts),
        tokens: copy.tokens,
        agent: agent.definition.name,
        quantisation,
        stepsUntilRun: stepsUntilRunOf(agent),
      });
      const kept = { key, tokens: copy.tokens.length };
      this.#kept.set(agent, kept);
      await journal.append({ type: 'snapshotTaken', pid: agent.pid, ...kept });
      // Only now: at every moment the journal names one that is there.
      if (before !== undefined && before.key !== key) await this.#remove(before);
      if (hasExited(agent)) this.forget(agent);
    } finally {
      await files.remove(copy.name);
    }
  }

  #copy(agent: Agent): Promise<StateCopy | undefined> {
    return copyState(agent, this.#newName(), this.#parts);
  }

  /** @returns how many tokens came back; 0 where the memory tier has no room for them */
  async #load(agent: Agent, { key }: Kept): Promise<number> {
    const { store, codec, facts, files, swap } = this.#parts;
    const state = await codec.decode(await store.get(key), facts);
    if (!swap.fits(state.length)) return 0;
    const tokens = [...parseStateFile(state).tokens] as Token[];
    const name = this.#newName();
    await files.write(name, state);
    await swap.adopt({ name, owner: agent, tokens, bytes: state.length });
    return tokens.length;
  }

  #evict(key: string): void {
    for (const [agent, kept] of this.#kept) if (kept.key === key) this.#kept.delete(agent);
  }

  async #remove({ key }: Pick<Kept, 'key'>): Promise<void> {
    const { store, log } = this.#parts;
    await store.remove(key).catch((error: unknown) => {
      log('warn', `a snapshot that nobody needs stays: ${messageOf(error)}`);
    });
  }

  #newName(): string {
    return `${++this.#count}.copy`;
  }
}

/**
 * Who runs goes on at the next step, whoever waits for the device soon after, and for the others it depends on what
 * they wait for: a tool takes less time than a person. Who is paused does not run at all until somebody says so.
 */
const stepsOf: Readonly<Record<AgentState, number>> = {
  running: 0,
  ready: 1,
  waiting: 10,
  blocked: 1000,
  paused: Infinity,
  exited: Infinity,
};

const stepsUntilRunOf = ({ state }: Agent): number => stepsOf[state];

/** Asked again and again, since it may exit while its state is written. */
const hasExited = (agent: Agent): boolean => !agent.isLive;
