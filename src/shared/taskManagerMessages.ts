/**
 * What passes between the task manager page and the extension. The page gets whole views, small and seldom enough
 * to be sent as they are, and sends wishes; the extension checks every wish before it acts, since a page shows text
 * of models and is the less trusted side. Nothing here carries markup: every string is shown as text.
 */

import { z } from 'zod';
import { niceSchema, priorityClasses } from './agentDefinition.js';
import type { AgentRow } from './protocol.js';

/** `off` is a kernel that nobody has needed yet. */
export type KernelStatus = 'off' | 'starting' | 'ready' | 'failed';

/** Names an agent over kernel restarts, where process numbers begin again: `<kernel generation>.<pid>`. */
export type AgentKey = string;

/** One row, as the page shows it: numbers are formatted there, where the reader's language is known. */
export interface TaskManagerRow extends AgentRow {
  readonly key: AgentKey;
  /** A question of this agent is open and waits for a person. */
  readonly needsPerson: boolean;
  /** Share of the device in the last seconds, 0 to 1; null where it was not measured, or is of no use any more. */
  readonly deviceShare: number | null;
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
  };
  readonly tokensPerSecond: number;
  readonly rows: readonly TaskManagerRow[];
}

/** extension → page */
export interface ViewMessage {
  readonly type: 'view';
  readonly view: TaskManagerView;
}

const key = z.string().regex(/^\d+\.\d+$/);

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
]);
export type PageMessage = z.infer<typeof pageMessageSchema>;
