/**
 * The kernel process: built by hand, in dependency order, from the parts it is made of. It is forked by a client
 * (editor or CLI), speaks `shared/protocol` over the fork's channel, and ends with it. It never imports `vscode`,
 * and this file is the only one that names a driver.
 */

import { fileURLToPath } from 'node:url';
import { systemClock } from '../hal/clock.js';
import { createDisk } from '../hal/disk.js';
import { createLlamaDriver } from '../hal/llama/llamaDriver.js';
import { createProcesses } from '../hal/process.js';
import type { InferenceDriver } from '../hal/driver.js';
import { createScratch, type Scratch } from '../hal/scratch.js';
import { parseWith } from '../shared/agentDefinition.js';
import { scopeOf } from '../shared/capability.js';
import { KernelError, invariant, messageOf } from '../shared/errors.js';
import { ipcChannel } from '../shared/ipcChannel.js';
import { calibrationMs, codecTimeoutMs, stepStallMs } from '../shared/limits.js';
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
} from '../shared/protocol.js';
import type { AgentJournal } from './agent/loop.js';
import { AgentTable } from './agentTable.js';
import { ControlSocket } from './controlSocket.js';
import { openDurableState, type DurableState } from './durableState.js';
import { grantedRecord, type JournalRecord } from './journal/records.js';
import { CodecPool } from './kv/codecPool.js';
import { DiskTier, type DiskTierParts } from './diskTier.js';
import { startOrphanGuard } from './orphanGuard.js';
import { resumeAgents } from './resume.js';
import { RowFeed, type Emit } from './rowFeed.js';
import { Broker, type Prompter } from './sandbox/broker.js';
import { createToolbox } from './sandbox/toolbox.js';
import { SwapSpace } from './kv/swapSpace.js';
import { calibrate } from './scheduler/calibration.js';
import { Scheduler } from './scheduler/scheduler.js';
import { createSyscalls, type Syscalls } from './syscalls.js';

/** Where the parts that are not code lie, seen from the bundle in dist/. */
const beside = (path: string): URL => new URL(path, import.meta.url);
const embeddedModel = fileURLToPath(beside('../models/amk-embedded.gguf'));
const toolsDir = fileURLToPath(beside('../wasm-tools'));

interface Machine extends AsyncDisposable {
  readonly info: KernelInfo;
  readonly syscalls: Handlers<Syscalls>;
}

type KernelPeer = Peer<KernelCalls, ClientCalls, ClientEvents, KernelEvents>;

let peakRssBytes = 0;

function usage(): KernelUsage {
  const rssBytes = process.memoryUsage.rss();
  peakRssBytes = Math.max(peakRssBytes, rssBytes, process.resourceUsage().maxRSS * 1024);
  return { rssBytes, peakRssBytes };
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
  const emit: Emit = (name, payload) => {
    peer.emit(name, payload);
    control.emit(name, payload);
  };
  const disk = createDisk();
  const processes = parts.use(createProcesses({ reaperPath: fileURLToPath(beside('./reaper.js')) }));
  const engine = { ...request.engine, model: request.engine.model || embeddedModel };
  const driver = parts.use(await createLlamaDriver(engine, log));
  const scratch = parts.use(await createScratch());
  const state = await openState(request, log);
  if (state !== undefined) parts.use(state);
  const journal = state?.journal;
  const swap: SwapSpace = new SwapSpace({
    driver,
    files: scratch,
    quotaBytes: Math.min(engine.swapMegabytes * 1e6, scratch.freeBytes / 2),
    onEvict: async (parked) => await snapshots?.demote(parked),
  });
  const cost = await calibrate(driver, systemClock, calibrationMs);
  const onTrouble = (message: string): void => log('warn', message);
  const scheduler = new Scheduler({ driver, clock: systemClock, settings: engine, cost, swap, onTrouble });
  const snapshots = createDiskTier({ engine, driver, state, scratch, swap, scheduler, log }, parts);
  parts.defer(() => scheduler.stop());
  parts.defer(watchForStall(scheduler, log));
  const prompter: Prompter = { ask: (wish, signal) => ask(wish, signal, peer, agents) };
  const broker = new Broker({ prompter, clock: systemClock });
  const workerUrl = beside('./sandboxWorker.js');
  const toolbox = parts.use(await createToolbox({ toolsDir, workerUrl, disk, processes, broker, log }));
  const feed = new RowFeed(emit);
  const agents = new AgentTable({
    ...{ driver, scheduler, toolbox, broker, clock: systemClock, feed, emit },
    ...{ journal, snapshots, past: journal?.state },
  });
  parts.defer(() => agents.suspendAll());
  const resolveWorkspace = (root: string): Promise<string> => disk.realFolder(root);
  const resume = request.state?.resume ?? 'pause';
  await takeOver({ state, broker, agents, resume, snapshots, realFolder: resolveWorkspace, log });
  const syscalls = createSyscalls({ agents, scheduler, resolveWorkspace, journal, snapshots });
  const bootMs = Math.round(systemClock.now() - start);
  const info = { ...driver.info, bootMs, keepsAgents: state !== undefined };
  parts.defer(() => control.dispose());
  // Nobody waits for it: a folder on a disk that hangs must not keep the kernel from its work.
  if (request.control !== undefined) {
    void control.open(request.control, info, { ...syscalls, ping: usage, info: () => info });
  }
  return { info, syscalls, [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose]() };
}

type Log = (level: LogLevel, message: string) => void;

async function openState({ state, engine }: BootRequest, log: Log): Promise<DurableState | undefined> {
  if (state === undefined) return undefined;
  const snapshotBytes = engine.snapshotMegabytes * 1e6;
  return await openDurableState({ dir: state.dir, snapshotBytes, clock: systemClock, log });
}

interface TierParts extends Pick<DiskTierParts, 'scheduler' | 'swap' | 'log'> {
  readonly engine: BootRequest['engine'];
  readonly driver: InferenceDriver;
  readonly state: DurableState | undefined;
  readonly scratch: Scratch;
}

/** Ends before the journal and the store that it writes to, and its codec before it. */
function createDiskTier(
  { engine, driver, state, scratch, ...rest }: TierParts,
  parts: AsyncDisposableStore,
): DiskTier | undefined {
  if (state?.store === undefined) return undefined;
  const codec = new CodecPool({
    workerUrl: beside('./codecWorker.js'),
    threads: 1,
    timeoutMs: codecTimeoutMs,
  });
  const { journal, store } = state;
  const quantisation = engine.snapshotQuantisation;
  const tier = new DiskTier({
    ...rest,
    ...{ journal, store, codec, quantisation, files: scratch, facts: driver.info.state },
  });
  parts.defer(async () => {
    const closed = tier[Symbol.asyncDispose]();
    await codec[Symbol.asyncDispose]();
    await closed;
  });
  return tier;
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
      return (await machine).info;
    },
    ping: usage,
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
