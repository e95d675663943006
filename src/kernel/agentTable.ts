/**
 * The agents of this kernel: starts them, takes over those of the kernel before it, knows them by pid, and keeps the
 * reports of those that exited. One agent's end, however it comes, is an exit with an outcome; it never stops another.
 * What anybody can see of an agent is in the journal first.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../hal/clock.js';
import type { InferenceDriver, Token } from '../hal/driver.js';
import type { AgentDefinition } from '../shared/agentDefinition.js';
import type { AgentOutcome } from '../shared/agentState.js';
import { KernelError, messageOf, toErrorData, type ErrorData } from '../shared/errors.js';
import { isTeam, teamOf } from '../shared/team.js';
import { maxKeptReports, maxLiveAgents, suspendMs } from '../shared/limits.js';
import type { AgentReport, HandoffRequest, LogLevel, Pid, SpawnRequest } from '../shared/protocol.js';
import { Agent, type AgentOptions, type HostedAgent, type Hosting } from './agent/agent.js';
import { runAgent, type AgentJournal, type TurnSnapshots } from './agent/loop.js';
import { startRecords, type AgentStart } from './agentStart.js';
import type { Contexts } from './contexts.js';
import { assertMayHandTo, inheritanceOf } from './ipc/handoff.js';
import { runTeam } from './ipc/team.js';
import type { JournalledAgent } from './journal/replay.js';
import type { RowFeed } from './rowFeed.js';
import type { Broker } from './sandbox/broker.js';
import type { Toolbox } from './sandbox/toolbox.js';
import type { Divergence } from './scheduler/job.js';
import type { Scheduler } from './scheduler/scheduler.js';
import type { Emit } from './rowFeed.js';

/** What becomes of the attention state of agents beyond their turns. None of these throws. */
export interface AgentSnapshots extends TurnSnapshots {
  /** The agent goes on in this kernel, and this is of it. */
  adopt(agent: Agent, snapshot: { readonly key: string; readonly tokens: number }): void;
  /** It is about to be idle for long. */
  keep(agent: Agent): Promise<void>;
  /** It needs nothing any more. */
  forget(agent: Agent): void;
}

export interface AgentTableParts {
  readonly driver: InferenceDriver;
  readonly scheduler: Scheduler;
  readonly toolbox: Toolbox;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly feed: RowFeed;
  readonly emit: Emit;
  /** Where there is none, agents end with the kernel. */
  readonly journal?: AgentJournal | undefined;
  readonly snapshots?: AgentSnapshots | undefined;
  readonly tierOf?: AgentOptions['tierOf'];
  /** Without them, a conversation has to fit its window. */
  readonly contexts?: Contexts | undefined;
  /** What earlier kernels on the same journal left. */
  readonly past?: PastAgents | undefined;
}

export interface PastAgents {
  /** The highest pid that was given. */
  readonly lastPid: Pid;
  readonly reports: ReadonlyMap<Pid, AgentReport>;
}

interface Entry {
  readonly agent: Agent;
  readonly exited: Promise<AgentReport>;
}

/** For a kernel whose agents end with it. */
const noJournal: AgentJournal = { append: () => Promise.resolve() };

export class AgentTable {
  readonly #parts: AgentTableParts;
  readonly #journal: AgentJournal;
  readonly #entries = new Map<Pid, Entry>();
  /** Of agents that exited in an earlier kernel, for whoever still waits for them. */
  readonly #reports: Map<Pid, AgentReport>;
  #nextPid: Pid;
  /** Spawns that are being journalled. */
  #spawning = 0;
  /** From then on, what ends has not exited: the next kernel goes on with it. */
  #isSuspended = false;

  constructor(parts: AgentTableParts) {
    this.#parts = parts;
    this.#journal = parts.journal ?? noJournal;
    this.#reports = new Map(parts.past?.reports);
    this.#nextPid = (parts.past?.lastPid ?? 0) + 1;
  }

