/**
 * The kernel process: built by hand, in dependency order, from the parts it is made of. It is forked by a client
 * (editor or CLI), speaks `shared/protocol` over the fork's channel, and ends with it. It never imports `vscode`,
 * and this file is the only one that names a driver.
 */

import { fileURLToPath } from 'node:url';
import { systemClock } from '../hal/clock.js';
import { createDisk } from '../hal/disk.js';
import type { Embedder } from '../hal/embedder.js';
import { createAttentionReader } from '../hal/llama/attentionReader.js';
import { createEmbedder } from '../hal/llama/embedder.js';
import { createLlamaDriver } from '../hal/llama/llamaDriver.js';
import { startOrphanGuard } from '../hal/orphanGuard.js';
import { createProcesses } from '../hal/process.js';
import { parseWith } from '../shared/agentDefinition.js';
import { scopeOf } from '../shared/capability.js';
import { KernelError, invariant, messageOf } from '../shared/errors.js';
import { ipcChannel } from '../shared/ipcChannel.js';
import { stepStallMs } from '../shared/limits.js';
import { AsyncDisposableStore } from '../shared/lifecycle.js';
import { Peer, type Handlers } from '../shared/peer.js';
import {
  bootRequestSchema,
  permissionAnswerSchema,
  protocolVersion,
  type BootRequest,
  type ClientCalls,
  type ClientEvents,
  type KernelCalls,
  type KernelEvents,
  type KernelInfo,
  type KernelUsage,
  type LogLevel,
  type PermissionAnswer,
  type PermissionRequest,
  type StatePlace,
  type StateTiers,
} from '../shared/protocol.js';
import type { AgentJournal } from './agent/loop.js';
import { openAgentMemory, type AgentMemory, type AgentMemoryOptions } from './agentMemory.js';
import { MemoryAudit } from './audit/memoryAudit.js';
import { auditSyscalls } from './audit/syscallAudit.js';
import { AgentTable } from './agentTable.js';
import { fileReader, withRecall } from './contexts.js';
import { ControlSocket } from './controlSocket.js';
import {
  createExternalKernel,
  localCaller,
  type ExternalKernel,
  type ExternalParts,
} from './externalKernel.js';
import { createMcp, type Mcp } from './gateways/mcp.js';
import type { DurableState } from './durableState.js';
import { grantedRecord, type JournalRecord } from './journal/records.js';
import { readableValueType } from './kv/attentionInput.js';
import type { DiskTier } from './diskTier.js';
import { resumeAgents } from './resume.js';
import { RowFeed, type Emit } from './rowFeed.js';
import { Broker, type BrokerOptions, type Prompter } from './sandbox/broker.js';
import { createToolbox } from './sandbox/toolbox.js';
import type { Scheduler } from './scheduler/scheduler.js';
import { Serving, type ServingParts } from './serving.js';
import { createSyscalls, type Syscalls } from './syscalls.js';

/** Where the parts that are not code lie, seen from the bundle in dist/. */
const beside = (path: string): URL => new URL(path, import.meta.url);
const embeddedModel = fileURLToPath(beside('../models/amk-embedded.gguf'));
const embedderModel = fileURLToPath(beside('../models/amk-embedder.gguf'));
/** Of its vectors: an external block store is told before the first one is made. */
const embedderDimensions = 256;
const toolsDir = fileURLToPath(beside('../wasm-tools'));

interface Machine extends AsyncDisposable {
  readonly info: KernelInfo;
  readonly syscalls: Handlers<Syscalls>;
  readonly tiers: () => StateTiers;
  readonly mcp: Mcp;
  readonly serving: Serving;
}

type KernelPeer = Peer<KernelCalls, ClientCalls, ClientEvents, KernelEvents>;

let peakRssBytes = 0;

function usage(tiers: StateTiers | null): KernelUsage {
  const rssBytes = process.memoryUsage.rss();
  peakRssBytes = Math.max(peakRssBytes, rssBytes, process.resourceUsage().maxRSS * 1024);
  return { rssBytes, peakRssBytes, tiers };
}

/** Builds the machine; what was built is taken down when a later part fails. */
async function boot(request: BootRequest, peer: KernelPeer): Promise<Machine> {
  const parts = new AsyncDisposableStore();
  try {
    return await assemble(request, peer, parts);
  } catch (error) {
    await parts[Symbol.asyncDispose]();
    throw error;
  }
}

