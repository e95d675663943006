/**
 * What the measurements of virtual context run on: the product's agents, scheduler, pager and store on a device whose
 * window is small. A conversation grows by agents that go on with one another's; a question is asked of a copy, so that
 * none changes what the next one sees.
 */

import { basename } from 'node:path';
import { LlamaLogLevel } from 'node-llama-cpp';
import type { AttentionProbe } from '../src/hal/attention.js';
import { systemClock } from '../src/hal/clock.js';
import type { ChatMessage, InferenceDriver } from '../src/hal/driver.js';
import type { Embedder } from '../src/hal/embedder.js';
import { createAttentionReader } from '../src/hal/llama/attentionReader.js';
import { createEmbedder } from '../src/hal/llama/embedder.js';
import { openEngine } from '../src/hal/llama/engine.js';
import { createLlamaDriver } from '../src/hal/llama/llamaDriver.js';
import { createScratch, type Scratch } from '../src/hal/scratch.js';
import { AgentTable, type AgentTableParts } from '../src/kernel/agentTable.js';
import { MemoryAudit } from '../src/kernel/audit/memoryAudit.js';
import { createAttentionProbe } from '../src/kernel/context/attentionProbe.js';
import { OramaStore } from '../src/kernel/context/store/oramaStore.js';
import { Contexts, withRecall } from '../src/kernel/contexts.js';
import type { JournalRecord } from '../src/kernel/journal/records.js';
import type { JournalledAgent } from '../src/kernel/journal/replay.js';
import { readableValueType } from '../src/kernel/kv/attentionInput.js';
import { CodecPool } from '../src/kernel/kv/codecPool.js';
import { SwapSpace } from '../src/kernel/kv/swapSpace.js';
import { createAttentionMeter, type AttentionMeter } from '../src/kernel/measuredAttention.js';
import { RowFeed } from '../src/kernel/rowFeed.js';
import { Broker } from '../src/kernel/sandbox/broker.js';
import type { Toolbox } from '../src/kernel/sandbox/toolbox.js';
import type { Client } from '../src/kernel/scheduler/job.js';
import { Scheduler } from '../src/kernel/scheduler/scheduler.js';
import { agentDefinitionSchema } from '../src/shared/agentDefinition.js';
import { AsyncDisposableStore } from '../src/shared/lifecycle.js';
import { codecTimeoutMs } from '../src/shared/limits.js';
import type { AgentReport, Pid } from '../src/shared/protocol.js';
import { defaultEngineSettings } from '../src/shared/settings.js';
import { embedderModel } from './models.js';

export interface WindowDevice {
  readonly driver: InferenceDriver;
  readonly embedder: Pick<Embedder, 'embed'>;
  readonly files: Scratch;
  readonly probe: AttentionProbe;
}

/** A conversation that grows, and is paged as it does. */
export interface PagedConversation {
  /** Says something to it, and waits for what the model says to that. */
  readonly say: (text: string) => Promise<AgentReport>;
  /** As `say`, but what is said does not become part of it. */
  readonly ask: (text: string) => Promise<AgentReport>;
  readonly messages: () => readonly ChatMessage[];
  /** What the store and the window give back of it. */
  readonly export: () => Promise<readonly ChatMessage[]>;
  readonly blockText: (pid: Pid, block: number) => string;
  /** Everything that left and came back, in order. */
  readonly records: readonly JournalRecord[];
  /** How often attention was measured when something had to leave, and how often it was not. */
  readonly readings: { readonly measured: number; readonly missed: number };
}

const never = new AbortController().signal;
const root = '/bench';
const definition = agentDefinitionSchema.parse({ name: 'scout', tools: ['recall'], handsTo: ['scout'] });

/** @param contextTokens the window of every agent */
export async function withWindow<T>(
  model: string,
  contextTokens: number,
  body: (device: WindowDevice) => Promise<T>,
): Promise<T> {
  const engine = { ...defaultEngineSettings, model, contextTokens, slots: 4 };
  await using parts = new AsyncDisposableStore();
  const driver = parts.use(await createLlamaDriver(engine, nobody));
  const own = await openEngine('cpu', embedderThreads, nobody);
  parts.defer(() => own.llama.dispose());
  // Opened a second time, it forgets whom to tell and writes to stdout, which is for the figures.
  own.llama.logLevel = LlamaLogLevel.error;
  const options = { engine: own, threads: embedderThreads, log: nobody };
  const embedder = parts.use(await createEmbedder(embedderModel, options));
  const files = parts.use(await createScratch());
  const { state: facts } = driver.info;
  const codecUrl = new URL('../src/kernel/kv/codecWorker.js', import.meta.url);
  const codec = parts.use(new CodecPool({ workerUrl: codecUrl, threads: 1, timeoutMs: codecTimeoutMs }));
  const reader = createAttentionReader({
    workerUrl: new URL('../src/hal/llama/attentionWorker.js', import.meta.url),
    ...{ modelPath: model, threads: 1 },
    ...{ keyType: facts.keyType, valueType: readableValueType(facts.valueType) },
  });
  const readState = (path: string): Promise<Uint8Array> => files.read(basename(path));
  const clock = systemClock;
  const probe = parts.use(
    createAttentionProbe({ reader, codec, files, facts, readState, clock, log: nobody }),
  );
  return await body({ driver, embedder: remembering(embedder), files, probe });
}

