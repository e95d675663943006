/**
 * One agent: what it is, where it is in its life, what it has used. This file holds its state; what an agent does
 * is in loop.ts. Every change of state passes `#enter`, which knows the legal ones, and is announced after it is
 * made.
 */

import type { ChatMessage } from '../../hal/driver.js';
import type { Clock } from '../../hal/clock.js';
import type { AgentDefinition, PriorityClass, ToolName } from '../../shared/agentDefinition.js';
import { assertTransition, type AgentOutcome, type AgentState } from '../../shared/agentState.js';
import { Emitter } from '../../shared/emitter.js';
import { KernelError, type ErrorData } from '../../shared/errors.js';
import type { AgentReport, AgentRow, Pid, ToolCallReport } from '../../shared/protocol.js';
import { Budget } from '../scheduler/budget.js';
import { noUsage, type Client, type Divergence } from '../scheduler/job.js';
import { createEntity, type Entity } from '../scheduler/runQueue.js';
import type { ContextHistory } from '../context/history.js';
import type { ComputedText } from './computedText.js';

/** What an agent took over from another: the first messages of its conversation. */
export interface Inheritance {
  /** How many. */
  readonly messages: number;
  /** Tools that the conversation tells of; the agent's own may be others. */
  readonly tools: readonly ToolName[];
}

/** An external client that an agent works for: its user in the scheduler, and the name that a person knows it by. */
export interface Owner {
  readonly id: string;
  readonly name: string;
}

/** What an agent had done when the kernel it lived in ended, or what it starts from. */
export interface AgentPast {
  readonly inherited?: Inheritance | undefined;
  /** What had left its window. */
  readonly context?: ContextHistory | undefined;
  readonly messages: readonly ChatMessage[];
  readonly toolCalls: readonly ToolCallReport[];
  readonly tokens: { readonly prompt: number; readonly generated: number };
  readonly class: PriorityClass;
  readonly nice: number;
  /** Since it was spawned. */
  readonly ageMs: number;
}

export interface AgentOptions {
  readonly pid: Pid;
  readonly definition: AgentDefinition;
  readonly task: string;
  readonly workspaceRoot: string;
  readonly clock: Clock;
  readonly kvBytesPerToken: number;
  /** Name of the agent that it works for. */
  readonly worksFor?: string | undefined;
  /** Its loop is outside of the kernel. */
  readonly isHosted?: true;
  /** Without one it is the local person's. */
  readonly owner?: Owner | undefined;
  /** Of an agent that goes on where it was. */
  readonly past?: AgentPast | undefined;
  /** Told after every change that a row shows. */
  readonly onChange: (agent: Agent) => void;
  /** Where its attention state is when it has no slot. */
  readonly tierOf?: ((agent: Agent) => AgentRow['tier']) | undefined;
  /** Told where a new prompt stopped being what was resident, since the rest is computed again. */
  readonly onDivergence?: (agent: Agent, divergence: Divergence) => void;
}

/** An agent whose loop is outside of the kernel. */
export interface HostedAgent {
  readonly agent: Agent;
  /** Its end, once: whoever hosts it says when, at the latest when its cancellation is aborted. */
  readonly end: (outcome: AgentOutcome, error?: ErrorData) => void;
}

export type Hosting = Required<Pick<AgentOptions, 'definition' | 'task' | 'owner'>>;

export class Agent implements Client {
  readonly pid: Pid;
  readonly definition: AgentDefinition;
  readonly task: string;
  readonly workspaceRoot: string;
  readonly entity: Entity;
  readonly usage = noUsage();
  readonly budgets: readonly Budget[];
  /** Both are written by the loop, which makes them durable first. */
  readonly messages: ChatMessage[];
  readonly toolCalls: ToolCallReport[];
  readonly inherited: Inheritance | undefined;
  /** Its conversation as it was computed, so that it is never computed in other tokens. Written by the loop. */
  computed: readonly ComputedText[] = [];
  /** Tokens of the longest prompt so far and of everything generated. Written by the loop. */
  promptTokens = 0;
  generatedTokens = 0;
  /** What the model said last. Written by the loop. */
  answer = '';
  /** Another agent takes over from it where it is; then its end is that of one who answered. */
  isTakenOver = false;
  /** Aborted once, by `stop`; everything the agent waits for listens. */
  readonly cancellation = new AbortController();