/** Devices first, then what uses them. */
async function assemble(
  request: BootRequest,
  peer: KernelPeer,
  parts: AsyncDisposableStore,
): Promise<Machine> {
  const start = systemClock.now();
  const log = (level: LogLevel, message: string): void => peer.emit('log', { level, message });
  const control = new ControlSocket({ clock: systemClock, log });
  const { audience, emit } = broadcast(peer, control);
  const disk = createDisk();
  const processes = parts.use(createProcesses({ reaperPath: fileURLToPath(beside('./reaper.js')) }));
  const engine = { ...request.engine, model: request.engine.model || embeddedModel };
  const driver = parts.use(await createLlamaDriver(engine, log));
  const { scheduler, contexts, state, snapshots, tiers, tierOf } = await openMemory(
    { request, engine, driver, log, emit, readFile: fileReader(disk), clientOf: (pid) => agents.get(pid) },
    parts,
  );
  const journal = state?.journal;
  parts.defer(watchForStall(scheduler, log));
  const prompter: Prompter = { ask: (wish, signal) => ask(wish, signal, peer, agents) };
  const audit = state?.audit ?? new MemoryAudit();
  const broker = createBroker({ prompter, clock: systemClock, audit }, request, peer);
  const workerUrl = beside('./sandboxWorker.js');
  const toolbox = parts.use(
    await createToolbox({ toolsDir, workerUrl, disk, processes, broker, audit, log }),
  );
  const tools = withRecall(toolbox, contexts);
  const agents = new AgentTable({
    ...{ driver, scheduler, toolbox: tools, broker, clock: systemClock, emit, feed: new RowFeed(emit) },
    ...{ journal, snapshots, contexts, past: journal?.state, tierOf },
  });
  parts.defer(() => agents.suspendAll());
  const resolveWorkspace = (root: string): Promise<string> => disk.realFolder(root);
  const resume = request.state?.resume ?? 'pause';
  await takeOver({ state, broker, agents, resume, snapshots, realFolder: resolveWorkspace, log });
  const inside = { agents, scheduler, broker, resolveWorkspace, journal, snapshots, contexts };
  const table = createSyscalls(inside);
  const syscalls = auditSyscalls<Syscalls>(table, audit, 'client');
  const info = {
    ...driver.info,
    bootMs: Math.round(systemClock.now() - start),
    keepsAgents: state !== undefined,
  };
  const { external, mcp } = openOutside(
    {
      ...{ ...inside, toolbox: tools, driver, audit, info: () => info, usage: () => usage(tiers()) },
      workspaces: () => request.control?.workspaces ?? [],
    },
    peer,
    parts,
  );
  audience.push(external);
  const gateways = [mcp.gateway];
  const serving = parts.use(createServing({ driver, scheduler, agents, info, tiers, log, gateways }));
  parts.defer(() => control.dispose());
  const pulse = { ping: () => usage(tiers()), info: () => info };
  openControl(control, request, info, { ...auditSyscalls<Syscalls>(table, audit, 'control'), ...pulse });
  return { info, syscalls, tiers, mcp, serving, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
}

const createServing = (parts: Omit<ServingParts, 'clock' | 'embedder'>): Serving =>
  new Serving({
    ...{ ...parts, clock: systemClock },
    embedder: { model: 'amk-embedder', open: () => openEmbedder(parts.log) },
  });

/** Nobody waits for it: a folder on a disk that hangs must not keep the kernel from its work. */
function openControl(
  control: ControlSocket,
  { control: place }: BootRequest,
  info: KernelInfo,
  handlers: Parameters<ControlSocket['open']>[2],
): void {
  if (place !== undefined) void control.open(place, info, handlers);
}

const openEmbedder = (log: Log): Promise<Embedder> => createEmbedder(embedderModel, { threads: 1, log });

/** Whoever listens: the audience may grow. */
function broadcast(...audience: { emit: Emit }[]): {
  readonly audience: { emit: Emit }[];
  readonly emit: Emit;
} {
  const emit: Emit = (name, payload) => {
    for (const each of audience) each.emit(name, payload);
  };
  return { audience, emit };
}

type Found = 'clock' | 'codecUrl' | 'attention' | 'dimensions' | 'openEmbedder';

function openMemory(
  options: Omit<AgentMemoryOptions, Found>,
  parts: AsyncDisposableStore,
): Promise<AgentMemory> {
  const { driver, engine, log } = options;
  const { keyType, valueType } = driver.info.state;
  return openAgentMemory(
    {
      ...{ ...options, clock: systemClock, codecUrl: beside('./codecWorker.js') },
      attention: createAttentionReader({
        ...{ workerUrl: beside('./attentionWorker.js'), modelPath: engine.model, threads: 1 },
        ...{ keyType, valueType: readableValueType(valueType) },
      }),
      dimensions: embedderDimensions,
      openEmbedder: () => openEmbedder(log),
    },
    parts,
  );
}

/** What programs outside of the kernel reach, and MCP for them. */
function openOutside(
  outside: ExternalParts,
  peer: KernelPeer,
  parts: AsyncDisposableStore,
): { readonly external: ExternalKernel; readonly mcp: Mcp } {
  const external = createExternalKernel(outside);
  const send = (message: unknown): void => peer.emit('mcpSent', { message });
  const mcp = createMcp({ viewOf: (caller) => external.viewOf(caller), local: localCaller, send });
  return { external, mcp: parts.use(mcp) };
}

type Log = (level: LogLevel, message: string) => void;

/** Rights of earlier sessions are there before any agent is. */
function createBroker(
  options: BrokerOptions,
  { workspaceGrants = [] }: BootRequest,
  peer: KernelPeer,
): Broker {
  const broker = new Broker(options);
  broker.onDidGrant((grant) => peer.emit('grantChanged', { grant, isLive: true }));
  broker.onDidRevoke((grant) => peer.emit('grantChanged', { grant, isLive: false }));
  for (const { spec, workspace } of workspaceGrants) broker.grant(spec, { workspace, lifetime: 'workspace' });
  return broker;
}

interface TakeOverParts {
  readonly state: DurableState | undefined;
  readonly broker: Broker;
  readonly agents: AgentTable;
  readonly resume: StatePlace['resume'];
  readonly snapshots: DiskTier | undefined;
  readonly realFolder: (path: string) => Promise<string>;
  readonly log: Log;
}

/** What the journal tells of becomes true again; snapshots that it does not tell of go. */
async function takeOver(parts: TakeOverParts): Promise<void> {
  const { state, broker, agents, resume, snapshots, realFolder, log } = parts;
  if (state === undefined) return;
  const { journal } = state;
  journalGrants(broker, journal, log);
  const keys = [...journal.state.agents.values()].flatMap(({ snapshot }) => snapshot?.key ?? []);
  await resumeAgents({ state: journal.state, journal, agents, mode: resume, realFolder, log });
  void snapshots?.removeOthers(new Set(keys));
}

/** For whoever reads the journal: no right outlives the kernel, so nobody waits for the record of one. */
function journalGrants(broker: Broker, journal: AgentJournal, log: Log): void {
  const note = (record: JournalRecord): void => {
    journal
      .append(record)
      .catch((error: unknown) => log('warn', `a grant is not journalled: ${messageOf(error)}`));
  };
  broker.onDidGrant((grant) => note(grantedRecord(grant)));
  broker.onDidUse(({ grant, pid }) => note({ type: 'grantUsed', id: grant.id, pid }));
  broker.onDidRevoke(({ id }) => note({ type: 'grantRevoked', id }));
}

/** Asks the person behind the client; the agent shows as blocked meanwhile. */
async function ask(
  wish: PermissionRequest,
  signal: AbortSignal,
  peer: KernelPeer,
  agents: AgentTable,
): Promise<PermissionAnswer> {
  const agent = agents.get(wish.pid);
  agent.personAsked(`${wish.access.capability} ${scopeOf(wish.access)}`);
  try {
    return parseWith(
      permissionAnswerSchema,
      await peer.call('askPermission', wish, signal),
      'permission answer',
    );
  } finally {
    agent.personAnswered();
  }
}

/** An engine that never returns from a step cannot be interrupted: the process ends, and its client restarts it. */
function watchForStall(scheduler: Scheduler, log: (level: LogLevel, message: string) => void): () => void {
  const timer = setInterval(() => {
    if (scheduler.stepAgeMs < stepStallMs) return;
    log('error', `the engine has not finished a step for ${stepStallMs / 1000} s`);
    process.exit(1);
  }, stepStallMs / 10);
  timer.unref();
  return () => clearInterval(timer);
}

interface Process {
  readonly handlers: Handlers<KernelCalls>;
  takeDown(): Promise<void>;
}

/** A kernel that may not be booted yet: every syscall says so until it is. */
function createProcess(peerOf: () => KernelPeer, exit: () => Promise<void>): Process {
  let machine: Promise<Machine> | undefined;
  let tiers: Machine['tiers'] | undefined;
  const booted = async (): Promise<Machine> => {
    if (machine === undefined) throw new KernelError('badRequest', 'the kernel is not booted');
    return await machine;
  };
  const handlers: Handlers<KernelCalls> = {
    boot: async (input) => {
      const request = parseWith(bootRequestSchema, input, 'boot');
      if (request.protocol !== protocolVersion) {
        throw new KernelError(
          'protocolMismatch',
          `the client speaks protocol ${request.protocol} and the kernel ${protocolVersion}`,
        );
      }
      if (machine !== undefined) throw new KernelError('badRequest', 'the kernel is booted already');
      machine = boot(request, peerOf());
      machine.catch(() => (machine = undefined));
      const { info, tiers: ofMachine } = await machine;
      tiers = ofMachine;
      return info;
    },
    ping: () => usage(tiers?.() ?? null),
    shutdown: async () => {
      setImmediate(() => void exit());
      await Promise.resolve();
      return null;
    },
    spawn: async (...call) => (await booted()).syscalls.spawn(...call),
    handoff: async (...call) => (await booted()).syscalls.handoff(...call),
    wait: async (...call) => (await booted()).syscalls.wait(...call),
    stop: async (...call) => (await booted()).syscalls.stop(...call),
    pause: async (...call) => (await booted()).syscalls.pause(...call),
    resume: async (...call) => (await booted()).syscalls.resume(...call),
    renice: async (...call) => (await booted()).syscalls.renice(...call),
    list: async (...call) => (await booted()).syscalls.list(...call),
    contextMap: async (...call) => (await booted()).syscalls.contextMap(...call),
    contextBlock: async (...call) => (await booted()).syscalls.contextBlock(...call),
    pinBlock: async (...call) => (await booted()).syscalls.pinBlock(...call),
    pageBlock: async (...call) => (await booted()).syscalls.pageBlock(...call),
    grants: async (...call) => (await booted()).syscalls.grants(...call),
    revoke: async (...call) => (await booted()).syscalls.revoke(...call),
    serve: async (input) => await (await booted()).serving.serve(input),
    stopServing: async () => {
      await (await booted()).serving.stop();
      return null;
    },
    mcpSend: async ({ message }) => {
      await (await booted()).mcp.receive(message);
      return null;
    },
  };
  return {
    handlers,
    takeDown: async () => {
      await (await machine)?.[Symbol.asyncDispose]();
    },
  };
}

function main(): void {
  invariant(process.send !== undefined, 'the kernel is forked by a client and has its channel');
  startOrphanGuard();
  // A terminal sends ctrl-c to every process in front of it; when the kernel ends is its client's decision.
  process.on('SIGINT', () => undefined);
  const end = async (): Promise<void> => {
    try {
      await kernel.takeDown();
    } finally {
      process.exit(0);
    }
  };
  // A client that shut the kernel down closes the channel as well; the machine is taken down once, in its order.
  let ending: Promise<void> | undefined;
  const exit = (): Promise<void> => (ending ??= end());
  const kernel = createProcess(() => peer, exit);
  const peer: KernelPeer = new Peer<KernelCalls, ClientCalls, ClientEvents, KernelEvents>({
    channel: ipcChannel(process),
    handlers: kernel.handlers,
    onMalformed: (reason) =>
      peer.emit('log', { level: 'warn', message: `malformed frame from the client: ${reason}` }),
  });
  peer.onClose(() => void exit());
  peer.emit('hello', { protocol: protocolVersion, osPid: process.pid });
}

main();
