/**
 * Many agents on a simulated device in virtual time, scheduled by the code that schedules real ones, and what came of
 * it: shares, waits, order, swapping, and what the queue costs. For tests and benchmarks; nothing of the product
 * imports it. The same options give the same run, which the hash of its trace shows; only the figures in `cost` are
 * real time.
 */

import { createHash } from 'node:crypto';
import { costsOf, type DeviceProfile } from '../../hal/deviceModel.js';
import type { InferenceDriver, Token } from '../../hal/driver.js';
import { createManualClock, type ManualClock } from '../../hal/manualClock.js';
import { createSimulatedDriver, type SimulatedStep } from '../../hal/simulated.js';
import { invariant } from '../../shared/errors.js';
import { SwapSpace } from '../kv/swapSpace.js';
import { ageingBoundMs } from './ageing.js';
import { FairQueue } from './fairQueue.js';
import { Heap } from './heap.js';
import { deviceMsOf } from './job.js';
import { createEntity, type Entity } from './runQueue.js';
import { Scheduler } from './scheduler.js';
import {
  kinds,
  randomNumbers,
  sharesOfAgents,
  sharesOfUsers,
  SimulatedAgent,
  SimulatedTurn,
} from './simulatedAgent.js';

export interface SimulationOptions {
  readonly agents: number;
  readonly users: number;
  readonly slots: number;
  readonly steps: number;
  readonly seed: number;
  readonly device: DeviceProfile;
  /** Memory for the state of agents without a slot. */
  readonly swapBytes: number;
  /** Real time in ms, for what the queue costs. */
  readonly realTime: () => number;
}

export interface SimulationFigures {
  readonly steps: number;
  /** Virtual time. */
  readonly seconds: number;
  readonly tokens: number;
  /** SHA-256 over who got the device when, and what each step did in which slot. */
  readonly trace: string;
  /**
   * Device time received over weight, of all users, and of the agents that always want the device, in the second half:
   * bursts are spent once, and who has a small weight waits for its first request once.
   */
  readonly shares: { readonly users: readonly number[]; readonly agents: readonly number[] };
  readonly waits: {
    readonly interactiveMs: readonly number[];
    /** The longest wait of anybody, as a part of the ageing bound. */
    readonly overBound: number;
  };
  /** Steps in which an interactive agent sat out that was due, while one of another class that was not computed. */
  readonly inversions: number;
  readonly swaps: {
    readonly saves: number;
    readonly loads: number;
    /** Virtual time that state took to move, as a part of all. */
    readonly timeShare: number;
    /** Prompt tokens that were computed over those that had to be. */
    readonly prefillOverNeeded: number;
  };
  readonly cost: {
    /** Choosing who runs, from the queue as it is in each step. */
    readonly pickUs: readonly number[];
    /** All that happens between two steps, the agents' own work included. */
    readonly betweenStepsUs: readonly number[];
  };
}

/** The interactive together ask for about a fifth of the device. */
const thinkMsPerInteractive = 250;
const contextTokens = 512;

export async function simulate(options: SimulationOptions): Promise<SimulationFigures> {
  const simulation = new Simulation(options);
  await simulation.run();
  return simulation.figures();
}

