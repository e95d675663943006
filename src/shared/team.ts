/** Agents that work for another one: which they are, and what a definition may ask for. Pure. */

import type { AgentDefinition } from './agentDefinition.js';
import { KernelError } from './errors.js';

export const isTeam = ({ pipeline, fanOut }: AgentDefinition): boolean =>
  pipeline !== undefined || fanOut !== undefined;

const memberNames = ({ pipeline = [], fanOut }: AgentDefinition): readonly string[] =>
  fanOut === undefined ? pipeline : [...pipeline, fanOut.reader, ...fanOut.workers];

/**
 * The definitions of those that the definition names; none for an agent that works by itself.
 * @throws KernelError `badRequest` for a name that is unknown, or of one that has others work for it in turn
 */
export function teamOf(definition: AgentDefinition, known: readonly AgentDefinition[]): AgentDefinition[] {
  const { name: team, pipeline, fanOut } = definition;
  if (pipeline !== undefined && fanOut !== undefined) {
    throw new KernelError('badRequest', `agent ${team} has both a pipeline and a fanOut`);
  }
  return [...new Set(memberNames(definition))].map((name) => {
    const member = known.find((each) => each.name === name);
    if (member === undefined) {
      throw new KernelError('badRequest', `agent ${team} names ${name}, and there is no such agent`);
    }
    if (isTeam(member)) {
      throw new KernelError('badRequest', `agent ${team} names ${name}, which names others itself`);
    }
    return member;
  });
}
