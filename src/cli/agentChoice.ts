/** Which agent definition works at which task: from the built-in agents or from a file, one for all or one for each. */

import { builtInAgents, parseAgentDefinitions, type AgentDefinition } from '../shared/agentDefinition.js';
import { KernelError, messageOf } from '../shared/errors.js';
import { teamOf } from '../shared/team.js';
import type { RunCommand } from './commandLine.js';

/** An agent, and those that its definition names to work for it. */
export interface Choice {
  readonly definition: AgentDefinition;
  readonly team: AgentDefinition[];
}

/** Has every tool, so it suits any task. */
const defaultAgent = 'coder';

/**
 * Definitions in the order of the tasks; the last one serves all that are left.
 * @throws KernelError `badRequest` that names the file or the agent at fault.
 */
export async function agentsFor(
  { agentsFile, agents }: Pick<RunCommand, 'agentsFile' | 'agents'>,
  readText: (path: string) => Promise<string>,
): Promise<readonly Choice[]> {
  const known = agentsFile === undefined ? builtInAgents : await readDefinitions(agentsFile, readText);
  const [first] = known;
  if (first === undefined) throw new KernelError('badRequest', `${agentsFile ?? ''} defines no agent`);
  const choose = (definition: AgentDefinition): Choice => ({ definition, team: teamOf(definition, known) });
  if (agents.length === 0) return [choose(known.find(({ name }) => name === defaultAgent) ?? first)];
  return agents.map((name) => {
    const found = known.find((definition) => definition.name === name);
    if (found !== undefined) return choose(found);
    const names = known.map((definition) => definition.name).join(', ');
    throw new KernelError('badRequest', `there is no agent "${name}"; there are ${names}`);
  });
}

async function readDefinitions(
  path: string,
  readText: (path: string) => Promise<string>,
): Promise<readonly AgentDefinition[]> {
  const content = await readJson(path, readText);
  const isWrapped = typeof content === 'object' && content !== null && 'agents' in content;
  return parseAgentDefinitions(isWrapped ? content.agents : content, path);
}

async function readJson(path: string, readText: (path: string) => Promise<string>): Promise<unknown> {
  try {
    return JSON.parse(await readText(path)) as unknown;
  } catch (cause) {
    throw new KernelError('badRequest', `${path} cannot be read as JSON: ${messageOf(cause)}`, { cause });
  }
}