interface Sleeper {
  readonly until: number;
  readonly id: number;
  readonly wake: () => void;
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: () => number;
  readonly #clock: ManualClock;
  readonly #driver: InferenceDriver;
  readonly #queue = new FairQueue();
  readonly #agents: SimulatedAgent[] = [];
  readonly #running = new Set<SimulatedAgent>();
  readonly #asleep = new Heap<Sleeper>((a, b) => a.until < b.until || (a.until === b.until && a.id < b.id));
  readonly #trace = createHash('sha256');
  readonly #states = new Map<string, readonly Token[]>();
  readonly #vocabulary: readonly Token[];
  #thinkMs = 0;
  #isOver = false;
  #steps = 0;
  #lastStepAt = 0;
  #lastStepEndedAt = 0;
  #isInStep = false;
  #longestStepMs = 0;
  #lastStepEnd: number | undefined;
  #neededTokens = 0;
  #overBound = 0;
  #inversions = 0;
  #saves = 0;
  #loads = 0;
  readonly #interactiveWaits: number[] = [];
  readonly #pickUs: number[] = [];
  readonly #betweenStepsUs: number[] = [];
  #onFinished = (): void => undefined;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = randomNumbers(options.seed);
    const clock = createManualClock();
    const advance = (ms: number): void => {
      clock.advance(ms);
      if (this.#isInStep) this.#lastStepEndedAt = clock.now();
      this.#isInStep = false;
      this.#wakeDue();
    };
    this.#clock = { ...clock, advance };
    this.#driver = createSimulatedDriver({
      ...costsOf(options.device),
      clock: this.#clock,
      slots: options.slots,
      contextTokens,
      states: this.#states,
      respond: () => 'word '.repeat(100),
      fault: (step) => this.#onStep(step),
      stateFault: ({ kind }) => this.#onMove(kind),
    });
    this.#vocabulary = Array.from({ length: 97 }, (_, index) => this.#driver.tokenize(`w${index}`)).flat();
    for (let id = 1; id <= options.agents; id++) this.#agents.push(this.#createAgent(id));
    const thinking = this.#agents.filter(({ kind }) => kind.thinks).length;
    this.#thinkMs = thinking * thinkMsPerInteractive;
  }

  async run(): Promise<void> {
    const { swapBytes, device } = this.#options;
    const swap = new SwapSpace({
      driver: this.#driver,
      quotaBytes: swapBytes,
      files: {
        path: (name) => name,
        bytes: (name) => Promise.resolve((this.#states.get(name)?.length ?? 0) * device.kvBytesPerToken),
        remove: (name) => Promise.resolve(void this.#states.delete(name)),
      },
    });
    const finished = new Promise<void>((resolve) => (this.#onFinished = resolve));
    const scheduler = new Scheduler({ driver: this.#driver, clock: this.#clock, queue: this.#queue, swap });
    const lives = this.#agents.map((agent) => this.#live(agent, scheduler));
    await finished;
    for (const agent of this.#agents) this.#judgeWait(agent);
    this.#isOver = true;
    for (const { stop } of this.#agents) stop.abort();
    await scheduler.stop();
    for (let sleeper = this.#asleep.pop(); sleeper !== undefined; sleeper = this.#asleep.pop())
      sleeper.wake();
    await Promise.all(lives);
    await this.#driver[Symbol.asyncDispose]();
  }

  #onDevice(agent: SimulatedAgent): void {
    if (this.#isOver) return;
    this.#trace.update(`${this.#clock.now()} ${agent.entity.id} ${agent.isRunning}\n`);
    if (agent.isRunning) {
      this.#running.add(agent);
      this.#judgeWait(agent);
      if (agent.kind.thinks) {
        this.#interactiveWaits.push(this.#clock.now() - (agent.waitingSince ?? this.#clock.now()));
      }
      agent.waitingSince = undefined;
    } else {
      this.#running.delete(agent);
      agent.waitingSince = this.#clock.now();
    }
  }

  figures(): SimulationFigures {
    const usages = this.#agents.map(({ usage }) => usage);
    const sum = (of: (usage: (typeof usages)[number]) => number): number =>
      usages.reduce((total, usage) => total + of(usage), 0);
    const prefillTokens = sum((usage) => usage.prefillTokens);
    return {
      steps: this.#steps,
      seconds: this.#lastStepAt / 1000,
      tokens: prefillTokens + sum((usage) => usage.decodedTokens),
      trace: this.#trace.copy().digest('hex'),
      shares: { users: sharesOfUsers(this.#agents), agents: sharesOfAgents(this.#agents) },
      waits: { interactiveMs: this.#interactiveWaits, overBound: this.#overBound },
      inversions: this.#inversions,
      swaps: {
        saves: this.#saves,
        loads: this.#loads,
        timeShare: sum((usage) => usage.swapMs) / sum(deviceMsOf),
        prefillOverNeeded: prefillTokens / this.#neededTokens,
      },
      cost: { pickUs: this.#pickUs, betweenStepsUs: this.#betweenStepsUs },
    };
  }

  #createAgent(id: number): SimulatedAgent {
    const { users } = this.#options;
    let dice = this.#random() * 100;
    const kind = kinds.find(({ percent }) => (dice -= percent) < 0) ?? kinds.at(-1);
    invariant(kind !== undefined, 'there is a kind of agent');
    // The first users have most of the agents, and no more of the device for that.
    const user = `user ${Math.floor(users * this.#random() ** 2)}`;
    return new SimulatedAgent(
      (agent) => this.#onDevice(agent),
      createEntity(id, kind.class, Math.floor(this.#random() * 11) - 5, user),
      kind,
    );
  }

  /** A conversation after the other, each turn longer than the last, until the simulation ends. */
  async #live(agent: SimulatedAgent, scheduler: Scheduler): Promise<void> {
    const { signal } = agent.stop;
    const { promptTokens, outputTokens, thinks } = agent.kind;
    let tokens: Token[] = [];
    while (!signal.aborted) {
      if (thinks) await this.#sleep(agent, this.#thinkMs * 2 * this.#random());
      const output = 1 + Math.floor(2 * outputTokens * this.#random());
      const added = Math.max(2, Math.floor(2 * promptTokens * this.#random()));
      if (tokens.length + added + output > contextTokens) tokens = [];
      // What is resident of a conversation is all but its last token.
      const neededTokens = added + Math.min(1, tokens.length);
      for (let count = 0; count < added; count++) tokens.push(this.#word(tokens.length, agent.entity.id));
      const turn = new SimulatedTurn(tokens, output, () => (this.#neededTokens += neededTokens));
      await scheduler.compute(agent, turn, signal).catch(() => undefined);
    }
  }

  /** Conversations differ from their first words on. */
  #word(position: number, id: number): Token {
    const index = position < 4 ? Math.floor(id / 97 ** position) : Math.floor(this.#random() * 97);
    const token = this.#vocabulary[index % 97];
    invariant(token !== undefined, 'there are 97 words');
    return token;
  }

  #sleep({ entity }: SimulatedAgent, ms: number): Promise<void> {
    return new Promise((wake) => this.#asleep.push({ until: this.#clock.now() + ms, id: entity.id, wake }));
  }

  #wakeDue(): void {
    for (let next = this.#asleep.peek(); next !== undefined; next = this.#asleep.peek()) {
      if (next.until > this.#clock.now()) break;
      this.#asleep.pop();
      next.wake();
    }
  }

  /** Called when all that this step does is decided. */
  #onStep({ work }: SimulatedStep): undefined {
    if (this.#steps === this.#options.steps) {
      this.#onFinished();
      return;
    }
    const { realTime, slots } = this.#options;
    const start = realTime();
    const due = this.#queue.pick(slots);
    this.#pickUs.push((realTime() - start) * 1000);
    if (this.#lastStepEnd !== undefined) this.#betweenStepsUs.push((start - this.#lastStepEnd) * 1000);
    this.#longestStepMs = Math.max(this.#longestStepMs, this.#clock.now() - this.#lastStepAt);
    this.#lastStepAt = this.#clock.now();
    this.#steps++;
    if (this.#steps === Math.floor(this.#options.steps / 2)) {
      for (const agent of this.#agents) agent.halfTimeMs = deviceMsOf(agent.usage);
    }
    this.#trace.update(
      work.map(({ slot, tokens }) => `${slot.id}:${slot.length}+${tokens.length}`).join(' '),
    );
    this.#checkOrder(due);
    this.#isInStep = true;
    this.#lastStepEnd = realTime();
  }

  #onMove(kind: 'save' | 'load'): undefined {
    if (kind === 'save') this.#saves++;
    else this.#loads++;
  }

  /**
   * Whoever is due and interactive computes, unless everybody who computes is as urgent or due before. Who came while
   * state moved, after the step was decided, is part of the next.
   */
  #checkOrder(due: readonly Entity[]): void {
    const late = due.findIndex(({ class: priority, id }) => {
      const since = this.#agents[id - 1]?.waitingSince;
      return priority === 'interactive' && since !== undefined && since <= this.#lastStepEndedAt;
    });
    if (late < 0) return;
    const before = new Set(due.slice(0, late));
    const isLess = ({ entity }: SimulatedAgent): boolean =>
      entity.class !== 'interactive' && !before.has(entity);
    if ([...this.#running].some(isLess)) this.#inversions++;
  }

  #judgeWait({ entity, waitingSince }: SimulatedAgent): void {
    if (waitingSince === undefined || !this.#queue.has(entity)) return;
    const device = { stepMs: this.#longestStepMs, seats: this.#options.slots };
    const bound = ageingBoundMs(entity, this.#queue.loadOf(entity, device));
    this.#overBound = Math.max(this.#overBound, (this.#clock.now() - waitingSince) / bound);
  }
}
