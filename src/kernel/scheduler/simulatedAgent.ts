/**
 * The agents of a simulation: what kinds there are, how they use the device, and what they got of it. They say nothing
 * that means anything; only the lengths of their prompts and answers count.
 */

import type { Sampling, Token } from '../../hal/driver.js';
import type { PriorityClass } from '../../shared/agentDefinition.js';
import { deviceMsOf, noUsage, type Client, type Turn } from './job.js';
import type { Entity } from './runQueue.js';

export interface Kind {
  readonly class: PriorityClass;
  /** Of a hundred agents. */
  readonly percent: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  /** Whether it waits for a person between its turns. */
  readonly thinks: boolean;
}

export const kinds: readonly Kind[] = [
  { class: 'interactive', percent: 1, promptTokens: 16, outputTokens: 12, thinks: true },
  { class: 'normal', percent: 20, promptTokens: 64, outputTokens: 32, thinks: false },
  { class: 'batch', percent: 79, promptTokens: 128, outputTokens: 64, thinks: false },
];

/** Numerical Recipes' linear congruential generator, in [0, 1). */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

export class SimulatedAgent implements Client {
  readonly entity: Entity;
  readonly kind: Kind;
  readonly usage = noUsage();
  readonly isPaused = false;
  readonly stop = new AbortController();
  isRunning = false;
  /** Since when it wants the device without having it. */
  waitingSince: number | undefined;
  /** Device time it had received at half-time. */
  halfTimeMs = 0;
  readonly #onDevice: (agent: SimulatedAgent) => void;

  constructor(onDevice: (agent: SimulatedAgent) => void, entity: Entity, kind: Kind) {
    this.#onDevice = onDevice;
    this.entity = entity;
    this.kind = kind;
  }

  /** In the second half. */
  get receivedMs(): number {
    return deviceMsOf(this.usage) - this.halfTimeMs;
  }

  onDevice(isRunning: boolean): void {
    this.isRunning = isRunning;
    this.#onDevice(this);
  }
}

/** A turn of a fixed number of tokens. */
export class SimulatedTurn implements Turn {
  readonly tokens: Token[];
  readonly sampling: Sampling = { temperature: 0, constraint: undefined };
  #left: number;
  #onPromptDone: (() => void) | undefined;

  constructor(tokens: Token[], outputTokens: number, onPromptDone: () => void) {
    this.tokens = tokens;
    this.#left = outputTokens;
    this.#onPromptDone = onPromptDone;
  }

  accept(token: Token): 'continue' | 'done' {
    this.#onPromptDone?.();
    this.#onPromptDone = undefined;
    this.tokens.push(token);
    return --this.#left > 0 ? 'continue' : 'done';
  }
}

export function sharesOfUsers(agents: readonly SimulatedAgent[]): number[] {
  const received = new Map<string, number>();
  for (const agent of agents)
    received.set(agent.entity.user, (received.get(agent.entity.user) ?? 0) + agent.receivedMs);
  return [...received.values()];
}

/** Within a user by weight, so that the users' different numbers of agents do not count. */
export function sharesOfAgents(agents: readonly SimulatedAgent[]): number[] {
  const busy = agents.filter(({ kind }) => !kind.thinks);
  const byUser = new Map<string, { readonly received: number; readonly weight: number }>();
  for (const { entity, receivedMs } of busy) {
    const { received, weight } = byUser.get(entity.user) ?? { received: 0, weight: 0 };
    byUser.set(entity.user, { received: received + receivedMs, weight: weight + entity.weight });
  }
  return busy.map(({ entity, receivedMs }) => {
    const { received, weight } = byUser.get(entity.user) ?? { received: 0, weight: 1 };
    return received === 0 ? 1 : receivedMs / entity.weight / (received / weight);
  });
}
