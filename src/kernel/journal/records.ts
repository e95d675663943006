/**
 * What the journal is made of: one record for each fact that must outlive the kernel. A record says what happened,
 * never what to do. Quanta, tokens and states that follow from these are not recorded. Kinds are added and never
 * given another meaning; one that is not known here comes from a newer kernel and is refused, never skipped.
 */

import { z } from 'zod';
import type { ChatMessage } from '../../hal/driver.js';
import {
  agentDefinitionSchema,
  niceSchema,
  priorityClasses,
  toolNames,
} from '../../shared/agentDefinition.js';
import { capabilities, grantLifetimes, grantSpecSchema, type Grant } from '../../shared/capability.js';
import type { ErrorCode, ErrorData } from '../../shared/errors.js';
import {
  spawnRequestSchema,
  type AgentReport,
  type Pid,
  type ToolCallReport,
} from '../../shared/protocol.js';
import type { ContextChange } from '../context/history.js';

const pid = z.int().min(1);
/** Milliseconds since the epoch. */
const instant = z.number();
const count = z.int().min(0);
/** Of an agent's conversation. */
const block = z.int().min(1);
const blocks = z.array(block);
const fields = z.record(z.string(), z.string());

const messageSchema: z.ZodType<ChatMessage> = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'user']), content: z.string() }),
  z.strictObject({
    role: z.literal('assistant'),
    content: z.string(),
    toolCall: z.strictObject({ name: z.string(), arguments: fields }).exactOptional(),
  }),
  z.strictObject({ role: z.literal('tool'), name: z.string(), content: z.string() }),
]);

const toolCallSchema: z.ZodType<ToolCallReport> = z.strictObject({
  tool: z.string(),
  arguments: fields,
  capability: z.enum(capabilities).nullable(),
  decision: z.enum([
    ...(['granted', 'allowed-once', 'allowed-run', 'allowed-session', 'allowed-workspace'] as const),
    ...(['denied', 'none'] as const),
  ]),
  ms: z.number(),
  ok: z.boolean(),
});

/** Codes come and go with versions; a report's is shown and not acted on. */
const errorSchema: z.ZodType<ErrorData> = z.strictObject({
  code: z.custom<ErrorCode>((value) => typeof value === 'string'),
  message: z.string(),
});

const reportSchema: z.ZodType<AgentReport> = z.strictObject({
  pid,
  name: z.string(),
  task: z.string(),
  state: z.enum(['answered', 'failed', 'stopped']),
  answer: z.string(),
  error: errorSchema.nullable(),
  toolCalls: z.array(toolCallSchema),
  tokens: z.strictObject({ prompt: count, generated: count, reused: count }),
  ms: z.strictObject({
    queued: z.number(),
    prefill: z.number(),
    decode: z.number(),
    tools: z.number(),
    total: z.number(),
  }),
});

const grantSchema = z.strictObject({
  id: z.int().min(1),
  /** The only agent that holds it; `null` is every agent. */
  pid: pid.nullable(),
  spec: grantSpecSchema,
  lifetime: z.enum(grantLifetimes),
  grantedAt: instant,
});

const recordShapes = [
  /** A kernel came up on this journal: grants that end with a kernel have ended. */
  z.strictObject({ type: z.literal('booted'), at: instant }),
  /** What no other record of a rewritten journal tells. */
  z.strictObject({ type: z.literal('checkpoint'), lastPid: count }),
  z.strictObject({
    type: z.literal('spawned'),
    pid,
    at: instant,
    definition: agentDefinitionSchema,
    task: z.string(),
    workspace: spawnRequestSchema.shape.workspace,
    /** Of one that goes on with another's conversation; the messages follow. */
    inherited: z
      .strictObject({ messages: z.int().min(1), tools: z.array(z.enum(toolNames)) })
      .exactOptional(),
    /** Of one that an external client has. */
    owner: z.strictObject({ id: z.string().min(1), name: z.string() }).exactOptional(),
  }),
  /** The conversation grew. `tokens`: what the agent has used so far, in all. */
  z.strictObject({
    type: z.literal('message'),
    pid,
    message: messageSchema,
    tokens: z.strictObject({ prompt: count, generated: count }).exactOptional(),
  }),
  /** A tool call ended; its result is a message. */
  z.strictObject({ type: z.literal('toolCalled'), pid, call: toolCallSchema }),
  z.strictObject({ type: z.literal('paused'), pid, isPaused: z.boolean() }),
  z.strictObject({ type: z.literal('reniced'), pid, class: z.enum(priorityClasses), nice: niceSchema }),
  /** The agent's attention state after its first `tokens` tokens is in the store. */
  z.strictObject({ type: z.literal('snapshotTaken'), pid, key: z.string().min(1), tokens: count }),
  /** Blocks of the agent's conversation left its window. `blockLength`: what it is cut with. */
  z.strictObject({ type: z.literal('pagedOut'), pid, blockLength: z.int().min(1), blocks }),
  /** Blocks are in its window again, beside the message of this index; the files of some are others now. */
  z.strictObject({ type: z.literal('pagedIn'), pid, message: count, blocks, stale: blocks }),
  /** The agent was told something beside this message. */
  z.strictObject({
    ...{ type: z.literal('noted'), pid, blockLength: z.int().min(1), message: count, text: z.string() },
  }),
  z.strictObject({
    ...{ type: z.literal('pinned'), pid, blockLength: z.int().min(1), block, isPinned: z.boolean() },
  }),
  z.strictObject({ type: z.literal('granted'), grant: grantSchema, uses: count }),
  z.strictObject({ type: z.literal('grantUsed'), id: z.int().min(1), pid }),
  z.strictObject({ type: z.literal('grantRevoked'), id: z.int().min(1) }),
  /** The last record of an agent. */
  z.strictObject({ type: z.literal('exited'), pid, report: reportSchema }),
] as const;

export const recordSchema = z.discriminatedUnion('type', recordShapes);
export type JournalRecord = z.infer<typeof recordSchema>;

/** For every kind, so that a new one cannot be forgotten: a kind that is missing here is unknown. */
export const recordTypes: ReadonlySet<string> = new Set(recordShapes.map((shape) => shape.shape.type.value));

/** A grant's record, as the broker has it. */
export function grantedRecord({
  id,
  pid: holder,
  capability,
  scope,
  lifetime,
  grantedAt,
}: Grant): JournalRecord {
  return {
    type: 'granted',
    grant: { id, pid: holder ?? null, spec: { capability, scope }, lifetime, grantedAt },
    uses: 0,
  };
}

/** A change of an agent's window. */
export function contextRecord(pidOf: Pid, change: ContextChange): JournalRecord {
  if (change.type === 'pagedOut') return { ...change, pid: pidOf, blocks: [...change.blocks] };
  if (change.type !== 'pagedIn') return { ...change, pid: pidOf };
  return { ...change, pid: pidOf, blocks: [...change.blocks], stale: [...change.stale] };
}
