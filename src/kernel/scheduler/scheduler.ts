/**
 * The only queue: decides which clients hold a slot, what each computes, and runs it, one device step at a time.
 * Nothing else in the kernel calls the driver's `step`. The policy is in RunQueue and planStep, which are pure; this
 * file is the mechanism.
 *
 * One turn of the loop:
 *   - pick the eligible jobs and give them slots,
 *   - cut the step: one token for who decodes, a slice for who prefills,
 *   - run it as one device batch,
 *   - charge the measured time, hand out the tokens.
 * One client's failure ends that client's turn and nothing else.
 */

import type { Clock } from '../../hal/clock.js';
import type { InferenceDriver, Slot, StepResult, Token } from '../../hal/driver.js';
import type { PriorityClass } from '../../shared/agentDefinition.js';
import { KernelError, invariant, messageOf } from '../../shared/errors.js';
import { Job, type Client, type Turn } from './job.js';
import { Residency } from './residency.js';
import { RunQueue, type Entity } from './runQueue.js';
import { StepCost } from './stepCost.js';
import { planStep, type Candidate, type PlannedWork } from './stepPlan.js';

export class Scheduler {
  readonly #driver: InferenceDriver;
  readonly #clock: Clock;
  readonly #queue = new RunQueue();
  readonly #residency: Residency;
  readonly #cost = new StepCost();
  readonly #jobs = new Map<Entity, Job>();
  #running = new Set<Job>();
  #wake: (() => void) | undefined;
  #stepStart: number | undefined;
  #stopped = false;
  readonly #loop: Promise<void>;

  constructor(driver: InferenceDriver, clock: Clock) {
    this.#driver = driver;
    this.#clock = clock;
    this.#residency = new Residency(driver.slots);
    this.#loop = this.#run();
  }