  readonly #options: AgentOptions;
  readonly #startedAt: number;
  #state: AgentState = 'ready';
  #reason = '';
  #isPaused = false;
  /** While the turn has no token yet. */
  #turnStartedAt: number | undefined;
  #firstTokenMs: number | null = null;
  readonly #resumed = new Emitter<undefined>();
  #report: AgentReport | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.pid = options.pid;
    this.definition = options.definition;
    this.task = options.task;
    this.workspaceRoot = options.workspaceRoot;
    const { definition, past = pastOf(definition) } = options;
    this.entity = createEntity(options.pid, past.class, past.nice, options.owner?.id);
    this.messages = [...past.messages];
    this.toolCalls = [...past.toolCalls];
    this.promptTokens = past.tokens.prompt;
    this.generatedTokens = past.tokens.generated;
    this.inherited = past.inherited;
    const own = this.messages.slice(past.inherited?.messages);
    const said = own.filter(({ role, content }) => role === 'assistant' && content !== '');
    this.answer = said.at(-1)?.content ?? '';
    const { name, deviceSeconds } = definition;
    this.budgets =
      deviceSeconds === undefined ? [] : [new Budget(`agent ${name}`, { deviceMs: deviceSeconds * 1000 })];
    this.#startedAt = options.clock.now() - past.ageMs;
  }

  get state(): AgentState {
    return this.#state;
  }

  /** Its loop is outside of the kernel, and nothing of it outlives this kernel. */
  get isHosted(): boolean {
    return this.#options.isHosted === true;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Tools that its conversation tells of. */
  get toldTools(): readonly ToolName[] {
    return this.inherited?.tools ?? this.definition.tools;
  }

  get owner(): Owner | undefined {
    return this.#options.owner;
  }

  /** Undefined while it lives. */
  get outcome(): AgentOutcome | undefined {
    return this.#report?.state;
  }

  get isLive(): boolean {
    return this.#state !== 'exited';
  }

  /** A turn of the model begins. */
  turnStarted(): void {
    this.#turnStartedAt = this.#options.clock.now();
  }

  /** @param total tokens generated in the whole run */
  tokenGenerated(total: number): void {
    if (this.#turnStartedAt !== undefined)
      this.#firstTokenMs = this.#options.clock.now() - this.#turnStartedAt;
    this.#turnStartedAt = undefined;
    this.generatedTokens = total;
    this.changed();
  }

  /** The scheduler says whether it computes. */
  onDevice(isRunning: boolean): void {
    if (isRunning) this.#enter('running', '');
    else if (this.#state === 'running') this.#enter('ready', 'waiting for the device');
  }

  onDivergence(divergence: Divergence): void {
    this.#options.onDivergence?.(this, divergence);
  }

  /** The program that it works for has its answer, and asks again or does not. */
  callerLeft(): void {
    if (this.#isPaused) this.#enter('paused', byYou);
    else this.#enter('waiting', 'for its program to go on');
  }

  callerCame(): void {
    if (this.#state === 'waiting') this.#enter('ready', '');
  }

  /** A tool works for it. */
  toolStarted(tool: string): void {
    this.#enter('waiting', `running ${tool}`);
  }

  /** A person must decide about `what`; the tool waits with it. */
  personAsked(what: string): void {
    this.#enter('blocked', `waiting for you: ${what}`);
  }

  personAnswered(): void {
    if (this.#state === 'blocked') this.#enter('waiting', '');
  }

  toolEnded(): void {
    if (this.#isPaused) this.#enter('paused', byYou);
    else this.#enter('ready', '');
  }

  pause(reason = byYou): void {
    this.#isPaused = true;
    if (this.#state === 'ready' || this.#state === 'running') this.#enter('paused', reason);
    else this.changed();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#state === 'paused') this.#enter('ready', '');
    else this.changed();
    this.#resumed.fire(undefined);
  }

  /** It goes on where it was when the kernel before this one ended. */
  goOn(): void {
    this.#enter('ready', 'goes on after a restart');
  }

  /**
   * Resolves as soon as it is not paused.
   * @throws KernelError `cancelled`
   */
  async untilResumed(): Promise<void> {
    const { signal } = this.cancellation;
    if (!this.#isPaused) return;
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => reject(new KernelError('cancelled', 'the agent was stopped'));
      const subscription = this.#resumed.event(() => {
        subscription.dispose();
        signal.removeEventListener('abort', stop);
        resolve();
      });
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
    });
  }

  exit(report: AgentReport): void {
    this.#report = report;
    this.#enter('exited', report.error?.message ?? '');
  }

  /** Announces a change of a counter. */
  changed(): void {
    this.#options.onChange(this);
  }

  row(): AgentRow {
    const { usage } = this;
    return {
      pid: this.pid,
      name: this.#shownName,
      task: this.task,
      state: this.#state,
      reason: this.#shownReason,
      outcome: this.#report?.state,
      isPaused: this.#isPaused,
      class: this.entity.class,
      nice: this.entity.nice,
      promptTokens: this.promptTokens,
      generatedTokens: this.generatedTokens,
      tokensPerSecond: usage.decodeMs > 0 ? round((1000 * usage.decodedTokens) / usage.decodeMs) : 0,
      kvBytes: usage.residentTokens * this.#options.kvBytesPerToken,
      tier: usage.residentTokens > 0 ? 'slots' : (this.#options.tierOf?.(this) ?? 'none'),
      deviceMs: round(usage.prefillMs + usage.decodeMs),
      waitMs: round(usage.queuedMs),
      firstTokenMs: this.#firstTokenMs === null ? null : round(this.#firstTokenMs),
    };
  }

  /** What it would be remembered by, were this its end. */
  reportOf(outcome: AgentOutcome, error?: ErrorData): AgentReport {
    const { usage } = this;
    return {
      pid: this.pid,
      name: this.#shownName,
      task: this.task,
      state: outcome,
      answer: this.answer,
      error: error ?? null,
      toolCalls: this.toolCalls,
      tokens: {
        prompt: this.promptTokens,
        generated: this.generatedTokens,
        reused: usage.reusedTokens,
      },
      ms: {
        queued: round(usage.queuedMs),
        prefill: round(usage.prefillMs),
        decode: round(usage.decodeMs),
        tools: round(this.toolCalls.reduce((sum, call) => sum + call.ms, 0)),
        total: round(this.#options.clock.now() - this.#startedAt),
      },
    };
  }

  /** Paused or not, a tool goes on and a question stays open; that the agent will rest then is said beside it. */
  get #shownReason(): string {
    const isHeld = this.#isPaused && (this.#state === 'waiting' || this.#state === 'blocked');
    return isHeld ? [this.#reason, byYou].filter((part) => part !== '').join('; ') : this.#reason;
  }

  get #shownName(): string {
    const { owner, worksFor } = this.#options;
    return [owner?.name, worksFor, this.definition.name].filter((part) => part !== undefined).join('/');
  }

  #enter(state: AgentState, reason: string): void {
    if (state !== this.#state) assertTransition(this.#state, state);
    this.#state = state;
    this.#reason = reason;
    this.changed();
  }
}

/** Of an agent that is spawned now. */
const pastOf = ({ class: priority, nice }: AgentDefinition): AgentPast => ({
  ...{ messages: [], toolCalls: [], tokens: { prompt: 0, generated: 0 } },
  ...{ class: priority, nice, ageMs: 0, inherited: undefined },
});

const byYou = 'paused by you';

const round = (value: number): number => Math.round(value * 10) / 10;
