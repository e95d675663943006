/**
 * Which agents there are: the built-in ones, then those of the user, the workspace and the folder, a later one of
 * the same name in place of an earlier. Definitions carry no rights, so a workspace may say what it likes.
 */

import { builtInAgents, parseAgentDefinitions, type AgentDefinition } from '../shared/agentDefinition.js';

/** The setting as it stands in one place, in the order of precedence. */
export interface AgentsLayer {
  readonly source: string;
  readonly value: unknown;
}

/** @throws KernelError `badRequest` that names the layer, the field and the fault. */
export function mergeAgents(layers: readonly AgentsLayer[]): readonly AgentDefinition[] {
  const byName = new Map(builtInAgents.map((agent) => [agent.name, agent]));
  for (const { source, value } of layers) {
    if (value === undefined) continue;
    for (const agent of parseAgentDefinitions(value, source)) byName.set(agent.name, agent);
  }
  return [...byName.values()];
}