  /**
   * Computes a turn to its end. One turn per client at a time.
   * @throws KernelError `cancelled` as soon as `signal` is aborted, though a step in flight still ends with it;
   * `deviceFailed`; `limitReached` when the context is full.
   */
  compute(client: Client, turn: Turn, signal: AbortSignal): Promise<void> {
    invariant(!this.#jobs.has(client.entity), 'one turn per client');
    if (signal.aborted) return Promise.reject(new KernelError('cancelled', 'the agent was stopped'));
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#end(job, new KernelError('cancelled', 'the agent was stopped'));
      const job = new Job(client, turn, this.#clock.now(), (error) => {
        signal.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      });
      signal.addEventListener('abort', onAbort, { once: true });
      this.#jobs.set(client.entity, job);
      // Its last turn may have ended on the device; this one waits for it.
      client.onDevice(false);
      this.#enqueue(job);
    });
  }

  /** Withholds the device from the next step on. */
  pause(client: Client): void {
    const job = this.#jobs.get(client.entity);
    if (job === undefined || job.isPaused) return;
    job.isPaused = true;
    this.#queue.remove(client.entity);
    if (!this.#running.has(job)) client.usage.queuedMs += Math.max(0, this.#clock.now() - job.waitingSince);
  }

  resume(client: Client): void {
    const job = this.#jobs.get(client.entity);
    if (job?.isPaused !== true) return;
    job.isPaused = false;
    job.waitingSince = this.#clock.now();
    this.#enqueue(job);
    // Paused and resumed within one step, which it has never left.
    if (this.#running.has(job)) client.onDevice(true);
  }

  retune(client: Client, priority: PriorityClass, nice: number): void {
    this.#queue.retune(client.entity, priority, nice);
  }

  /** The client will compute no more: its slot is free. */
  release(client: Client): void {
    invariant(!this.#jobs.has(client.entity), 'a client with an open turn is not released');
    this.#residency.release(client);
    client.usage.residentTokens = 0;
  }

  /** How long the step in flight has been running, in ms; a step that does not end is a stalled engine. */
  get stepAgeMs(): number {
    return this.#stepStart === undefined ? 0 : this.#clock.now() - this.#stepStart;
  }

  /** Ends every open turn as cancelled, and the loop after the step in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const job of [...this.#jobs.values()])
      this.#end(job, new KernelError('cancelled', 'the kernel is stopping'));
    this.#wake?.();
    await this.#loop;
  }

  #enqueue(job: Job): void {
    if (job.isPaused) return;
    this.#queue.add(job.client.entity);
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const plan = this.#plan();
      this.#markRunning(new Set(plan.map(({ job }) => job)));
      if (plan.length > 0) await this.#step(plan);
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #plan(): PlannedWork[] {
    const now = this.#clock.now();
    const busy = new Set<Client>();
    const candidates: Candidate[] = [];
    const seat = (job: Job): void => {
      const slot = this.#residency.acquire(job, { busy, now });
      if (slot === undefined) return;
      busy.add(job.client);
      candidates.push({ job, slot, missing: job.turn.tokens.length - residentPrefix(job, slot) });
    };
    for (const entity of this.#queue.pick(this.#queue.size)) {
      if (candidates.length === this.#driver.info.slots) break;
      const job = this.#jobs.get(entity);
      invariant(job !== undefined, 'a queued entity has a job');
      seat(job);
    }
    // Every slot is held by a better claim than those of the eligible. The holders go on, ahead of their share as they
    // are: an idle device helps nobody, and what they have computed is not thrown away.
    if (candidates.length === 0) this.#residency.computing().forEach(seat);
    return candidates.length === 0 ? [] : planStep(candidates, this.#cost, this.#driver.info.batchTokens);
  }

  #markRunning(running: Set<Job>): void {
    const now = this.#clock.now();
    for (const job of this.#running) {
      if (running.has(job) || !this.#isOpen(job)) continue;
      job.waitingSince = now;
      job.client.onDevice(false);
    }
    for (const job of running) {
      if (this.#running.has(job)) continue;
      job.client.usage.queuedMs += Math.max(0, now - job.waitingSince);
      job.client.onDevice(true);
    }
    this.#running = running;
  }

  async #step(plan: readonly PlannedWork[]): Promise<void> {
    const start = this.#clock.now();
    this.#stepStart = start;
    let results: readonly StepResult[];
    try {
      await Promise.all(plan.map((work) => align(work)));
      results = await this.#driver.step(
        plan.map(({ job, slot, count }) => {
          const tokens = job.turn.tokens.slice(slot.length, slot.length + count);
          const isLast = slot.length + count === job.turn.tokens.length;
          return isLast ? { slot, tokens, sampling: job.turn.sampling } : { slot, tokens };
        }),
      );
    } catch (error) {
      results = plan.map(() => ({ ok: false, error: asError(error) }));
    }
    this.#stepStart = undefined;
    const ms = Math.max(0, this.#clock.now() - start);
    this.#charge(plan, ms);
    for (const [index, work] of plan.entries()) {
      const result = results[index] ?? {
        ok: false,
        error: new Error('the engine returned no result for it'),
      };
      if (result.ok) this.#advance(work, result.token);
      else await this.#recover(work, result.error);
    }
  }

  #charge(plan: readonly PlannedWork[], ms: number): void {
    const shares = this.#cost.shareOut(
      ms,
      plan.map(({ count }) => count),
    );
    for (const [index, { job, count, slot }] of plan.entries()) {
      const share = shares[index] ?? 0;
      const { usage, entity } = job.client;
      if (count === 1) usage.decodeMs += share;
      else [usage.prefillMs, usage.prefillTokens] = [usage.prefillMs + share, usage.prefillTokens + count];
      // Whoever was released in the middle of the step holds nothing any more.
      usage.residentTokens = this.#residency.slotOf(job.client) === slot ? slot.length : 0;
      this.#queue.charge(entity, share);
    }
    const prefillTokens = plan.reduce((sum, { count }) => sum + (count === 1 ? 0 : count), 0);
    this.#cost.observe({ prefillTokens, decodes: plan.filter(({ count }) => count === 1).length, ms });
  }

  #advance({ job }: PlannedWork, token: Token | undefined): void {
    job.failures = 0;
    if (token === undefined || !this.#isOpen(job)) return;
    job.client.usage.decodedTokens++;
    let verdict: 'continue' | 'done';
    try {
      verdict = job.turn.accept(token);
    } catch (error) {
      this.#end(job, asError(error));
      return;
    }
    if (verdict === 'done') this.#end(job);
  }

  /** The slot's state is unknown after a failure: start it afresh, and try the turn once more from the beginning. */
  async #recover({ job, slot }: PlannedWork, error: Error): Promise<void> {
    await this.#driver.reset(slot);
    job.alignedTo = undefined;
    job.client.usage.residentTokens = 0;
    if (!this.#isOpen(job)) return;
    if (error instanceof KernelError && error.code === 'limitReached') this.#end(job, error);
    else if (++job.failures > 1) {
      this.#end(
        job,
        new KernelError('deviceFailed', `the engine failed twice: ${messageOf(error)}`, { cause: error }),
      );
    }
  }

  #isOpen(job: Job): boolean {
    return this.#jobs.get(job.client.entity) === job;
  }

  /** Leaves the queue first, then wakes whoever waits for the turn. */
  #end(job: Job, error?: Error): void {
    if (!this.#isOpen(job)) return;
    this.#jobs.delete(job.client.entity);
    this.#queue.remove(job.client.entity);
    this.#residency.idle(job.client);
    if (!this.#running.has(job) && !job.isPaused) {
      job.client.usage.queuedMs += Math.max(0, this.#clock.now() - job.waitingSince);
    }
    job.finish(error);
  }
}

/**
 * How many leading tokens of the turn need not be computed again. Its last token always is, since what follows is
 * sampled from its result.
 */
function residentPrefix(job: Job, slot: Slot): number {
  if (job.alignedTo === slot) return slot.length;
  return Math.min(slot.commonPrefix(job.turn.tokens), job.turn.tokens.length - 1);
}

/** Makes the slot hold a prefix of the turn and nothing else; from then on it grows with the turn. */
async function align({ job, slot }: PlannedWork): Promise<void> {
  if (job.alignedTo === slot) return;
  const prefix = residentPrefix(job, slot);
  if (prefix < slot.length) await slot.truncate(prefix);
  job.alignedTo = slot;
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
