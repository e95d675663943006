/**
 * Who holds a slot in the coming step: the eligible in the order of the queue, as far as their claims are good
 * enough, then whoever computes already. It gives slots away and takes them; it moves no state and computes nothing.
 */

import type { Slot } from '../../hal/driver.js';
import { isOverdue as isLate } from './ageing.js';
import type { FairQueue } from './fairQueue.js';
import type { Client, Job } from './job.js';
import type { Residency, Seat } from './residency.js';
import type { Entity } from './runQueue.js';

export interface Seating {
  readonly queue: FairQueue;
  readonly residency: Residency;
  readonly now: number;
  readonly jobOf: (entity: Entity) => Job;
  /** The longest step. */
  readonly stepMs: number;
  readonly switchMs: (slot: Slot) => number;
}

/** Eligible jobs without a slot that are looked at in one planning; with so many refused, no claim is good enough. */
const maxRefusals = 16;

/** The seats of the coming step, the most urgent first; none when nobody wants the device. */
export function takeSeats({ queue, residency, now, jobOf, stepMs, switchMs }: Seating): Seat[] {
  const busy = new Set<Client>();
  const isEligible = (entity: Entity): boolean => queue.isEligible(entity);
  const isOverdue = ({ client: { entity }, waitingSince }: Job): boolean =>
    isLate(now - waitingSince, entity, queue.loadOf(entity, { stepMs, seats: residency.size }));
  const precedes = (a: Entity, b: Entity): boolean => queue.precedes(a, b);
  const seats: Seat[] = [];
  let refusals = 0;
  const seat = (job: Job): void => {
    const taken = residency.acquire(job, { busy, now, isEligible, isOverdue, precedes, switchMs });
    if (taken === undefined) refusals++;
    else {
      busy.add(job.client);
      seats.push(taken);
    }
  };
  for (const entity of queue.inOrder()) {
    if (seats.length === residency.size || refusals === maxRefusals) break;
    seat(jobOf(entity));
  }
  const holders = residency
    .computing()
    .filter(({ client }) => !busy.has(client))
    .sort((a, b) => (precedes(a.client.entity, b.client.entity) ? -1 : 1));
  holders.filter(({ client }) => isEligible(client.entity)).forEach(seat);
  // Every slot is held by a better claim than those of the eligible. The holders go on, ahead of their share as they
  // are: an idle device helps nobody.
  if (seats.length === 0) holders.forEach(seat);
  return seats;
}
