/**
 * One agent: what it is, where it is in its life, what it has used. This file holds its state; what an agent does
 * is in loop.ts. Every change of state passes `#enter`, which knows the legal ones, and is announced after it is
 * made.
 */

import type { ChatMessage } from '../../hal/driver.js';
import type { Clock } from '../../hal/clock.js';
import type { AgentDefinition } from '../../shared/agentDefinition.js';
import { assertTransition, type AgentOutcome, type AgentState } from '../../shared/agentState.js';
import type { ErrorData } from '../../shared/errors.js';
import type { AgentReport, AgentRow, Pid, ToolCallReport } from '../../shared/protocol.js';
import { noUsage, type Client } from '../scheduler/job.js';
import { createEntity, type Entity } from '../scheduler/runQueue.js';

export interface AgentOptions {
  readonly pid: Pid;
  readonly definition: AgentDefinition;
  readonly task: string;
  readonly workspaceRoot: string;
  readonly clock: Clock;
  readonly kvBytesPerToken: number;
  /** Told after every change that a row shows. */
  readonly onChange: (agent: Agent) => void;
}

export class Agent implements Client {
  readonly pid: Pid;
  readonly definition: AgentDefinition;
  readonly task: string;
  readonly workspaceRoot: string;
  readonly entity: Entity;
  readonly usage = noUsage();
  readonly messages: ChatMessage[] = [];
  readonly toolCalls: ToolCallReport[] = [];
  /** Tokens of the longest prompt so far and of everything generated. Written by the loop. */
  promptTokens = 0;
  generatedTokens = 0;
  /** What the model said last. Written by the loop. */
  answer = '';
  /** Aborted once, by `stop`; everything the agent waits for listens. */
  readonly cancellation = new AbortController();

  readonly #options: AgentOptions;
  readonly #startedAt: number;
  #state: AgentState = 'ready';
  #reason = '';
  #isPaused = false;
  #outcome: AgentOutcome | undefined;
  #error: ErrorData | undefined;
  #endedAt: number | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.pid = options.pid;
    this.definition = options.definition;
    this.task = options.task;
    this.workspaceRoot = options.workspaceRoot;
    this.entity = createEntity(options.pid, options.definition.class, options.definition.nice);
    this.#startedAt = options.clock.now();
  }

  get state(): AgentState {
    return this.#state;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  get isLive(): boolean {
    return this.#state !== 'exited';
  }

  /** The scheduler says whether it computes. */
  onDevice(isRunning: boolean): void {
    if (isRunning) this.#enter('running', '');
    else if (this.#state === 'running') this.#enter('ready', 'waiting for the device');
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
    if (this.#isPaused) this.#enter('paused', 'paused by you');
    else this.#enter('ready', '');
  }

  pause(): void {
    this.#isPaused = true;
    if (this.#state === 'ready' || this.#state === 'running') this.#enter('paused', 'paused by you');
    else this.changed();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#state === 'paused') this.#enter('ready', '');
    else this.changed();
  }

  exit(outcome: AgentOutcome, error?: ErrorData): void {
    this.#outcome = outcome;
    this.#error = error;
    this.#endedAt = this.#options.clock.now();
    this.#enter('exited', error?.message ?? '');
  }

  /** Announces a change of a counter. */
  changed(): void {
    this.#options.onChange(this);
  }

  row(): AgentRow {
    const { usage } = this;
    return {
      pid: this.pid,
      name: this.definition.name,
      task: this.task,
      state: this.#state,
      reason: this.#reason,
      outcome: this.#outcome,
      class: this.entity.class,
      nice: this.entity.nice,
      promptTokens: this.promptTokens,
      generatedTokens: this.generatedTokens,
      tokensPerSecond: usage.decodeMs > 0 ? round((1000 * usage.decodedTokens) / usage.decodeMs) : 0,
      kvBytes: usage.residentTokens * this.#options.kvBytesPerToken,
      waitMs: round(usage.queuedMs),
    };
  }

  /** Only after `exit`. */
  report(): AgentReport {
    const { usage } = this;
    return {
      pid: this.pid,
      name: this.definition.name,
      task: this.task,
      state: this.#outcome ?? 'failed',
      answer: this.answer,
      error: this.#error ?? null,
      toolCalls: this.toolCalls,
      tokens: { prompt: this.promptTokens, generated: this.generatedTokens },
      ms: {
        queued: round(usage.queuedMs),
        prefill: round(usage.prefillMs),
        decode: round(usage.decodeMs),
        tools: round(this.toolCalls.reduce((sum, call) => sum + call.ms, 0)),
        total: round((this.#endedAt ?? this.#options.clock.now()) - this.#startedAt),
      },
    };
  }

  #enter(state: AgentState, reason: string): void {
    if (state !== this.#state) assertTransition(this.#state, state);
    this.#state = state;
    this.#reason = reason;
    this.changed();
  }
}

const round = (value: number): number => Math.round(value * 10) / 10;
