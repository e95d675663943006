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
import { grantLifetimes, grantSpecSchema, type Access, type Capability, type Grant } from './capability.js';
import type { ErrorData } from './errors.js';
import { engineSettingsSchema } from './settings.js';
import { stateKeySchema } from './stateKey.js';
import { storeKeySchema } from './storeKey.js';

export const protocolVersion = 2;

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
  /** What is kept is encrypted with it. It crosses here alone: never in arguments, environment, log or a file. */
  encryptionKey: stateKeySchema.exactOptional(),
  /** What seals the audit log, where the client keeps it away from the log. */
  auditKey: stateKeySchema.exactOptional(),
});
export type StatePlace = z.infer<typeof statePlaceSchema>;

export const workspaceGrantSchema = z.strictObject({
  /** Real path of the folder. */
  workspace: z.string().min(1),
  spec: grantSpecSchema,
});
export type WorkspaceGrant = z.infer<typeof workspaceGrantSchema>;

export const bootRequestSchema = z.strictObject({
  protocol: z.int(),
  engine: engineSettingsSchema,
  /** Without it, agents end with the kernel. */
  state: statePlaceSchema.optional(),
  /** Without it, no other process can look at this kernel or steer it. */
  control: controlPlaceSchema.optional(),
  /** Rights that a person gave in earlier sessions to all who work in a workspace: the client's word. */
  workspaceGrants: z.array(workspaceGrantSchema).max(1000).exactOptional(),
  /** For an external vector store. It crosses here alone: never in arguments, environment, log or a file. */
  storeKey: storeKeySchema.exactOptional(),
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
export const revokeRequestSchema = z.strictObject({ id: z.int().min(1) });

/** A right that covers something now, and how many tool calls have relied on it. */
export interface LiveGrant {
  readonly grant: Grant;
  readonly uses: number;
}

/** A block of an agent's conversation, as the context map shows it. */
export interface ContextBlock {
  readonly id: number;
  readonly kind: 'system' | 'task' | 'message' | 'toolCall' | 'toolResult' | 'file';
  /** What it is of: `src/a.ts 40-92`. Data of unknown origin: escape it. */
  readonly label: string;
  readonly tokens: number;
  /** Attention that it received when it was last measured, against an even share; null where it never was. */
  readonly attention: number | null;
  /** `recalled`: paged out, and shown again further down. `stale`: its file is another one since. */
  readonly state: 'resident' | 'paged' | 'recalled' | 'stale';
  readonly pinned: boolean;
}

/** What an agent's window holds, and what has left it. */
export interface ContextMap {
  readonly windowTokens: number;
  /** Above it, blocks leave. */
  readonly thresholdTokens: number;
  /** Of the last prompt. */
  readonly usedTokens: number;
  /** `measured` where attention decided what left last, else why it did not. */
  readonly attention: string;
  readonly blocks: readonly ContextBlock[];
}

export const blockRequestSchema = pidSchema.extend({ id: z.int().min(1) });
export const pinRequestSchema = blockRequestSchema.extend({ pinned: z.boolean() });
/** Out at once, or in with the agent's next turn. */
export const pageRequestSchema = blockRequestSchema.extend({ direction: z.enum(['out', 'in']) });

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

/** Bytes of attention state in one place, and how many there may be. */
export interface TierUsage {
  readonly bytes: number;
  readonly quotaBytes: number;
}

/** Where attention state is: in the slots that compute, in memory, and on the disk for later kernels. */
export interface StateTiers {
  readonly slots: TierUsage;
  readonly memory: TierUsage;
  readonly disk: TierUsage;
}

export interface KernelUsage {
  readonly rssBytes: number;
  readonly peakRssBytes: number;
  /** Null before it is booted. */
  readonly tiers: StateTiers | null;
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
  /** The first place that has attention state of it. From `none` it is computed again. */
  readonly tier: keyof StateTiers | 'none';
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
  | 'allowed-workspace'
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

/** A program that may call the kernel over HTTP. The person has its token; the kernel has the hash alone. */
const gatewayClientSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9-]{1,64}$/),
  name: z.string().regex(/^[\w .-]{1,64}$/),
  /** SHA-256 of the token, in hex. */
  tokenHash: z.string().regex(/^[0-9a-f]{64}$/),
  mostUrgent: z.enum(priorityClasses),
});
export type GatewayClient = z.infer<typeof gatewayClientSchema>;
export const gatewayClientsSchema = z.array(gatewayClientSchema).max(100);

export const serveRequestSchema = z.strictObject({
  /** 0: any that is free. */
  port: z.int().min(0).max(65_535),
  /** All that may call from now on: a server that runs already forgets those that are not among them. */
  clients: gatewayClientsSchema,
});
export type ServeRequest = z.infer<typeof serveRequestSchema>;

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
  contextMap: { in: { pid: Pid }; out: ContextMap };
  /** Text of a block. Data of unknown origin: escape it. */
  contextBlock: { in: z.infer<typeof blockRequestSchema>; out: string };
  pinBlock: { in: z.infer<typeof pinRequestSchema>; out: null };
  pageBlock: { in: z.infer<typeof pageRequestSchema>; out: null };
  /** Every live grant, oldest first. */
  grants: { in: null; out: readonly LiveGrant[] };
  /** From then on the grant covers nothing; a tool that relied on it is stopped. */
  revoke: { in: { id: Grant['id'] }; out: null };
  /** Lets other programs of this machine call the kernel over HTTP. Called again, it changes who may. */
  serve: { in: ServeRequest; out: { url: string } };
  stopServing: { in: null; out: null };
  /** A message of the MCP session that this client passes on; the kernel's are `mcpSent`. */
  mcpSend: { in: { readonly message: unknown }; out: null };
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
  /** Blocks left an agent's window or came back, or it looked for some; in a line. */
  contextChanged: { readonly pid: Pid; readonly text: string };
  log: { readonly level: LogLevel; readonly message: string };
  mcpSent: { readonly message: unknown };
  /** A standing right was given, or ended: it was revoked, or its agent exited. */
  grantChanged: { readonly grant: Grant; readonly isLive: boolean };
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
 * Another process → kernel: looking and steering. It starts nothing, ends no kernel, and is never asked for a right:
 * it can take one back and not give one.
 * Rows carry only the beginning of a long task or reason.
 */
export interface ControlCalls extends Pick<
  KernelCalls,
  'ping' | 'list' | 'stop' | 'pause' | 'resume' | 'renice' | 'grants' | 'revoke'
> {
  /** The first call, within two seconds; everything else before it ends the connection. */
  attach: { in: z.infer<typeof attachRequestSchema>; out: null };
  info: { in: null; out: KernelInfo };
}

/** kernel → attached process, unasked */
export type ControlEvents = Pick<KernelEvents, 'agentsChanged'>;
