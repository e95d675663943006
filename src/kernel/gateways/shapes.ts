/**
 * What calls from outside take and return, as schemas: they are checked, and told to clients as JSON Schema. They say
 * the same as the types of shared/protocol, which the compiler holds them to where a call returns one.
 */

import { z } from 'zod';
import { priorityClasses } from '../../shared/agentDefinition.js';
import { capabilities, grantLifetimes } from '../../shared/capability.js';

export const pidSchema = z.int().min(1).describe('Number of one of your agents.');

const count = z.int().min(0);
const ms = z.number().describe('Milliseconds.');

export const rowSchema = z.object({
  pid: z.int(),
  name: z.string(),
  task: z.string(),
  state: z.enum(['ready', 'running', 'waiting', 'blocked', 'paused', 'exited']),
  reason: z.string().describe('Why it is in that state, where there is something to say.'),
  outcome: z
    .enum(['answered', 'failed', 'stopped'])
    .optional()
    .describe('How it ended; missing while it lives.'),
  isPaused: z.boolean(),
  class: z.enum(priorityClasses),
  nice: z.int(),
  promptTokens: count,
  generatedTokens: count,
  tokensPerSecond: z.number(),
  tier: z.enum(['slots', 'memory', 'disk', 'none']).describe('Where its attention state is.'),
  deviceMs: ms,
  waitMs: ms,
  firstTokenMs: z.number().nullable(),
});

const toolCallSchema = z.object({
  tool: z.string(),
  arguments: z.record(z.string(), z.string()).readonly(),
  capability: z.enum(capabilities).nullable(),
  decision: z.string().describe('How it was decided whether the call might do what it wanted.'),
  ms,
  ok: z.boolean(),
});

export const reportSchema = z.object({
  pid: z.int(),
  name: z.string(),
  task: z.string(),
  state: z.enum(['answered', 'failed', 'stopped']),
  answer: z.string().describe('What the agent said last.'),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  toolCalls: z.array(toolCallSchema).readonly(),
  tokens: z.object({ prompt: count, generated: count, reused: count }),
  ms: z.object({ queued: ms, prefill: ms, decode: ms, tools: ms, total: ms }),
});

export const blockSchema = z.object({
  id: z.int(),
  kind: z.enum(['system', 'task', 'message', 'toolCall', 'toolResult', 'file']),
  label: z.string(),
  tokens: count,
  attention: z
    .number()
    .nullable()
    .describe('Attention it received, against an even share; null: never measured.'),
  state: z.enum(['resident', 'paged', 'recalled', 'stale']),
  pinned: z.boolean(),
});

export const grantSchema = z.object({
  id: z.int(),
  pid: z.int().describe('The agent that holds it.'),
  capability: z.enum(capabilities),
  scope: z.string(),
  lifetime: z.enum(grantLifetimes),
  uses: count.describe('Tool calls that relied on it.'),
});

const tierSchema = z.object({ bytes: z.number(), quotaBytes: z.number() });
export const tiersSchema = z.object({ slots: tierSchema, memory: tierSchema, disk: tierSchema });
