/** Agents with virtual contexts on the simulated driver: a small window, tools that return long texts, a store. */

import { createManualClock } from '../../../../src/hal/manualClock.js';
import { createSimulatedDriver, type SimulatedOptions } from '../../../../src/hal/simulated.js';
import { AgentTable } from '../../../../src/kernel/agentTable.js';
import { Contexts, withRecall, type ContextsParts } from '../../../../src/kernel/contexts.js';
import type { JournalRecord } from '../../../../src/kernel/journal/records.js';
import { ReplayedState } from '../../../../src/kernel/journal/replay.js';
import { MemoryAudit } from '../../../../src/kernel/audit/memoryAudit.js';
import { RowFeed } from '../../../../src/kernel/rowFeed.js';
import { Broker } from '../../../../src/kernel/sandbox/broker.js';
import type { ToolInvocation, Toolbox } from '../../../../src/kernel/sandbox/toolbox.js';
import { Scheduler } from '../../../../src/kernel/scheduler/scheduler.js';
import { agentDefinitionSchema, type AgentDefinition } from '../../../../src/shared/agentDefinition.js';
import type { AgentReport } from '../../../../src/shared/protocol.js';
import type { Agent } from '../../../../src/kernel/agent/agent.js';
import type { BlockStore } from '../../../../src/kernel/context/store/blockStore.js';
import { MemoryBlockStore } from '../../../support/memoryBlockStore.js';

export interface PagedMachine {
  readonly agents: AgentTable;
  readonly contexts: Contexts;
  readonly store: BlockStore;
  readonly state: ReplayedState;
  readonly records: JournalRecord[];
  /** What every turn was shown. */
  readonly prompts: string[];
  readonly changes: string[];
  readonly logs: string[];
  readonly spawn: (task: string, definition?: Partial<AgentDefinition>) => Promise<Agent>;
  readonly run: (task: string, definition?: Partial<AgentDefinition>) => Promise<AgentReport>;
}

export interface MachineSetup {
  readonly respond: SimulatedOptions['respond'];
  readonly result?: (call: ToolInvocation) => string;
  readonly windowTokens?: number;
  readonly store?: BlockStore;
  readonly state?: ReplayedState;
  readonly files?: Readonly<Record<string, string>>;
  readonly parts?: Partial<
    Pick<ContextsParts, 'embedder' | 'measureAttention' | 'prepareAttention' | 'settings'>
  >;
}

export const never = new AbortController().signal;
const workspace = { root: '/workspace', trusted: true };

export const say = (name: string, args: Record<string, string>): string =>
  `<tool_call>${JSON.stringify({ name, arguments: args })}</tool_call>`;

export async function withPagedMachine(
  setup: MachineSetup,
  body: (machine: PagedMachine) => Promise<void>,
): Promise<void> {
  const { respond, result = () => '', windowTokens = 1024, store = new MemoryBlockStore() } = setup;
  const [prompts, changes, logs, records]: [string[], string[], string[], JournalRecord[]] = [[], [], [], []];
  const state = setup.state ?? new ReplayedState();
  const clock = createManualClock();
  const driver = createSimulatedDriver({
    contextTokens: windowTokens,
    clock,
    costMs: () => 1,
    respond: (prompt) => {
      prompts.push(prompt);
      return respond(prompt);
    },
  });
  const scheduler = new Scheduler({ driver, clock });
  const audit = new MemoryAudit();
  const broker = new Broker({ prompter: { ask: () => Promise.reject(new Error('nobody')) }, clock, audit });
  const journal = {
    append: (record: JournalRecord): Promise<void> => {
      state.apply(record);
      records.push(record);
      return Promise.resolve();
    },
  };
  const emit = (name: string, payload: unknown): void => {
    if (name === 'contextChanged') changes.push((payload as { text: string }).text);
  };
  const contexts = new Contexts({
    ...{ driver, store, clock, journal, emit, embedder: undefined },
    settings: { contextThreshold: 0.8, contextTarget: 0.6 },
    log: (level, message) => logs.push(`${level}: ${message}`),
    readFile: (_root, path) => Promise.resolve(setup.files?.[path]),
    ...setup.parts,
  });
  const toolbox: Toolbox = {
    signatures: (names) => names.map((name) => ({ name, description: name, parameters: {} })),
    invoke: (call) =>
      Promise.resolve({ text: result(call), ok: true, capability: 'fs.read', decision: 'granted', ms: 1 }),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const agents = new AgentTable({
    ...{ driver, scheduler, broker, clock, emit, journal, contexts, past: state },
    toolbox: withRecall(toolbox, contexts),
    feed: new RowFeed(emit),
  });
  const spawn: PagedMachine['spawn'] = (task, definition) =>
    agents.spawn(
      {
        definition: agentDefinitionSchema.parse({ name: 'scout', maxSteps: 1000, ...definition }),
        ...{ task, workspace, grants: [] },
      },
      workspace.root,
    );
  try {
    await body({
      ...{ agents, contexts, store, state, records, prompts, changes, logs, spawn },
      run: async (task, definition) => await agents.wait((await spawn(task, definition)).pid, never),
    });
  } finally {
    await agents.stopAll();
    await scheduler.stop();
  }
}
