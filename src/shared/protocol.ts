/**
 * Everything that crosses between a client process (editor or CLI) and the kernel process, a line per message.
 * Raise `protocolVersion` with every change of meaning: both sides are built together and refuse another version.
 */

import { z } from 'zod';
import {
  agentDefinitionSchema,
  niceSchema,
  priorityClasses,
  type PriorityClass,
  type ToolName,
} from './agentDefinition.js';
import type { AgentOutcome, AgentState } from './agentState.js';
import { grantLifetimes, grantSpecSchema, type Access, type Capability } from './capability.js';
import type { ErrorData } from './errors.js';
import { engineSettingsSchema } from './settings.js';

export const protocolVersion = 1;

/** Agents are numbered from 1 in the order they were spawned; a number is never used twice by one kernel. */
export type Pid = number;

const pidSchema = z.strictObject({ pid: z.int().min(1) });

export const bootRequestSchema = z.strictObject({
  protocol: z.int(),
  engine: engineSettingsSchema,
});
export type BootRequest = z.infer<typeof bootRequestSchema>;

export const spawnRequestSchema = z.strictObject({
  definition: agentDefinitionSchema,
  task: z.string().trim().min(1, 'the task is empty').max(100_000),
  workspace: z.strictObject({
    /** Absolute path of the folder that paths are relative to. */
    root: z.string().min(1),
    /** Whether the person trusts this folder (Workspace Trust). */
    trusted: z.boolean(),
  }),
  /** Rights that the person gave on the command line, for this agent's run. */
  grants: z.array(grantSpecSchema).max(100),
});
export type SpawnRequest = z.infer<typeof spawnRequestSchema>;

export const pidRequestSchema = pidSchema;
export const reniceRequestSchema = pidSchema.extend({
  nice: niceSchema.optional(),
  class: z.enum(priorityClasses).optional(),
});
export type ReniceRequest = z.infer<typeof reniceRequestSchema>;

export interface KernelInfo {
  readonly driver: string;
  readonly model: string;
  readonly modelPath: string;
  readonly modelBytes: number;
  readonly device: string;
  readonly slots: number;
  readonly contextTokens: number;
  readonly kvBytesPerToken: number;
  readonly bootMs: number;
}

export interface KernelUsage {
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

/** One agent as the task manager shows it. */
export interface AgentRow {
  readonly pid: Pid;
  readonly name: string;
  readonly task: string;
  readonly state: AgentState;
  /** Why it is in that state, in words, when there is something to say. */
  readonly reason: string;
  readonly outcome: AgentOutcome | undefined;
  readonly class: PriorityClass;
  readonly nice: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Generated tokens a second of device time, over the whole run. */
  readonly tokensPerSecond: number;
  /** Device memory that its resident tokens take. */
  readonly kvBytes: number;
  /** Time spent ready, waiting for the device. */
  readonly waitMs: number;
}

/** How it was decided whether a tool call might do what it wanted. */
export type Decision =
  | 'granted' // a standing grant covered it
  | 'allowed-once'
  | 'allowed-run'
  | 'allowed-session'
  | 'denied'
  | 'none'; // the call ended before it wanted anything

export interface ToolCallReport {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, string>>;
  /** The first capability that was refused, else the strongest that was used. */
  readonly capability: Capability | null;
  readonly decision: Decision;
  readonly ms: number;
  readonly ok: boolean;
}

export interface AgentReport {
  readonly pid: Pid;
  readonly name: string;
  readonly task: string;
  readonly state: AgentOutcome;
  /** What the agent said last; for an agent that failed, what it had said so far. */
  readonly answer: string;
  readonly error: ErrorData | null;
  readonly toolCalls: readonly ToolCallReport[];
  readonly tokens: { readonly prompt: number; readonly generated: number };
  readonly ms: {
    readonly queued: number;
    readonly prefill: number;
    readonly decode: number;
    readonly tools: number;
    readonly total: number;
  };
}

/** Asked of a person. Text fields are data of unknown origin: escape them before they are shown. */
export interface PermissionRequest {
  readonly pid: Pid;
  readonly agent: string;
  readonly task: string;
  readonly tool: ToolName;
  readonly access: Access;
  /** What exactly would be touched: a real absolute path, or the resolved executable and its arguments. */
  readonly target: string;
}

/** What a person answers: a right with a lifetime and a scope, or a refusal whose reason the agent is told. */
export const permissionAnswerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('allow'),
    lifetime: z.enum(grantLifetimes),
    scope: z.string().min(1),
  }),
  z.strictObject({ kind: z.literal('deny'), reason: z.string().max(1000) }),
]);
export type PermissionAnswer = z.infer<typeof permissionAnswerSchema>;

/** client → kernel */
export interface KernelCalls {
  boot: { in: BootRequest; out: KernelInfo };
  /** Heartbeat: a kernel that answers is alive. */
  ping: { in: null; out: KernelUsage };
  spawn: { in: SpawnRequest; out: { pid: Pid } };
  /** Resolves when the agent has exited. */
  wait: { in: { pid: Pid }; out: AgentReport };
  stop: { in: { pid: Pid }; out: null };
  pause: { in: { pid: Pid }; out: null };
  resume: { in: { pid: Pid }; out: null };
  renice: { in: ReniceRequest; out: null };
  list: { in: null; out: readonly AgentRow[] };
  shutdown: { in: null; out: null };
}

/** kernel → client */
export interface ClientCalls {
  /** Cancelled when the agent is stopped; then nobody needs the answer. */
  askPermission: { in: PermissionRequest; out: PermissionAnswer };
}

export type LogLevel = 'info' | 'warn' | 'error';

/** kernel → client, unasked */
export interface KernelEvents {
  hello: { readonly protocol: number; readonly osPid: number };
  /** Rows that changed since the last such event. */
  agentsChanged: { readonly rows: readonly AgentRow[] };
  /** Text that the agent's model produced, or a tool call it made. */
  output: { readonly pid: Pid; readonly text: string };
  toolCalled: { readonly pid: Pid; readonly call: ToolCallReport; readonly result: string };
  log: { readonly level: LogLevel; readonly message: string };
}

/** client → kernel, unasked: none yet. */
export type ClientEvents = Record<string, never>;
