/**
 * What a call from outside is, and what it reaches. Every gateway and the reference page are made from a table of
 * these. A call sees the kernel only through a `CallerKernel`, which knows the agents of one caller and of nobody
 * else: somebody else's agent does not exist, and no call can give a right.
 */

import type { z } from 'zod';
import type { ToolSignature } from '../../hal/driver.js';
import { parseWith } from '../../shared/agentDefinition.js';
import type { Disposable } from '../../shared/lifecycle.js';
import type { Handlers } from '../../shared/peer.js';
import type { AgentRow, Decision, KernelCalls, KernelInfo, KernelUsage, Pid } from '../../shared/protocol.js';
import type { Caller } from './caller.js';

/** The kernel's own calls, limited to one caller's agents and grants, with the audit log in front. */
export type CallerSyscalls = Handlers<
  Pick<
    KernelCalls,
    | ('spawn' | 'handoff' | 'wait' | 'stop' | 'pause' | 'resume' | 'renice' | 'list')
    | ('contextMap' | 'contextBlock' | 'pinBlock' | 'pageBlock' | 'grants' | 'revoke')
  >
>;

/** What came of a tool call. */
export interface ToolCallOutcome {
  readonly text: string;
  readonly ok: boolean;
  readonly decision: Decision;
  readonly ms: number;
}

/** The kernel as one caller sees it. */
export interface CallerKernel {
  readonly caller: Caller;
  readonly syscalls: CallerSyscalls;
  /** Absolute paths of the folders that the person's client works in; nothing runs elsewhere. */
  readonly workspaces: () => readonly string[];
  readonly info: () => KernelInfo;
  readonly usage: () => KernelUsage;
  /** Of the tools that every agent may have. */
  readonly tools: () => readonly ToolSignature[];
  /**
   * Calls a tool as an agent of the caller does: in the sandbox, and with a person asked where no grant covers it.
   * @throws KernelError `cancelled`; what else goes wrong is told in the outcome
   */
  readonly callTool: (
    call: {
      readonly name: string;
      readonly arguments: Readonly<Record<string, string>>;
      readonly workspace: string;
    },
    signal: AbortSignal,
  ) => Promise<ToolCallOutcome>;
  /** What the agent saw before and what is no longer in its window. */
  readonly recall: (pid: Pid, query: string) => Promise<string>;
  /** Writes the agent's attention state to where it outlives its slot. */
  readonly keepState: (pid: Pid) => Promise<void>;
  /** Tokens of the text, as the model has them. */
  readonly tokenize: (text: string) => readonly number[];
  /** Undefined where there is no model for it. */
  readonly embed: ((texts: readonly string[]) => Promise<readonly Float32Array[]>) | undefined;
  readonly onRows: (listener: (rows: readonly AgentRow[]) => void) => Disposable;
}

/** One call in progress. */
export interface CallContext {
  readonly kernel: CallerKernel;
  /** Aborted when the caller takes the call back, or has gone for good. */
  readonly signal: AbortSignal;
  /** Tells the caller, where it wants to know, how far the call is. */
  readonly progress: (message: string) => void;
}

/** `look` changes nothing; `end` takes something away that does not come back. */
export type Effect = 'look' | 'change' | 'end';

interface CallFacts {
  /** `group.verb`. */
  readonly name: `${string}.${string}`;
  readonly description: string;
  readonly effect: Effect;
  /** Whose things it works on, and what else it needs, in words. */
  readonly needs: string;
}

export interface ExternalCall extends CallFacts {
  readonly input: z.ZodObject;
  readonly output: z.ZodObject;
  /**
   * @throws KernelError `badRequest` that names the field at fault, and whatever the work fails with
   */
  handle(input: unknown, context: CallContext): Promise<Readonly<Record<string, unknown>>>;
}

interface TypedCall<I extends z.ZodObject, O extends z.ZodObject> extends CallFacts {
  readonly input: I;
  readonly output: O;
  readonly handle: (input: z.output<I>, context: CallContext) => Promise<z.input<O>> | z.input<O>;
}

/** A call whose input and output are checked: neither a caller nor the kernel can pass what is not in the table. */
export function defineCall<I extends z.ZodObject, O extends z.ZodObject>({
  handle,
  ...facts
}: TypedCall<I, O>): ExternalCall {
  return {
    ...facts,
    handle: async (input, context) => {
      // A schema's own output is what it parses to; the compiler cannot tell for one it does not know.
      const request = parseWith(facts.input, input ?? {}, facts.name) as z.output<I>;
      return facts.output.parse(await handle(request, context));
    },
  };
}
