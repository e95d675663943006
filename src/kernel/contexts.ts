/**
 * The virtual contexts of this kernel's agents, by pid, and the tool by which an agent asks its own for what it saw.
 * `recall` reaches nothing but what its agent was shown before: it needs no right and no sandbox.
 */

import { setTimeout as delay } from 'node:timers/promises';
import type { Disk } from '../hal/disk.js';
import type { InferenceDriver, ToolSignature } from '../hal/driver.js';
import { KernelError, messageOf } from '../shared/errors.js';
import { maxFileBytes } from '../shared/limits.js';
import type { Pid } from '../shared/protocol.js';
import type { Agent } from './agent/agent.js';
import type { AgentJournal } from './agent/loop.js';
import { AgentContext } from './context/agentContext.js';
import type { ContextHistory } from './context/history.js';
import type { PagerParts } from './context/pager.js';
import type { PressureSettings } from './context/pressure.js';
import { recallTool } from './context/recall.js';
import { contextRecord } from './journal/records.js';
import type { Emit } from './rowFeed.js';
import type { ToolInvocation, ToolOutcome, Toolbox } from './sandbox/toolbox.js';

export interface ContextsParts extends Pick<
  PagerParts,
  'store' | 'embedder' | 'clock' | 'log' | 'readFile' | 'measureAttention' | 'prepareAttention'
> {
  readonly driver: InferenceDriver;
  readonly settings: PressureSettings;
  readonly journal?: AgentJournal | undefined;
  readonly emit: Emit;
}

/** What the end of a kernel may spend on what nobody needs. */
const closeMs = 500;

export class Contexts implements AsyncDisposable {
  /** Who exited and is still in the store. */
  readonly #ended = new Set<Pid>();
  readonly #parts: PagerParts;
  readonly #contexts = new Map<Pid, AgentContext>();

  constructor({ driver, journal, emit, ...parts }: ContextsParts) {
    this.#parts = {
      ...parts,
      windowTokens: driver.info.contextTokens,
      countTokens: (text) => driver.tokenize(text, 'text').length,
      record: async (pid, change) => await journal?.append(contextRecord(pid, change)),
      onChange: (pid, text) => {
        parts.log('info', `agent ${pid} ${text}`);
        emit('contextChanged', { pid, text });
      },
    };
  }

  /** @param startedAt tells agents of the same pid apart, in milliseconds since the epoch */
  open(agent: Agent, startedAt: number, past: ContextHistory | undefined): AgentContext {
    const { pid, task, messages, workspaceRoot, inherited, definition } = agent;
    const subject = {
      ...{ pid, task, messages, workspaceRoot, owner: `agent:${pid}-${startedAt}` },
      taskMessage: inherited === undefined ? 1 : inherited.messages - 1,
      canRecall: definition.tools.includes(recallTool) && agent.toldTools.includes(recallTool),
    };
    const context = new AgentContext(subject, this.#parts, past);
    this.#contexts.set(pid, context);
    return context;
  }

  /** @throws KernelError `notFound` */
  of(pid: Pid): AgentContext {
    const context = this.#contexts.get(pid);
    if (context === undefined) throw new KernelError('notFound', `there is no agent with pid ${pid}`);
    return context;
  }

  /** The agent has exited, and nobody goes on with its conversation: the store forgets it. Nobody waits for that. */
  close(pid: Pid): void {
    this.#ended.delete(pid);
    void this.#contexts.get(pid)?.close();
  }

  /** The agent has exited; another one may go on with its conversation. */
  ended(pid: Pid): void {
    this.#ended.add(pid);
  }

  forget(pid: Pid): void {
    if (this.#ended.has(pid)) this.close(pid);
    this.#contexts.delete(pid);
  }

  /** Whoever has exited leaves nothing behind; the others go on in the next kernel. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ended = [...this.#ended].map(async (pid) => await this.#contexts.get(pid)?.close());
    await Promise.race([Promise.all(ended), delay(closeMs, undefined, { ref: false })]);
  }

  /** What agents have read may be another now. Nobody waits for it. @param path undefined where any file may be */
  filesChanged(root: string, path: string | undefined): void {
    for (const context of this.#contexts.values()) {
      if (context.subject.workspaceRoot === root) context.fileChanged(path).catch(this.#complain);
    }
  }

  readonly #complain = (error: unknown): void => {
    this.#parts.log('warn', `files that changed are not seen: ${messageOf(error)}`);
  };
}

const recallSignature: ToolSignature = {
  name: recallTool,
  description:
    'Find what you saw before and what is no longer shown, such as the text behind a line like `[paged #17 src/a.ts 1-40, …]`.',
  parameters: { query: { description: 'Words of the text, or what it is about.' } },
};

/** The tools of a toolbox, and `recall`. What its tools may have changed is told to the contexts. */
export function withRecall(toolbox: Toolbox, contexts: Contexts): Toolbox {
  return {
    signatures: (names) =>
      names.flatMap((name) => (name === recallTool ? [recallSignature] : toolbox.signatures([name]))),
    invoke: async (call, signal) => {
      if (call.tool === recallTool) return await recall(call, contexts);
      const outcome = await toolbox.invoke(call, signal);
      if (call.tool === 'run') contexts.filesChanged(call.workspaceRoot, undefined);
      if (call.tool === 'edit_file') contexts.filesChanged(call.workspaceRoot, call.arguments['path']);
      return outcome;
    },
    [Symbol.asyncDispose]: () => toolbox[Symbol.asyncDispose](),
  };
}

async function recall(call: ToolInvocation, contexts: Contexts): Promise<ToolOutcome> {
  const start = performance.now();
  const outcome = (ok: boolean, text: string): ToolOutcome => ({
    ...{ ok, text, capability: null, decision: 'none' },
    ms: Math.round(performance.now() - start),
  });
  const { query, ...others } = call.arguments;
  if (query === undefined || query.trim() === '' || Object.keys(others).length > 0) {
    return outcome(false, `error: ${recallTool} takes query`);
  }
  try {
    return outcome(true, await contexts.of(call.pid).recall(query, call.resultBytes));
  } catch (error) {
    if (!(error instanceof KernelError) || error.code === 'bug') throw error;
    return outcome(false, `error: ${error.message}`);
  }
}

/** Reads the files that blocks are of, to see whether they are still what they were; never for an agent. */
export function fileReader(disk: Disk): PagerParts['readFile'] {
  return async (root, path) => {
    try {
      const workspace = await disk.openWorkspace(root);
      const bytes = await workspace.readFile(await workspace.resolve(path), maxFileBytes);
      return new TextDecoder().decode(bytes);
    } catch {
      return undefined;
    }
  };
}
