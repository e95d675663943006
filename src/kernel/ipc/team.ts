/**
 * An agent whose work is done by others: a pipeline, in which each goes on with the conversation of the one before,
 * or a reader and several that go on with copies of what it read. It computes nothing itself. Members are agents like
 * all others; their definition allows them to hand on to who comes next, since the team's definition says so. Who
 * fails ends the team with its error, and who still works then is stopped.
 */

import type { AgentDefinition } from '../../shared/agentDefinition.js';
import { KernelError, invariant } from '../../shared/errors.js';
import type { AgentReport, HandoffRequest } from '../../shared/protocol.js';
import { teamOf } from '../../shared/team.js';
import type { Agent } from '../agent/agent.js';

export interface TeamParts {
  readonly spawn: (definition: AgentDefinition) => Promise<Agent>;
  readonly handOff: (
    from: Agent,
    definition: AgentDefinition,
    mode: HandoffRequest['mode'],
  ) => Promise<Agent>;
  readonly wait: (agent: Agent) => Promise<AgentReport>;
}

/**
 * @param known definitions of those that are named
 * @throws KernelError of the member that failed; `cancelled`; `badRequest`
 */
export async function runTeam(
  agent: Agent,
  known: readonly AgentDefinition[],
  parts: TeamParts,
): Promise<void> {
  const members = teamOf(agent.definition, known);
  const { pipeline, fanOut } = agent.definition;
  const team = new Team(agent, members, parts);
  try {
    if (pipeline !== undefined) await team.inTurn(pipeline);
    if (fanOut !== undefined) await team.atOnce(fanOut.reader, fanOut.workers);
  } finally {
    team.stop();
  }
}

class Team {
  readonly #agent: Agent;
  readonly #definitions: readonly AgentDefinition[];
  readonly #parts: TeamParts;
  readonly #members: Agent[] = [];

  constructor(agent: Agent, definitions: readonly AgentDefinition[], parts: TeamParts) {
    this.#agent = agent;
    this.#definitions = definitions;
    this.#parts = parts;
  }

  async inTurn(names: readonly string[]): Promise<void> {
    let last: Agent | undefined;
    for (const [index, name] of names.entries()) {
      const definition = this.#member(name, names.slice(index + 1, index + 2));
      this.#agent.toolStarted(name);
      last = await this.#begin(last, definition, 'move');
      this.#agent.answer = (await this.#end(last)).answer;
    }
  }

  async atOnce(reader: string, workers: readonly string[]): Promise<void> {
    this.#agent.toolStarted(reader);
    const first = await this.#begin(undefined, this.#member(reader, workers), 'move');
    await this.#end(first);
    this.#agent.toolStarted(workers.join(', '));
    const works = workers.map(async (name) => {
      const worker = await this.#begin(first, this.#member(name, []), 'copy');
      return `${name}: ${(await this.#end(worker)).answer}`;
    });
    // None is left alone with its error when another one fails first.
    await Promise.allSettled(works);
    this.#agent.answer = (await Promise.all(works)).join('\n\n');
  }

  /** Whoever still works. */
  stop(): void {
    for (const member of this.#members) if (member.isLive) member.cancellation.abort();
  }

  #member(name: string, next: readonly string[]): AgentDefinition {
    const { handsTo: _, ...definition } = this.#definitions.find((each) => each.name === name) ?? {};
    invariant('name' in definition, 'a team has its members');
    return next.length === 0 ? definition : { ...definition, handsTo: [...new Set(next)] };
  }

  async #begin(
    from: Agent | undefined,
    definition: AgentDefinition,
    mode: HandoffRequest['mode'],
  ): Promise<Agent> {
    if (this.#agent.cancellation.signal.aborted) throw new KernelError('cancelled', 'the agent was stopped');
    const { spawn, handOff } = this.#parts;
    const member = await (from === undefined ? spawn(definition) : handOff(from, definition, mode));
    this.#members.push(member);
    return member;
  }

  /** What a member did counts as done by the team. */
  async #end(member: Agent): Promise<AgentReport> {
    const report = await this.#parts.wait(member);
    const { state, error, toolCalls, tokens } = report;
    const agent = this.#agent;
    agent.toolCalls.push(...toolCalls);
    agent.promptTokens = Math.max(agent.promptTokens, tokens.prompt);
    agent.generatedTokens += tokens.generated;
    agent.usage.reusedTokens += tokens.reused;
    agent.changed();
    if (state === 'answered') return report;
    throw new KernelError(
      error?.code ?? 'cancelled',
      `${report.name}: ${error?.message ?? `it was ${state}`}`,
    );
  }
}
