/**
 * How long an agent may be kept waiting. A bound that follows from the policy, not a boost on top of it: no policy
 * that keeps shares could promise less to everybody. What could still exceed it is the mechanism around the queue,
 * which leaves a slot with its holder for a while; it asks `isOverdue` and then takes the slot away. Pure.
 *
 * Derivation, for agent i of weight w with request r, burst b and virtual deadline D = v + r/w, alone in its user.
 * It enters at V, or after a step of at most s past its burst: v <= V + (b + s)/w, so D - V <= (r + b + s)/w. Once
 * eligible it stays so, and another agent j runs before it only while D_j < D, hence only while v_j < D. Until i runs
 * the others therefore receive at most the sum of w_j (D - v_j) over those behind D, and one step each past it. By the
 * definition of V the sum over all members is W (D - V), W being their weight; those ahead of D make it smaller, each
 * by at most its burst and a step, and those that come back with credit make it larger, each by at most a request. In
 * all, with a slack of burst and request for each, in device time:
 *
 *     own = W (r + b + s)/w + sum over the others of (slack + s)
 *
 * In its user i runs once the user has received that much. The same argument one level up, with `own` in the place of
 * the request, and with what the others of the user may ask for in the same step (one request for each seat) before
 * it, gives `W/w (own + b + s + (seats + 1) r) + sum over the users of (slack + s)`, with the weights of users.
 */

import type { Members, Share } from './runQueue.js';
import { classTraits } from './weight.js';

export interface DeviceLoad {
  /** The longest step. */
  readonly stepMs: number;
  /** Agents that can be part of one step. */
  readonly seats: number;
}

/** What an agent competes with. Where members come and go, those of the whole wait count. */
export interface Load extends DeviceLoad {
  /** Of the agent's user, itself included. */
  readonly agents: Members;
  /** The agent's user. */
  readonly user: Pick<Share, 'class' | 'weight'>;
  /** All users, the agent's own included. */
  readonly users: Members;
}

const longestRequestMs = Math.max(...Object.values(classTraits).map(({ requestMs }) => requestMs));

/** The most device time, in ms, that passes while an agent waits for its next step. */
export function ageingBoundMs(agent: Pick<Share, 'class' | 'weight'>, load: Load): number {
  const { stepMs, seats, agents, user, users } = load;
  const { requestMs, burstMs } = classTraits[agent.class];
  const own =
    (agents.weight / agent.weight) * (requestMs + burstMs + stepMs) +
    (agents.slackMs - burstMs - requestMs) +
    (agents.count - 1) * stepMs;
  if (users.count <= 1) return own;
  const received = own + classTraits[user.class].burstMs + stepMs + (seats + 1) * longestRequestMs;
  return (users.weight / user.weight) * received + users.slackMs + users.count * stepMs;
}

/** Whether the wait is longer than the policy explains, so that the agent takes a slot from whoever holds one. */
export function isOverdue(waitedMs: number, agent: Pick<Share, 'class' | 'weight'>, load: Load): boolean {
  return waitedMs > ageingBoundMs(agent, load);
}
