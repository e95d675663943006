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
import { parseWith } from '../shared/agentDefinition.js';
import { scopeOf } from '../shared/capability.js';
import { KernelError, invariant } from '../shared/errors.js';
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
} from '../shared/protocol.js';
import { AgentTable } from './agentTable.js';
import { startOrphanGuard } from './orphanGuard.js';
import { RowFeed, type Emit } from './rowFeed.js';
import { Broker, type Prompter } from './sandbox/broker.js';
import { createToolbox } from './sandbox/toolbox.js';
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
  const emit: Emit = (name, payload) => peer.emit(name, payload);
  const disk = createDisk();
  const processes = parts.use(createProcesses({ reaperPath: fileURLToPath(beside('./reaper.js')) }));
  const engine = { ...request.engine, model: request.engine.model || embeddedModel };
  const driver = parts.use(await createLlamaDriver(engine, log));
  const scheduler = new Scheduler(driver, systemClock);
  parts.defer(() => scheduler.stop());
  parts.defer(watchForStall(scheduler, log));
  const prompter: Prompter = { ask: (wish, signal) => ask(wish, signal, peer, agents) };
  const broker = new Broker({ prompter, clock: systemClock });
  const workerUrl = beside('./sandboxWorker.js');
  const toolbox = parts.use(await createToolbox({ toolsDir, workerUrl, disk, processes, broker, log }));
  const feed = new RowFeed(emit);
  const agents = new AgentTable({ driver, scheduler, toolbox, broker, clock: systemClock, feed, emit });
  parts.defer(() => agents.stopAll());
  return {
    info: { ...driver.info, bootMs: Math.round(systemClock.now() - start) },
    syscalls: createSyscalls({ agents, scheduler, resolveWorkspace: (root) => disk.realFolder(root) }),
    [Symbol.asyncDispose]: () => parts[Symbol.asyncDispose](),
  };
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