const nobody = (): void => undefined;
const embedderThreads = 2;

/** @param withAttention whether what leaves is chosen by the attention that it received, too */
export async function withPagedConversation<T>(
  device: WindowDevice,
  withAttention: boolean,
  body: (conversation: PagedConversation) => Promise<T>,
): Promise<T> {
  const { driver, embedder, files, probe } = device;
  const clock = systemClock;
  const records: JournalRecord[] = [];
  const readings = { measured: 0, missed: 0 };
  const journal = { append: (record: JournalRecord) => Promise.resolve(void records.push(record)) };
  const swap = new SwapSpace({ driver, files, quotaBytes: files.freeBytes / 4 });
  const scheduler = new Scheduler({ driver, clock, swap });
  const clientOf = (pid: Pid): Client => agents.get(pid);
  const meter = createAttentionMeter({ probe, driver, clock, clientOf, scheduler, swap, files });
  await using store = new OramaStore();
  const contexts = new Contexts({
    ...{ driver, store, embedder, journal, clock, emit: nobody, settings: defaultEngineSettings },
    ...(withAttention && counted(meter, readings)),
    log: nobody,
    readFile: () => Promise.resolve(undefined),
  });
  const toolbox = withRecall(noTools, contexts);
  const agents = createAgents({ driver, scheduler, contexts, toolbox });
  let last: Pid | undefined;
  const goOn = async (task: string, mode: 'move' | 'copy'): Promise<Pid> => {
    if (last !== undefined)
      return (await agents.handOff({ from: last, definition, task, mode, grants: [] })).pid;
    const workspace = { root, trusted: true };
    return (await agents.spawn({ definition, task, workspace, grants: [] }, root)).pid;
  };
  try {
    return await body({
      say: async (text) => await agents.wait((last = await goOn(text, 'move')), never),
      ask: async (text) => await agents.wait(await goOn(text, 'copy'), never),
      messages: () => agents.get(last ?? 0).messages,
      export: () => contexts.of(last ?? 0).export(),
      blockText: (pid, block) => contexts.of(pid).text(block),
      ...{ records, readings },
    });
  } finally {
    await end(agents, scheduler, driver);
  }
}

function counted(
  { measureAttention, prepareAttention }: AttentionMeter,
  readings: { measured: number; missed: number },
): AttentionMeter {
  return {
    prepareAttention,
    measureAttention: async (...asked) => {
      const received = await measureAttention(...asked);
      if (typeof received === 'string') readings.missed++;
      else readings.measured++;
      return received;
    },
  };
}

/** What an agent without tools says that is shown these messages and nothing else, each time a new one. */
export async function answersTo(
  { driver }: WindowDevice,
  conversations: readonly (readonly ChatMessage[])[],
): Promise<AgentReport[]> {
  const scheduler = new Scheduler({ driver, clock: systemClock });
  const agents = createAgents({ driver, scheduler, toolbox: noTools });
  const reports: AgentReport[] = [];
  try {
    for (const messages of conversations) {
      const { pid } = agents.resume(pastOf(reports.length + 1, messages), root, undefined);
      reports.push(await agents.wait(pid, never));
    }
    return reports;
  } finally {
    await end(agents, scheduler, driver);
  }
}

const pastOf = (pid: Pid, messages: readonly ChatMessage[]): JournalledAgent => ({
  ...{ pid, spawnedAt: 0, definition: { ...definition, tools: [] }, messages },
  ...{ task: messages.at(-1)?.content ?? '', workspace: { root, trusted: true }, toolCalls: [] },
  ...{ tokens: { prompt: 0, generated: 0 }, isPaused: false, class: 'normal', nice: 0 },
  ...{ inherited: { messages: messages.length, tools: [] }, owner: undefined },
  ...{ context: undefined, snapshot: undefined },
});

function createAgents(
  parts: Pick<AgentTableParts, 'driver' | 'scheduler' | 'contexts' | 'toolbox'>,
): AgentTable {
  const prompter = { ask: () => Promise.reject(new Error('nobody is asked')) };
  const clock = systemClock;
  const broker = new Broker({ prompter, clock, audit: new MemoryAudit() });
  return new AgentTable({ ...parts, clock, broker, emit: nobody, feed: new RowFeed(nobody) });
}

/** The next ones find the device empty. */
async function end(agents: AgentTable, scheduler: Scheduler, driver: InferenceDriver): Promise<void> {
  await agents.stopAll();
  await scheduler.stop();
  for (const slot of driver.slots) await slot.truncate(0);
}

const noTools: Toolbox = {
  signatures: () => [],
  invoke: ({ tool }) => {
    const text = `error: there is no tool ${tool}`;
    return Promise.resolve({ text, ok: false, capability: null, decision: 'none', ms: 0 });
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** Those who ask about one conversation embed the same texts again and again. */
function remembering(embedder: Embedder): Pick<Embedder, 'embed'> {
  const known = new Map<string, Float32Array>();
  return {
    embed: async (texts) => {
      const fresh = [...new Set(texts.filter((text) => !known.has(text)))];
      const vectors = await embedder.embed(fresh);
      for (const [index, text] of fresh.entries()) known.set(text, vectors[index] ?? new Float32Array());
      return texts.map((text) => known.get(text) ?? new Float32Array());
    },
  };
}
