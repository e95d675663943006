/**
 * What a person writes to define an agent. One schema serves the `agenticMicrokernel.agents` setting, `--agents`
 * files and the kernel's own check; `package.json` holds its JSON form and a test keeps the two equal.
 * A definition can ask for nothing but tools: no definition carries a right.
 */

import { z } from 'zod';
import { KernelError } from './errors.js';

/** Tools that run in a sandbox of their own. */
export const sandboxedTools = ['read_file', 'list_dir', 'search', 'edit_file', 'run'] as const;
/** `recall` reaches nothing but what its agent saw before, so that the kernel answers it itself. */
export const toolNames = [...sandboxedTools, 'recall'] as const;
export type ToolName = (typeof toolNames)[number];

export const priorityClasses = ['interactive', 'normal', 'batch'] as const;
export type PriorityClass = (typeof priorityClasses)[number];

export const niceSchema = z.int().min(-20).max(19);

const nameSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, 'a name is a lower-case word of up to 32 letters, digits and dashes');

export const agentDefinitionSchema = z.strictObject({
  name: nameSchema.describe('Lower-case word that names the agent, for example "scout".'),
  description: z.string().max(200).default('').describe('One line shown where an agent is picked.'),
  instructions: z
    .string()
    .max(8000)
    .default('')
    .describe("Added to the system message, after the agent's name."),
  tools: z
    .array(z.enum(toolNames))
    .default([...toolNames])
    .describe('Tools the agent may call. Each access still needs a grant.'),
  class: z
    .enum(priorityClasses)
    .default('normal')
    .describe('Scheduling class; interactive agents run first.'),
  nice: niceSchema.default(0).describe('Share within the class, −20 (most) to 19 (least), as on Linux.'),
  tokenBudget: z
    .int()
    .min(16)
    .max(10_000_000)
    .default(20_000)
    .describe('Tokens the agent may generate in one run.'),
  deviceSeconds: z
    .number()
    .min(1)
    .max(1_000_000)
    .exactOptional()
    .describe('Seconds of device time the agent may use in one run. Without it: no limit.'),
  maxSteps: z
    .int()
    .min(1)
    .max(1000)
    .default(16)
    .describe('Model turns in one run, each at most one tool call.'),
  handsTo: z
    .array(nameSchema)
    .max(64)
    .exactOptional()
    .describe('Agents that may go on with its conversation, by name. Without it: none.'),
  pipeline: z
    .array(nameSchema)
    .min(2)
    .max(8)
    .exactOptional()
    .describe(
      'Agents that work at the task one after the other, each going on with the conversation of the one before. The ' +
        'answer of the last one is the answer.',
    ),
  fanOut: z
    .strictObject({
      reader: nameSchema.describe('Works at the task first.'),
      workers: z
        .array(nameSchema)
        .min(1)
        .max(16)
        .describe("Work at the task at once, each going on with a copy of the reader's conversation."),
    })
    .exactOptional()
    .describe('One agent that reads and several that go on with what it read. Their answers are the answer.'),
});

export type AgentDefinition = z.infer<typeof agentDefinitionSchema>;

export const agentDefinitionsSchema = z
  .array(agentDefinitionSchema)
  .max(64)
  .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'two agents have the same name');

/**
 * Checks definitions from a setting or a file.
 * @param source where they come from, named in the error
 * @throws KernelError `badRequest` with the path and the fault of the first wrong field.
 */
export function parseAgentDefinitions(value: unknown, source: string): AgentDefinition[] {
  return parseWith(agentDefinitionsSchema, value, source);
}

/** Checks any input against a schema; the error names the source, the field and the fault. */
export function parseWith<T>(schema: z.ZodType<T>, value: unknown, source: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field =
    issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`;
  throw new KernelError('badRequest', `${source}${field}: ${issue?.message ?? 'invalid'}`);
}

/** The agents that are there before anybody configured one. */
export const builtInAgents: readonly AgentDefinition[] = parseAgentDefinitions(
  [
    {
      name: 'scout',
      description: 'Finds things: definitions, files, exports, open TODOs. Changes nothing.',
      tools: ['read_file', 'list_dir', 'search', 'recall'],
      class: 'interactive',
      maxSteps: 8,
    },
    {
      name: 'reviewer',
      description: 'Reads code and runs checks. Changes no file.',
      tools: ['read_file', 'list_dir', 'search', 'run', 'recall'],
    },
    {
      name: 'coder',
      description: 'Reads, edits and runs, one grant at a time.',
      tools: [...toolNames],
    },
    {
      name: 'runner',
      description: 'Runs a command and reports, in the background.',
      tools: ['run', 'read_file'],
      class: 'batch',
      nice: 5,
    },
  ],
  'built-in agents',
);
