/**
 * The only queue: decides which clients hold a slot, what each computes, and runs it, one device step at a time.
 * Nothing else in the kernel calls the driver's `step`. The policy is in FairQueue and planStep, this is the mechanism.
 *
 * One turn of the loop:
 *   - seat the eligible jobs, most urgent first; who has a weaker claim loses its slot,
 *   - move attention state: out of slots that change hands, and in where that is cheaper than computing it,
 *   - cut the step: one token for who decodes, a slice for who prefills,
 *   - run it as one device batch,
 *   - charge the measured time, hand out the tokens.
 * One client's failure ends that client's turn and nothing else.
 */

import type { Clock } from '../../hal/clock.js';
import type { InferenceDriver, Slot, StepResult, Token } from '../../hal/driver.js';
import type { PriorityClass } from '../../shared/agentDefinition.js';
import { KernelError, invariant, messageOf } from '../../shared/errors.js';
import { defaultEngineSettings, type SchedulerSettings } from '../../shared/settings.js';
import type { SwapSpace } from '../kv/swapSpace.js';
import { chargeStep } from './accounting.js';
import { exhaustionOf } from './budget.js';
import { FairQueue } from './fairQueue.js';
import { Job, type Client, type Turn } from './job.js';
import { Residency, type Seat } from './residency.js';
import type { Entity } from './runQueue.js';
import { takeSeats } from './seating.js';
import { StateCopies } from './stateCopies.js';
import { StateMover } from './stateMover.js';
import { StepCost } from './stepCost.js';
import { planStep, type Candidate, type PlannedWork } from './stepPlan.js';

export interface SchedulerOptions {
  readonly driver: InferenceDriver;
  readonly clock: Clock;
  readonly settings?: SchedulerSettings;
  /** What was measured of the device so far. */
  readonly cost?: StepCost;
  /** Where state goes that has no slot; without it, it is computed again. */
  readonly swap?: SwapSpace;
  readonly onTrouble?: (message: string) => void;
  /** For whoever wants to look at it; nobody else changes it. */
  readonly queue?: FairQueue;
}

export class Scheduler {
  readonly #driver: InferenceDriver;
  readonly #clock: Clock;
  readonly #settings: SchedulerSettings;
  readonly #queue: FairQueue;
  readonly #residency: Residency;
  readonly #cost: StepCost;
  readonly #mover: StateMover;
  readonly #copies: StateCopies;
  readonly #trouble: (message: string) => void;
  readonly #jobs = new Map<Entity, Job>();
  #running = new Set<Job>();
  #wake: (() => void) | undefined;
  #busySince: number | undefined;
  #stopped = false;
  readonly #loop: Promise<void>;

