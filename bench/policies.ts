/**
 * The ways to share one device that are compared, all on the same driver and the same requests. `kernel` is the
 * product's scheduler as it is; the others are what people have today: first in, first out; round-robin with one
 * second each and the state kept; and round-robin that reads the context again at each switch, as AIOS does for
 * models behind an API.
 */

import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver, Sampling, Slot, StepWork, Token } from '../src/hal/driver.js';
import { createScratch } from '../src/hal/scratch.js';
import { SwapSpace } from '../src/kernel/kv/swapSpace.js';
import { calibrate } from '../src/kernel/scheduler/calibration.js';
import { noUsage, type Client, type Turn } from '../src/kernel/scheduler/job.js';
import { createEntity } from '../src/kernel/scheduler/runQueue.js';
import { Scheduler } from '../src/kernel/scheduler/scheduler.js';
import { calibrationMs } from '../src/shared/limits.js';
import type { Request } from './workload.js';

export interface Served {
  readonly request: Request;
  /** Both in ms after the request arrived. */
  readonly firstTokenMs: number;
  readonly completionMs: number;
}

export type Policy = (driver: InferenceDriver, requests: readonly Request[]) => Promise<Served[]>;

const sliceTokens = 128;
const timeSliceMs = 1_000;

/** A request under way: the tokens to evaluate next, and when its tokens came. */
export class Progress implements Turn {
  readonly request: Request;
  readonly tokens: Token[];
  readonly sampling: Sampling = { temperature: 0, constraint: undefined };
  readonly #arrivedAt: number;
  #produced = 0;
  #firstAt = 0;
  #lastAt = 0;

  constructor(request: Request, startedAt: number) {
    this.request = request;
    this.tokens = [...request.prompt];
    this.#arrivedAt = startedAt + request.arriveMs;
  }

  /** An end-of-turn token is a token like another here: every policy produces the same number. */
  accept(token: Token): 'continue' | 'done' {
    this.#lastAt = systemClock.now();
    if (this.#produced === 0) this.#firstAt = this.#lastAt;
    this.#produced++;
    this.tokens.push(token);
    return this.#produced < this.request.outputTokens ? 'continue' : 'done';
  }

  served(): Served {
    const { request } = this;
    return {
      request,
      firstTokenMs: this.#firstAt - this.#arrivedAt,
      completionMs: this.#lastAt - this.#arrivedAt,
    };
  }
}

export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** Computes one request alone until it is done or `until` says stop. */
async function computeAlone(
  driver: InferenceDriver,
  slot: Slot,
  progress: Progress,
  until: () => boolean,
): Promise<boolean> {
  while (!until()) {
    const tokens = progress.tokens.slice(slot.length, slot.length + sliceTokens);
    const isLast = slot.length + tokens.length === progress.tokens.length;
    const work = isLast ? { slot, tokens, sampling: progress.sampling } : { slot, tokens };
    const [result] = await driver.step([work]);
    if (result?.ok !== true) throw result?.error ?? new Error('the driver returned nothing');
    if (result.token !== undefined && progress.accept(result.token) === 'done') return true;
  }
  return false;
}

function slotAt(driver: InferenceDriver, index: number): Slot {
  const slot = driver.slots[index % driver.slots.length];
  if (slot === undefined) throw new Error('the driver has no slots');
  return slot;
}

const firstInFirstOut: Policy = async (driver, requests) => {
  const startedAt = systemClock.now();
  const served: Served[] = [];
  for (const request of requests) {
    await sleep(startedAt + request.arriveMs - systemClock.now());
    const progress = new Progress(request, startedAt);
    const slot = slotAt(driver, 0);
    await slot.truncate(0);
    await computeAlone(driver, slot, progress, () => false);
    served.push(progress.served());
  }
  return served;
};

interface Seat {
  readonly progress: Progress;
  readonly slot: Slot;
}

/** Requests on their way to a free slot, in the order of their arrival. */
class Admission {
  readonly #waiting: Request[];
  readonly #free: Slot[];
  readonly #startedAt = systemClock.now();

