/**
 * The life of an agent: its states and every legal transition, in one table. Nothing else decides what may follow
 * what; a transition that is not here is a bug and stops at once.
 */

import { invariant } from './errors.js';

export type AgentState =
  | 'ready' // has tokens to compute and waits for the device
  | 'running' // holds a place in the current batch
  | 'waiting' // a tool works for it
  | 'blocked' // a person must decide something first
  | 'paused' // a person stopped the clock
  | 'exited'; // ended: answered, failed or stopped

// A pause withholds the device, nothing else: a tool that works goes on, and a step in flight may still end in a
// tool call, which is carried out.

/** How an agent ended. */
export type AgentOutcome = 'answered' | 'failed' | 'stopped';

export const legalTransitions: Readonly<Record<AgentState, readonly AgentState[]>> = {
  // A tool call that a restart interrupted is made again before anything is computed.
  ready: ['running', 'waiting', 'paused', 'exited'],
  running: ['ready', 'waiting', 'paused', 'exited'],
  waiting: ['ready', 'blocked', 'paused', 'exited'],
  blocked: ['waiting', 'exited'],
  paused: ['ready', 'waiting', 'exited'],
  exited: [],
};

export const agentStates = Object.keys(legalTransitions) as readonly AgentState[];

/** @throws KernelError `bug` when the table does not allow the step. */
export function assertTransition(from: AgentState, to: AgentState): void {
  invariant(legalTransitions[from].includes(to), `agent state ${from} -> ${to}`);
}