  /** @throws KernelError `badRequest` for a driver without slots */
  constructor({ driver, clock, settings, cost, swap, onTrouble, queue }: SchedulerOptions) {
    if (driver.slots.length === 0) throw new KernelError('badRequest', 'the engine has no slots');
    this.#driver = driver;
    this.#clock = clock;
    this.#settings = settings ?? defaultEngineSettings;
    this.#residency = new Residency(driver.slots);
    this.#cost = cost ?? new StepCost();
    this.#queue = queue ?? new FairQueue();
    this.#trouble = onTrouble ?? (() => undefined);
    this.#mover = new StateMover({ driver, clock, stepCost: this.#cost, swap, onTrouble: this.#trouble });
    this.#copies = new StateCopies({ driver, clock, onTrouble: this.#trouble });
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
    if (this.#residency.size === 0) {
      return Promise.reject(new KernelError('deviceFailed', 'the engine lost its last slot'));
    }
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

  /** Share of the device that all clients of a user get together, against other users. */
  setUserWeight(user: string, weight: number): void {
    this.#queue.setUserWeight(user, weight);
  }

  /** Whether anything that was computed for the client is left. */
  hasStateOf(client: Client): boolean {
    return client.usage.residentTokens > 0 || this.#mover.hasStateOf(client);
  }

  /** What was computed for one client is another's from now on, wherever it lies; nothing is copied. */
  handOver(from: Client, to: Client): void {
    invariant(!this.#jobs.has(from.entity) && !this.#jobs.has(to.entity), 'state of an open turn stays');
    this.#residency.handOver(from, to);
    this.#mover.handOver(from, to);
    from.usage.residentTokens = 0;
  }

  /** The client will compute no more: its slot is free. */
  release(client: Client): void {
    invariant(!this.#jobs.has(client.entity), 'a client with an open turn is not released');
    this.#residency.release(client);
    client.usage.residentTokens = 0;
    void this.#mover.forget(client);
  }

  /**
   * Writes what is computed for the client to a new file, between two steps and where that keeps nobody waiting for
   * long. Returns its tokens; undefined where the client holds no slot, or the state could not be written.
   */
  snapshot(client: Client, path: string): Promise<readonly Token[] | undefined> {
    const copied = this.#copies.request(client, path);
    this.#wake?.();
    return copied;
  }

  /** How long the device has been at the step in flight, in ms; a step that does not end is a stalled engine. */
  get stepAgeMs(): number {
    return this.#busySince === undefined ? 0 : this.#clock.now() - this.#busySince;
  }

  /** Ends every open turn as cancelled, and the loop after the step in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const job of [...this.#jobs.values()])
      this.#end(job, new KernelError('cancelled', 'the kernel is stopping'));
    this.#wake?.();
    this.#copies.close();
    await this.#loop;
  }

  #enqueue(job: Job): void {
    if (job.isPaused) return;
    this.#queue.add(job.client.entity);
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      // Made before anything is looked at: who comes while a copy is taken is not missed.
      const woken = new Promise<void>((resolve) => (this.#wake = resolve));
      const seats = this.#seat();
      const budgetMs = seats.length === 0 ? Infinity : this.#settings.interactiveTargetMs / 2;
      if (await this.#copies.serveOne(this.#residency, budgetMs)) continue;
      if (seats.length === 0) {
        this.#markRunning(new Set());
        await woken;
        continue;
      }
      this.#busySince = this.#clock.now();
      const candidates = await this.#settle(seats);
      const plan = candidates.length === 0 ? [] : this.#plan(candidates);
      this.#markRunning(new Set(plan.map(({ job }) => job)));
      if (plan.length > 0) await this.#step(plan);
      // Whatever kept everybody from computing needs the event loop to change.
      else await new Promise((resolve) => setImmediate(resolve));
      this.#busySince = undefined;
    }
  }

  #seat(): Seat[] {
    return takeSeats({
      queue: this.#queue,
      residency: this.#residency,
      now: this.#clock.now(),
      stepMs: this.#settings.interactiveTargetMs,
      jobOf: (entity) => {
        const job = this.#jobs.get(entity);
        invariant(job !== undefined, 'a queued entity has a job');
        return job;
      },
      switchMs: (slot) => this.#mover.switchMs(slot),
    });
  }

  /**
   * Moves state until every seat holds what it can of its turn. Who waits for another's prompt gives it its place in
   * the step; who fails is left out.
   */
  async #settle(first: readonly Seat[]): Promise<Candidate[]> {
    const candidates: Candidate[] = [];
    const seats = [...first];
    for (const { job, slot, evicted } of seats) {
      if (evicted !== undefined) await this.#charged(job, this.#mover.keep(evicted, slot));
      if (!this.#isOpen(job)) continue;
      if (job.alignedTo !== slot) {
        const leader = job.insertion === undefined ? this.#leaderOf(job, slot) : undefined;
        if (leader !== undefined) {
          if (seats.every((seat) => seat.job !== leader.job)) seats.push(leader);
          continue;
        }
        if (!(await this.#bring(job, slot))) continue;
      }
      candidates.push({ job, slot, missing: job.missingIn(slot) });
    }
    // Much can happen while state moves.
    return candidates.filter(
      ({ job, slot }) => this.#isOpen(job) && !job.isPaused && this.#residency.slotOf(job.client) === slot,
    );
  }

  /** Who computes the prompt of this job already, further than anybody else, and will be copied. */
  #leaderOf(job: Job, slot: Slot): Seat | undefined {
    for (const other of this.#residency.computing()) {
      const theirs = other.alignedTo;
      if (theirs === undefined || other.urgency > job.urgency) continue;
      if (this.#mover.awaits(job, slot, other)) return { job: other, slot: theirs, evicted: undefined };
    }
    return undefined;
  }

  async #bring(job: Job, slot: Slot): Promise<boolean> {
    const { usage } = job.client;
    try {
      const own = usage.residentTokens;
      const length = await this.#charged(job, this.#mover.bring(job, slot, this.#residency.slots()));
      usage.reusedTokens += Math.max(0, length - own);
      return true;
    } catch (error) {
      await this.#recover(job, slot, asError(error));
      return false;
    }
  }

  /** The time that state takes to move, out of a slot or into it, belongs to whoever comes in. */
  async #charged<T>({ client }: Job, move: Promise<T>): Promise<T> {
    const start = this.#clock.now();
    try {
      return await move;
    } finally {
      const ms = Math.max(0, this.#clock.now() - start);
      client.usage.swapMs += ms;
      this.#queue.charge(client.entity, ms);
    }
  }

  #plan(candidates: readonly Candidate[]): PlannedWork[] {
    const { batchTokens } = this.#driver.info;
    return planStep(candidates, { cost: this.#cost, batchTokens, targets: this.#settings });
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
    let results: readonly StepResult[];
    try {
      results = await this.#driver.step(plan.map(({ job, slot, count }) => job.workIn(slot, count)));
    } catch (error) {
      results = plan.map(() => ({ ok: false, error: asError(error) }));
    }
    const ms = Math.max(0, this.#clock.now() - start);
    chargeStep(plan, ms, { cost: this.#cost, queue: this.#queue, residency: this.#residency });
    for (const [index, work] of plan.entries()) {
      const result = results[index] ?? {
        ok: false,
        error: new Error('the engine returned no result for it'),
      };
      if (result.ok) this.#advance(work, result.token);
      else await this.#recover(work.job, work.slot, result.error);
    }
  }

  #advance({ job }: PlannedWork, token: Token | undefined): void {
    job.failures = 0;
    if (!this.#isOpen(job)) return;
    if (token === undefined) {
      this.#endSpent(job);
      return;
    }
    job.client.usage.decodedTokens++;
    for (const budget of job.client.budgets ?? []) budget.charge({ tokens: 1 });
    let verdict: 'continue' | 'done';
    try {
      verdict = job.turn.accept(token);
    } catch (error) {
      this.#end(job, asError(error));
      return;
    }
    if (verdict === 'done') this.#end(job);
    else this.#endSpent(job);
  }

  #endSpent(job: Job): void {
    const exhaustion = exhaustionOf(job.client.budgets ?? []);
    if (exhaustion !== undefined) this.#end(job, new KernelError('limitReached', exhaustion));
  }

  /** The slot's state is unknown after a failure: start it afresh, and try the turn once more from the beginning. */
  async #recover(job: Job, slot: Slot, error: Error): Promise<void> {
    job.leaveSlot('failed');
    job.client.usage.residentTokens = 0;
    await this.#reset(slot);
    if (!this.#isOpen(job)) return;
    if (error instanceof KernelError && error.code === 'limitReached') this.#end(job, error);
    else if (++job.failures > 1) {
      this.#end(
        job,
        new KernelError('deviceFailed', `the engine failed twice: ${messageOf(error)}`, { cause: error }),
      );
    }
  }

  /** A slot that cannot be reset is lost; with the last one everybody's turn ends. */
  async #reset(slot: Slot): Promise<void> {
    try {
      await this.#driver.reset(slot);
    } catch (error) {
      this.#residency.lose(slot);
      this.#trouble(`slot ${slot.id} is lost: ${messageOf(error)}`);
      if (this.#residency.size > 0) return;
      for (const job of [...this.#jobs.values()]) {
        this.#end(job, new KernelError('deviceFailed', 'the engine lost its last slot', { cause: error }));
      }
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

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));