  constructor(driver: InferenceDriver, requests: readonly Request[]) {
    this.#waiting = [...requests];
    this.#free = [...driver.slots];
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Seats everybody who has arrived, as far as there are slots. */
  async seat(): Promise<Seat[]> {
    const seats: Seat[] = [];
    const isHere = (request: Request): boolean => request.arriveMs <= systemClock.now() - this.#startedAt;
    while (this.#free.length > 0 && this.#waiting[0] !== undefined && isHere(this.#waiting[0])) {
      const [slot, request] = [this.#free.pop(), this.#waiting.shift()];
      if (slot === undefined || request === undefined) break;
      await slot.truncate(0);
      seats.push({ slot, progress: new Progress(request, this.#startedAt) });
    }
    return seats;
  }

  async nextArrival(): Promise<void> {
    await sleep(this.#startedAt + (this.#waiting[0]?.arriveMs ?? 0) - systemClock.now());
  }

  leave({ slot }: Seat): void {
    this.#free.push(slot);
  }
}

/** The time slice begins when the context is there again, as it does for a model behind an API. */
async function readAgain(driver: InferenceDriver, { slot, progress }: Seat): Promise<void> {
  const length = slot.length;
  await slot.truncate(0);
  await computeAlone(driver, slot, progress, () => slot.length >= length);
}

/** @param keepsState whether a request finds its attention state again when its turn comes */
function roundRobin(keepsState: boolean): Policy {
  return async (driver, requests) => {
    const admission = new Admission(driver, requests);
    const ring: Seat[] = [];
    const served: Served[] = [];
    while (!admission.isEmpty || ring.length > 0) {
      ring.push(...(await admission.seat()));
      const seat = ring.shift();
      if (seat === undefined) {
        await admission.nextArrival();
        continue;
      }
      if (!keepsState) await readAgain(driver, seat);
      const end = systemClock.now() + timeSliceMs;
      if (await computeAlone(driver, seat.slot, seat.progress, () => systemClock.now() >= end)) {
        served.push(seat.progress.served());
        admission.leave(seat);
      } else ring.push(seat);
    }
    return served;
  };
}

/** No policy at all: everything that fits is computed in every step. Its throughput is the engine's ceiling. */
const engine: Policy = async (driver, requests) => {
  const admission = new Admission(driver, requests);
  const served: Served[] = [];
  let active: Seat[] = [];
  while (!admission.isEmpty || active.length > 0) {
    active.push(...(await admission.seat()));
    const results = await driver.step(fullBatch(active, driver.info.batchTokens));
    const isDone = active.map(({ progress }, index) => {
      const result = results[index];
      if (result?.ok !== true) throw result?.error ?? new Error('the driver returned nothing');
      return result.token !== undefined && progress.accept(result.token) === 'done';
    });
    for (const seat of active.filter((_, index) => isDone[index])) {
      served.push(seat.progress.served());
      admission.leave(seat);
    }
    active = active.filter((_, index) => isDone[index] !== true);
  }
  return served;
};

function fullBatch(active: readonly Seat[], batchTokens: number): StepWork[] {
  let room = batchTokens - active.length;
  return active.map(({ progress, slot }) => {
    const missing = progress.tokens.slice(slot.length);
    const tokens = missing.slice(0, 1 + Math.min(room, missing.length - 1));
    room -= tokens.length - 1;
    return tokens.length === missing.length
      ? { slot, tokens, sampling: progress.sampling }
      : { slot, tokens };
  });
}

const kernel: Policy = async (driver, requests) => {
  await using files = await createScratch();
  const swap = new SwapSpace({ driver, files, quotaBytes: files.freeBytes / 2 });
  const cost = await calibrate(driver, systemClock, calibrationMs);
  const scheduler = new Scheduler({ driver, clock: systemClock, swap, cost });
  const startedAt = systemClock.now();
  const served = await Promise.all(
    requests.map(async (request, index) => {
      await sleep(startedAt + request.arriveMs - systemClock.now());
      const client: Client = {
        entity: createEntity(index + 1, request.class, request.nice),
        usage: noUsage(),
        isPaused: false,
        onDevice: () => undefined,
      };
      const progress = new Progress(request, startedAt);
      await scheduler.compute(client, progress, new AbortController().signal);
      scheduler.release(client);
      return progress.served();
    }),
  );
  await scheduler.stop();
  return served;
};

export type PolicyName = 'engine' | 'fifo' | 'roundRobin' | 'roundRobinText' | 'kernel';

export const policies: Readonly<Record<PolicyName, Policy>> = {
  engine,
  fifo: firstInFirstOut,
  roundRobin: roundRobin(true),
  roundRobinText: roundRobin(false),
  kernel,
};
