/**
 * What passes between the task manager page and the extension. The page gets whole views, small and seldom enough
 * to be sent as they are, and sends wishes; the extension checks every wish before it acts, since a page shows text
 * of models and is the less trusted side. Nothing here carries markup: every string is shown as text.
 */

import { z } from 'zod';
import { niceSchema, priorityClasses } from './agentDefinition.js';
import type { Capability, Grant, StandingLifetime } from './capability.js';
import type { AgentRow, ContextMap, StateTiers } from './protocol.js';

/** `off` is a kernel that nobody has needed yet. */
export type KernelStatus = 'off' | 'starting' | 'ready' | 'failed';

/** Names an agent over kernel restarts, where process numbers begin again: `<kernel generation>.<pid>`. */
export type AgentKey = string;

/** Names a grant in the same way: `<kernel generation>.<id>`. */
export type GrantKey = string;

/** One row, as the page shows it: numbers are formatted there, where the reader's language is known. */
export interface TaskManagerRow extends AgentRow {
  readonly key: AgentKey;
  /** A question of this agent is open and waits for a person. */
  readonly needsPerson: boolean;
  /** Share of the device in the last seconds, 0 to 1; null where it was not measured, or is of no use any more. */
  readonly deviceShare: number | null;
}

/** A right that covers something now. Its texts are escaped. */
export interface GrantRow {
  readonly key: GrantKey;
  readonly who: string;
  readonly capability: Capability;
  readonly scope: string;
  readonly lifetime: StandingLifetime;
  readonly uses: number;
  /** Null where any number of calls may rely on it. */
  readonly mostUses: number | null;
  readonly grantedBy: Grant['grantedBy'];
  /** Milliseconds since the epoch. */
  readonly grantedAt: number;
  readonly expiresAt: number | null;
}

/** A question that waits for a person. Its texts are escaped. */
export interface QuestionRow {
  readonly id: number;
  readonly wish: string;
  /** What exactly would be touched. */
  readonly target: string;
}

export interface TaskManagerView {
  readonly kernel: {
    readonly status: KernelStatus;
    /** What went wrong, where the status is `failed`. */
    readonly fault: string;
    readonly model: string;
    readonly device: string;
    readonly contextTokens: number;
    readonly slots: number;
    readonly rssBytes: number;
    /** Null where it is not known yet. */
    readonly tiers: StateTiers | null;
  };
  readonly tokensPerSecond: number;
  readonly rows: readonly TaskManagerRow[];
  readonly questions: readonly QuestionRow[];
  readonly grants: readonly GrantRow[];
}

/** What an agent's window holds, for a row that is open. Its texts are escaped. */
export interface ContextView {
  /** Null where nothing is known of it. */
  readonly map: ContextMap | null;
  /** What is to be said of it; empty where the map says all. */
  readonly note: string;
  /** Whether its blocks can be pinned and moved. */
  readonly isLive: boolean;
}

/** The beginning of a block's text, escaped. */
export interface BlockText {
  readonly text: string;
  readonly isCut: boolean;
}

/** extension → page */
export type TaskManagerMessage =
  | { readonly type: 'view'; readonly view: TaskManagerView }
  | { readonly type: 'context'; readonly key: AgentKey; readonly context: ContextView }
  | ({ readonly type: 'block'; readonly key: AgentKey; readonly id: number } & BlockText);

const key = z.string().regex(/^\d+\.\d+$/);
const id = z.int().min(1);

/** page → extension */
export const pageMessageSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('ready') }),
  z.strictObject({
    type: z.literal('command'),
    command: z.enum(['run', 'restartKernel', 'showLog', 'showAnswers', 'clearExited']),
  }),
  z.strictObject({ type: z.enum(['stop', 'pause', 'resume', 'review']), key }),
  z.strictObject({ type: z.literal('renice'), key, nice: niceSchema }),
  z.strictObject({ type: z.literal('reclass'), key, class: z.enum(priorityClasses) }),
  z.strictObject({ type: z.literal('watchContext'), key }),
  z.strictObject({ type: z.literal('unwatchContext'), key }),
  z.strictObject({ type: z.literal('readBlock'), key, id }),
  z.strictObject({ type: z.literal('pinBlock'), key, id, pinned: z.boolean() }),
  z.strictObject({ type: z.literal('pageBlock'), key, id, direction: z.enum(['out', 'in']) }),
  z.strictObject({ type: z.literal('revoke'), grant: key }),
  z.strictObject({ type: z.literal('answer'), question: id }),
]);
export type PageMessage = z.infer<typeof pageMessageSchema>;