  get live(): Agent[] {
    return [...this.#entries.values()].map(({ agent }) => agent).filter((agent) => agent.isLive);
  }

  /** Those that live and are not hosted. */
  get #own(): Agent[] {
    return this.live.filter(({ isHosted }) => !isHosted);
  }

  all(): Agent[] {
    return [...this.#entries.values()].map(({ agent }) => agent);
  }

  /**
   * The agent is in the journal when this resolves.
   * @throws KernelError `limitReached` when too many agents are alive; `storageFull`, `storageFailed`
   */
  async spawn(
    request: SpawnRequest,
    workspaceRoot: string,
    by: Pick<AgentStart, 'owner' | 'work'> = {},
  ): Promise<Agent> {
    const { definition, task, grants, team = [] } = request;
    teamOf(definition, team);
    return await this.#start({ definition, task, grants, team, workspaceRoot, ...by });
  }

  /**
   * Starts an agent that goes on where another one is, or was when it ended.
   * @throws KernelError `denied` where the other does not allow it; `notFound`; and as `spawn`
   */
  async handOff(request: HandoffRequest, worksFor?: string): Promise<Agent> {
    const { scheduler, toolbox, contexts } = this.#parts;
    const { definition, task, grants, mode } = request;
    if (isTeam(definition)) throw new KernelError('badRequest', `${definition.name} does no work itself`);
    const from = this.get(request.from);
    assertMayHandTo(from, definition);
    if (mode === 'move') await this.#endForSuccessor(from);
    const tools = toolbox.signatures(definition.tools);
    const past = {
      ...inheritanceOf(from, { definition, task, tools }),
      context: contexts?.of(from.pid).history,
    };
    const { workspaceRoot, owner } = from;
    return await this.#start({ definition, task, grants, workspaceRoot, past, worksFor, owner }, (agent) => {
      agent.computed = from.computed;
      if (!scheduler.hasStateOf(from)) this.#log('info', textAlone(agent, from));
      if (mode === 'move') scheduler.handOver(from, agent);
    });
  }

  /** @param prepare what is to be done before it computes anything */
  async #start(start: AgentStart, prepare?: (agent: Agent) => void): Promise<Agent> {
    const live = this.#own.length + this.#spawning;
    if (live >= maxLiveAgents)
      throw new KernelError('limitReached', `${live} agents are running; the limit is ${maxLiveAgents}`);
    const pid = this.#nextPid++;
    const at = this.#parts.clock.wallClock();
    this.#spawning++;
    try {
      await Promise.all(startRecords(pid, at, start).map((record) => this.#journal.append(record)));
    } finally {
      this.#spawning--;
    }
    const { grants, team, work, ...options } = start;
    const agent = this.#create({ pid, ...options });
    this.#parts.contexts?.open(agent, at, start.past?.context);
    for (const spec of grants) this.#parts.broker.grant(spec, { pid, lifetime: 'run' });
    prepare?.(agent);
    this.#enter(
      agent,
      this.#live(agent, () => work?.(agent) ?? this.#workAs(agent, team, grants)),
    );
    this.#forgetOldest();
    return agent;
  }

  /** By itself, or by others. */
  async #workAs(
    agent: Agent,
    team: readonly AgentDefinition[] = [],
    grants: SpawnRequest['grants'],
  ): Promise<void> {
    if (!isTeam(agent.definition)) {
      await this.#work(agent);
      return;
    }
    const {
      task,
      workspaceRoot,
      owner,
      definition: { name: worksFor },
    } = agent;
    await runTeam(agent, team, {
      spawn: (definition) => this.#start({ definition, task, grants, workspaceRoot, worksFor, owner }),
      handOff: ({ pid: from }, definition, mode) =>
        this.handOff({ from, definition, task, grants, mode }, worksFor),
      wait: ({ pid }) => this.wait(pid, agent.cancellation.signal),
    });
  }

  /** Ends as one who answered: what it was about to do, another one does. */
  async #endForSuccessor(agent: Agent): Promise<void> {
    if (!agent.isLive) return;
    agent.isTakenOver = true;
    agent.cancellation.abort();
    await this.#entry(agent.pid).exited;
  }

  /**
   * An agent whose loop is outside of the kernel. It has a row, its share of the device and is steered as all others are,
   * and it ends with this kernel: nothing of it is journalled.
   */
  host(options: Hosting): HostedAgent {
    const agent = this.#create({ ...options, pid: this.#nextPid++, workspaceRoot: '', isHosted: true });
    let exit = (_report: AgentReport): void => undefined;
    const exited = new Promise<AgentReport>((resolve) => (exit = resolve));
    const told = this.#journal.append({ type: 'checkpoint', lastPid: agent.pid });
    told.catch((fault: unknown) => this.#log('warn', `number ${agent.pid} is not kept: ${messageOf(fault)}`));
    this.#forgetOldest();
    this.#enter(agent, exited);
    return {
      agent,
      end: (outcome, error) => {
        if (!agent.isLive) return;
        const report = agent.reportOf(outcome, error);
        agent.exit(report);
        this.#parts.scheduler.release(agent);
        exit(report);
      },
    };
  }

  /** Goes on with an agent of the kernel before this one. @param held why it comes back paused */
  resume(past: JournalledAgent, workspaceRoot: string, held: string | undefined): Agent {
    const { clock, snapshots, contexts } = this.#parts;
    const { pid, definition, task, snapshot, owner } = past;
    const ageMs = Math.max(0, clock.wallClock() - past.spawnedAt);
    const agent = this.#create({ pid, definition, task, workspaceRoot, owner, past: { ...past, ageMs } });
    contexts?.open(agent, past.spawnedAt, past.context);
    if (snapshot !== undefined) snapshots?.adopt(agent, snapshot);
    if (held === undefined) agent.goOn();
    else agent.pause(held);
    this.#enter(
      agent,
      this.#live(agent, () => this.#work(agent)),
    );
    return agent;
  }

  /** An agent of the kernel before this one that cannot go on. */
  giveUp(past: JournalledAgent, error: ErrorData): Agent {
    const { clock } = this.#parts;
    const { pid, definition, task, workspace, owner } = past;
    const ageMs = Math.max(0, clock.wallClock() - past.spawnedAt);
    const workspaceRoot = workspace.root;
    const agent = this.#create({ pid, definition, task, workspaceRoot, owner, past: { ...past, ageMs } });
    this.#enter(agent, this.#end(agent, 'failed', error));
    return agent;
  }

  /** @throws KernelError `notFound` */
  get(pid: Pid): Agent {
    return this.#entry(pid).agent;
  }

  /**
   * Resolves when the agent has exited; never rejects for what became of the agent.
   * @throws KernelError `notFound`, `cancelled`; `kernelStopped` when the kernel ends before the agent does
   */
  async wait(pid: Pid, signal: AbortSignal): Promise<AgentReport> {
    const earlier = this.#reports.get(pid);
    if (earlier !== undefined) return earlier;
    const { exited } = this.#entry(pid);
    let onAbort = (): void => undefined;
    const cancelled = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(new KernelError('cancelled', 'wait was cancelled'));
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([exited, cancelled]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Stops everybody and waits until they are gone. */
  async stopAll(): Promise<void> {
    for (const agent of this.live) agent.cancellation.abort();
    await Promise.allSettled([...this.#entries.values()].map(({ exited }) => exited));
  }

  /**
   * Before the kernel ends: everybody stops where it is, without having exited, so that the next kernel on the same
   * journal goes on with it. Without a journal it is the end of all.
   */
  async suspendAll(): Promise<void> {
    const { snapshots, journal } = this.#parts;
    if (snapshots !== undefined) {
      const kept = Promise.all(this.#own.map((agent) => snapshots.keep(agent)));
      await Promise.race([kept, delay(suspendMs, undefined, { ref: false })]);
    }
    this.#isSuspended = journal !== undefined;
    await this.stopAll();
  }

  async #live(agent: Agent, work: () => Promise<void>): Promise<AgentReport> {
    try {
      await work();
    } catch (error) {
      if (agent.isTakenOver) return await this.#end(agent, 'answered');
      const wasStopped = agent.cancellation.signal.aborted;
      return await this.#end(agent, wasStopped ? 'stopped' : 'failed', toErrorData(error));
    }
    return await this.#end(agent, 'answered');
  }

  async #work(agent: Agent): Promise<void> {
    const { feed, emit, contexts } = this.#parts;
    await runAgent(agent, {
      ...this.#parts,
      context: contexts?.of(agent.pid),
      journal: this.#journal,
      onText: (_, text) => feed.textProduced(agent, text),
      onToolCall: (_, call, result) => {
        feed.flush();
        emit('toolCalled', { pid: agent.pid, call, result });
      },
    });
  }

  /**
   * An end that cannot be journalled is one all the same: its report is true, and only a restart forgets it.
   * @throws KernelError `kernelStopped` when it is no end, since the next kernel goes on with the agent
   */
  async #end(agent: Agent, outcome: AgentOutcome, error?: ErrorData): Promise<AgentReport> {
    const { scheduler, broker, feed, snapshots } = this.#parts;
    const { pid } = agent;
    if (this.#isSuspended)
      throw new KernelError('kernelStopped', 'the kernel ends, and the agent goes on later');
    const report = agent.reportOf(outcome, error);
    await this.#journal.append({ type: 'exited', pid, report }).catch((fault: unknown) => {
      this.#log('error', `the end of agent ${pid} is not kept: ${messageOf(fault)}`);
    });
    snapshots?.forget(agent);
    if (agent.definition.handsTo === undefined) this.#parts.contexts?.close(pid);
    else this.#parts.contexts?.ended(pid);
    agent.exit(report);
    // What it computed waits for whom it may be handed to, as long as nobody else needs the room.
    if (agent.definition.handsTo === undefined) scheduler.release(agent);
    broker.endRun(pid);
    feed.flush();
    return report;
  }

  #create(
    options: Omit<AgentOptions, 'clock' | 'kvBytesPerToken' | 'onChange' | 'tierOf' | 'onDivergence'>,
  ): Agent {
    const { driver, clock, feed, tierOf } = this.#parts;
    return new Agent({
      ...options,
      ...{ clock, tierOf },
      kvBytesPerToken: driver.info.kvBytesPerToken,
      onChange: (changed) => feed.agentChanged(changed),
      onDivergence: (diverged, at) => this.#reportDivergence(diverged, at),
    });
  }

  #enter(agent: Agent, exited: Promise<AgentReport>): void {
    // Whoever waits is told; where nobody does, nobody needs to know.
    exited.catch(() => undefined);
    this.#entries.set(agent.pid, { agent, exited });
    agent.changed();
  }

  #reportDivergence({ pid, definition }: Agent, { position, had, wants, lostTokens }: Divergence): void {
    const { driver } = this.#parts;
    const text = (token: Token): string => JSON.stringify(driver.detokenize([token]));
    this.#log(
      'info',
      `agent ${pid} (${definition.name}) computes ${lostTokens} tokens again: at token ${position} its prompt has ` +
        `${text(wants)} where ${text(had)} was`,
    );
  }

  #log(level: LogLevel, message: string): void {
    this.#parts.emit('log', { level, message });
  }

  #entry(pid: Pid): Entry {
    const entry = this.#entries.get(pid);
    if (entry === undefined) throw new KernelError('notFound', `there is no agent with pid ${pid}`);
    return entry;
  }

  #forgetOldest(): void {
    for (const [pid, { agent }] of this.#entries) {
      if (this.#entries.size <= maxKeptReports) return;
      if (agent.isLive) continue;
      this.#entries.delete(pid);
      this.#parts.contexts?.forget(pid);
      this.#parts.scheduler.release(agent);
    }
  }
}

const textAlone = (agent: Agent, from: Agent): string =>
  `agent ${agent.pid} (${agent.definition.name}) goes on from the text of agent ${from.pid} alone: nothing that was ` +
  'computed of it is left';
