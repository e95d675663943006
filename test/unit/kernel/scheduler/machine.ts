/**
 * The scheduler on the simulated driver in virtual time, with clients and turns that record what they were given.
 * For tests only; the same inputs give the same run.
 */

import { setMaxListeners } from 'node:events';
import type { InferenceDriver, Sampling, Token } from '../../../../src/hal/driver.js';
import { createManualClock, type ManualClock } from '../../../../src/hal/manualClock.js';
import { createSimulatedDriver, type SimulatedOptions } from '../../../../src/hal/simulated.js';
import { SwapSpace } from '../../../../src/kernel/kv/swapSpace.js';
import { noUsage, type Client, type Turn } from '../../../../src/kernel/scheduler/job.js';
import { createEntity } from '../../../../src/kernel/scheduler/runQueue.js';
import { Scheduler } from '../../../../src/kernel/scheduler/scheduler.js';
import type { PriorityClass } from '../../../../src/shared/agentDefinition.js';

/** 2 ms a prefilled token and 10 ms a decode step, as a small model on a CPU. */
const costMs = (prefill: number, decodes: number): number => prefill * 2 + (decodes > 0 ? 10 : 0);

export interface Machine {
  readonly driver: InferenceDriver;
  readonly scheduler: Scheduler;
  readonly clock: ManualClock;
  readonly swap: SwapSpace;
  readonly troubles: readonly string[];
}

export interface MachineOptions extends Partial<SimulatedOptions> {
  /** States of any size that the memory tier holds; none unless given. */
  readonly parkedStates?: number;
}

export async function withMachine(
  { parkedStates = 0, ...options }: MachineOptions,
  body: (machine: Machine) => Promise<void>,
): Promise<void> {
  const clock = createManualClock();
  const driver = createSimulatedDriver({ respond: () => 'word '.repeat(20), clock, costMs, ...options });
  const swap = createSwap(driver, parkedStates);
  const troubles: string[] = [];
  const onTrouble = (message: string): void => void troubles.push(message);
  const scheduler = new Scheduler({ driver, clock, swap, onTrouble });
  try {
    await body({ driver, scheduler, clock, swap, troubles });
  } finally {
    await scheduler.stop();
    await driver[Symbol.asyncDispose]();
  }
}

/** The simulated driver keeps saved states itself: its files take no room but are counted as a gigabyte each. */
function createSwap(driver: InferenceDriver, states: number): SwapSpace {
  const bytes = 1e9;
  const files = {
    path: (name: string) => name,
    bytes: () => Promise.resolve(bytes),
    remove: () => Promise.resolve(),
  };
  return new SwapSpace({ driver, files, quotaBytes: states * bytes });
}

let nextId = 1;

/** Clients are numbered from 1 again. */
export const restartIds = (): void => void (nextId = 1);

export class TestClient implements Client {
  readonly entity;
  readonly usage = noUsage();
  isPaused = false;
  runs = 0;
  isRunning = false;
  constructor(priority: PriorityClass = 'normal', nice = 0) {
    this.entity = createEntity(nextId++, priority, nice);
  }
  onDevice(isRunning: boolean): void {
    this.isRunning = isRunning;
    if (isRunning) this.runs++;
  }
}

export class TestTurn implements Turn {
  readonly tokens: Token[];
  readonly sampling: Sampling = { temperature: 0, constraint: undefined };
  readonly times: number[] = [];
  readonly #machine: Machine;
  readonly #limit: number;
  constructor(machine: Machine, promptWords: number, limit = 20, word = 'prompt') {
    this.#machine = machine;
    this.#limit = limit;
    this.tokens = machine.driver.tokenize(`${word} `.repeat(promptWords));
  }
  accept(token: Token): 'continue' | 'done' {
    this.times.push(this.#machine.clock.now());
    if (this.#machine.driver.isEndOfTurn(token) || this.times.length >= this.#limit) return 'done';
    this.tokens.push(token);
    return 'continue';
  }
}

export const never = new AbortController().signal;
setMaxListeners(0, never);
