/**
 * Everything that crosses between a client process (editor or CLI) and the kernel process, a line per message.
 * Raise `protocolVersion` with every change of meaning: both sides are built together and refuse another version.
 */

import { z } from 'zod';
import {
  agentDefinitionSchema,
  agentDefinitionsSchema,
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

/** Where a kernel lets other processes of the same user find it, and what it cannot know of itself. */
const controlPlaceSchema = z.strictObject({
  folder: z.string().min(1),
  client: z.enum(['editor', 'cli']),
  /** Absolute paths of the folders its client works in. */
  workspaces: z.array(z.string()),
});
export type ControlPlace = z.infer<typeof controlPlaceSchema>;

/** Where a kernel keeps what its agents need to outlive it. */
const statePlaceSchema = z.strictObject({
  /** Absolute path; one kernel at a time uses it. */
  dir: z.string().min(1),
  /**
   * What becomes of the agents found there. `run`: they go on at once, since it was the kernel alone that stopped.
   * `pause`: they come back paused, so that nothing runs that nobody asked for in this session.
   */
  resume: z.enum(['run', 'pause']),
});
export type StatePlace = z.infer<typeof statePlaceSchema>;

export const bootRequestSchema = z.strictObject({
  protocol: z.int(),
  engine: engineSettingsSchema,
  /** Without it, agents end with the kernel. */
  state: statePlaceSchema.optional(),
  /** Without it, no other process can look at this kernel or steer it. */
  control: controlPlaceSchema.optional(),
});
export type BootRequest = z.infer<typeof bootRequestSchema>;

const taskSchema = z.string().trim().min(1, 'the task is empty').max(100_000);
/** Rights that the person gave on the command line, for this agent's run. */
const grantsSchema = z.array(grantSpecSchema).max(100);

export const spawnRequestSchema = z.strictObject({
  definition: agentDefinitionSchema,
  /** Of the agents that the definition names to work for it. */
  team: agentDefinitionsSchema.exactOptional(),
  task: taskSchema,
  workspace: z.strictObject({
    /** Absolute path of the folder that paths are relative to. */
    root: z.string().min(1),
    /** Whether the person trusts this folder (Workspace Trust). */
    trusted: z.boolean(),
  }),
  grants: grantsSchema,
});
export type SpawnRequest = z.infer<typeof spawnRequestSchema>;

/**
 * An agent that goes on after another one's last token, with its own instructions and task. `move`: the other one has
 * ended, or ends now, and what was computed for it lies where it lies. `copy`: the other one goes on as well.
 */
export const handoffRequestSchema = z.strictObject({
  from: z.int().min(1),
  definition: agentDefinitionSchema,
  task: taskSchema,
  mode: z.enum(['move', 'copy']),
  grants: grantsSchema,
});
export type HandoffRequest = z.infer<typeof handoffRequestSchema>;

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
  /** Whether its agents outlive it. Then a pid is never given twice, by this kernel or a later one. */
  readonly keepsAgents: boolean;
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
  /** A person paused it. Its state says so only when nothing else holds it: a tool, or a question. */
  readonly isPaused: boolean;
  readonly class: PriorityClass;
  readonly nice: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Generated tokens a second of device time, over the whole run. */
  readonly tokensPerSecond: number;
  /** Device memory that its resident tokens take. */
  readonly kvBytes: number;
  /** Device time it has had so far, for prompts and for answers. */
  readonly deviceMs: number;
  /** Time spent ready, waiting for the device. */
  readonly waitMs: number;
  /** From the start of a turn to its first token, for the latest turn that has one. */
  readonly firstTokenMs: number | null;
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
  readonly tokens: {
    readonly prompt: number;
    readonly generated: number;
    /** Tokens of its prompts that others had computed, or it itself before it lost its slot. */
    readonly reused: number;
  };
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
  /** In the other's workspace. Only whom the other's definition names may take over. */
  handoff: { in: HandoffRequest; out: { pid: Pid } };
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

/** What a kernel writes into its folder for those who look for one. Whoever can read the token may steer it. */
export const kernelDescriptorSchema = z.object({
  protocol: z.int(),
  osPid: z.int().min(1),
  /** Path of the Unix domain socket, or of the named pipe on Windows. */
  socket: z.string().min(1),
  token: z.string().regex(/^[0-9a-f]{64}$/),
  model: z.string(),
  device: z.string(),
  client: controlPlaceSchema.shape.client,
  workspaces: controlPlaceSchema.shape.workspaces,
  /** Milliseconds since the epoch. */
  startedAt: z.number(),
});
export type KernelDescriptor = z.infer<typeof kernelDescriptorSchema>;

export const attachRequestSchema = z.strictObject({ protocol: z.int(), token: z.string().max(1000) });

/**
 * Another process → kernel: looking and steering. It starts nothing, ends no kernel and is never asked for a right.
 * Rows carry only the beginning of a long task or reason.
 */
export interface ControlCalls extends Pick<
  KernelCalls,
  'ping' | 'list' | 'stop' | 'pause' | 'resume' | 'renice'
> {
  /** The first call, within two seconds; everything else before it ends the connection. */
  attach: { in: z.infer<typeof attachRequestSchema>; out: null };
  info: { in: null; out: KernelInfo };
}

/** kernel → attached process, unasked */
export type ControlEvents = Pick<KernelEvents, 'agentsChanged'>;
