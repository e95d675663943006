// A kernel on the simulated driver, seen through the views that callers have of it. Tests alone.
import { setMaxListeners } from 'node:events';
import { createManualClock } from '../../src/hal/manualClock.js';
import { createSimulatedDriver, type SimulatedOptions } from '../../src/hal/simulated.js';
import { AgentTable } from '../../src/kernel/agentTable.js';
import { MemoryAudit } from '../../src/kernel/audit/memoryAudit.js';
import { createExternalKernel, type ExternalKernel } from '../../src/kernel/externalKernel.js';
import { callExternally } from '../../src/kernel/gateways/externalCalls.js';
import type { Caller } from '../../src/kernel/gateways/caller.js';
import { RowFeed, type Emit } from '../../src/kernel/rowFeed.js';
import { Broker } from '../../src/kernel/sandbox/broker.js';
import type { ToolInvocation, ToolOutcome } from '../../src/kernel/sandbox/toolbox.js';
import { Scheduler } from '../../src/kernel/scheduler/scheduler.js';
import { KernelError } from '../../src/shared/errors.js';

export interface ExternalMachineOptions {
  readonly respond?: SimulatedOptions['respond'];
  readonly invoke?: (call: ToolInvocation, signal: AbortSignal) => Promise<ToolOutcome> | ToolOutcome;
  readonly workspaces?: readonly string[];
}

export interface ExternalMachine extends AsyncDisposable {
  readonly external: ExternalKernel;
  readonly agents: AgentTable;
  readonly broker: Broker;
  readonly audit: MemoryAudit;
  /** One call of a caller, as a gateway makes it. */
  readonly call: (
    by: Caller,
    name: string,
    input?: unknown,
    signal?: AbortSignal,
    progress?: (message: string) => void,
  ) => Promise<Readonly<Record<string, unknown>>>;
}

export const alice: Caller = { id: 'alice', name: 'Alice', mostUrgent: 'normal' };
export const bob: Caller = { id: 'bob', name: 'Bob', mostUrgent: 'interactive' };

const never = new AbortController().signal;
setMaxListeners(0, never);

/** A tool that works until it is stopped. */
export const untilStopped: NonNullable<ExternalMachineOptions['invoke']> = (_, signal) =>
  new Promise((_resolve, reject) => {
    const stop = (): void => reject(new KernelError('cancelled', 'the agent was stopped'));
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });

/** Says the task again; for a task that begins with `tool`, after a call of `search`. */
const echo: SimulatedOptions['respond'] = (prompt) => {
  const task = /<\|im_start\|>user\n([^]*?)<\|im_end\|>/.exec(prompt)?.[1] ?? '';
  const wantsTool = task.startsWith('tool') && !prompt.includes('<tool_response>');
  return wantsTool
    ? `<tool_call>${JSON.stringify({ name: 'search', arguments: { query: task } })}</tool_call>`
    : `done: ${task}`;
};

const done = (call: ToolInvocation): ToolOutcome => ({
  ...{ text: `${call.tool} did it`, ok: true, capability: 'fs.read', decision: 'granted', ms: 1 },
});

export function createExternalMachine(options: ExternalMachineOptions = {}): ExternalMachine {
  const { respond = echo, invoke = done, workspaces = ['/workspace'] } = options;
  const clock = createManualClock();
  const driver = createSimulatedDriver({ respond, clock, costMs: (prefill, decodes) => prefill + decodes });
  const scheduler = new Scheduler({ driver, clock });
  const audit = new MemoryAudit();
  const prompter = { ask: () => Promise.reject(new Error('nobody is asked here')) };
  const broker = new Broker({ prompter, clock, audit });
  const emit: Emit = (name, payload) => external.emit(name, payload);
  const toolbox = {
    signatures: (names: readonly string[]) =>
      names.map((name) => ({ name, description: name, parameters: {} })),
    invoke: async (call: ToolInvocation, signal: AbortSignal) => await invoke(call, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const agents = new AgentTable({ driver, scheduler, toolbox, broker, clock, emit, feed: new RowFeed(emit) });
  const external = createExternalKernel({
    ...{ agents, scheduler, broker, toolbox, driver, audit },
    contexts: { of: (pid) => assertNever(pid) },
    resolveWorkspace: (root) => Promise.resolve(root),
    workspaces: () => workspaces,
    info: () => ({ ...driver.info, bootMs: 1, keepsAgents: false }),
    usage: () => ({ rssBytes: 1, peakRssBytes: 2, tiers: null }),
  });
  return {
    ...{ external, agents, broker, audit },
    call: async (by, name, input, signal = never, progress = () => undefined) =>
      await callExternally(name, input, { kernel: external.viewOf(by), signal, progress }),
    [Symbol.asyncDispose]: async () => {
      await agents.stopAll();
      await scheduler.stop();
    },
  };
}

function assertNever(pid: number): never {
  throw new KernelError('notFound', `there is no agent with pid ${pid}`);
}
