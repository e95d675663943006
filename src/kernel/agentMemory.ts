/**
 * What agents remember, put together: the durable state with its journal, the tiers of attention state, the scheduler
 * that moves it between them, and the virtual contexts with what measures attention for them. What is opened here is
 * taken down with the given parts, whoever writes before what it writes to.
 */

import { basename } from 'node:path';
import type { AttentionReader } from '../hal/attention.js';
import type { Clock } from '../hal/clock.js';
import type { InferenceDriver } from '../hal/driver.js';
import { createScratch } from '../hal/scratch.js';
import { calibrationMs, codecTimeoutMs } from '../shared/limits.js';
import type { AsyncDisposableStore } from '../shared/lifecycle.js';
import type { BootRequest, LogLevel, Pid, StateTiers } from '../shared/protocol.js';
import type { EngineSettings } from '../shared/settings.js';
import type { AgentTableParts } from './agentTable.js';
import { createAttentionProbe } from './context/attentionProbe.js';
import type { Contexts } from './contexts.js';
import { DiskTier } from './diskTier.js';
import { openDurableState, type DurableState } from './durableState.js';
import { CodecPool } from './kv/codecPool.js';
import { SwapSpace } from './kv/swapSpace.js';
import { createAttentionMeter } from './measuredAttention.js';
import { openContexts, type OpenContextsOptions } from './openContexts.js';
import { calibrate } from './scheduler/calibration.js';
import type { Client } from './scheduler/job.js';
import { Scheduler } from './scheduler/scheduler.js';
import { tierOf, tiersOf } from './stateTiers.js';

export interface AgentMemoryOptions extends Pick<
  OpenContextsOptions,
  'readFile' | 'emit' | 'openEmbedder' | 'dimensions'
> {
  readonly driver: InferenceDriver;
  readonly engine: EngineSettings;
  readonly request: Pick<BootRequest, 'state' | 'storeKey'>;
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string) => void;
  /** Bundle of `codecWorker.ts`. */
  readonly codecUrl: URL;
  /** Of the model that the driver runs. */
  readonly attention: AttentionReader;
  /** @throws KernelError `notFound` */
  readonly clientOf: (pid: Pid) => Client;
}

export interface AgentMemory {
  readonly scheduler: Scheduler;
  readonly contexts: Contexts;
  /** Undefined where agents end with the kernel. */
  readonly state: DurableState | undefined;
  readonly snapshots: DiskTier | undefined;
  readonly tiers: () => StateTiers;
  readonly tierOf: NonNullable<AgentTableParts['tierOf']>;
}

export async function openAgentMemory(
  options: AgentMemoryOptions,
  parts: AsyncDisposableStore,
): Promise<AgentMemory> {
  const { driver, engine, clock, log, attention, clientOf } = options;
  const files = parts.use(await createScratch());
  /** Both ask for it before it is made. */
  const tier: { made: DiskTier | undefined } = { made: undefined };
  const state = await openState(options, (key) => tier.made?.stepsUntilRun(key));
  if (state !== undefined) parts.use(state);
  const swap = new SwapSpace({
    ...{ driver, files, quotaBytes: Math.min(engine.swapMegabytes * 1e6, files.freeBytes / 2) },
    onEvict: async (parked) => await tier.made?.demote(parked),
  });
  const cost = await calibrate(driver, clock, calibrationMs);
  const onTrouble = (message: string): void => log('warn', message);
  const scheduler = new Scheduler({ driver, clock, settings: engine, cost, swap, onTrouble });
  const codec = new CodecPool({ workerUrl: options.codecUrl, threads: 1, timeoutMs: codecTimeoutMs });
  const facts = driver.info.state;
  const { journal, store, blocks } = state ?? {};
  if (journal !== undefined && store !== undefined) {
    const quantisation = engine.snapshotQuantisation;
    tier.made = new DiskTier({ journal, store, codec, quantisation, files, facts, scheduler, swap, log });
  }
  const snapshots = tier.made;
  parts.defer(() => closeTier(snapshots, codec));
  parts.defer(() => scheduler.stop());
  const readState = (path: string): Promise<Uint8Array> => files.read(basename(path));
  const probe = parts.use(
    createAttentionProbe({ reader: attention, codec, files, facts, readState, clock, log }),
  );
  const meter = createAttentionMeter({ probe, driver, clock, clientOf, scheduler, swap, files });
  const { readFile, emit, openEmbedder, dimensions } = options;
  const contexts = await openContexts(
    {
      ...{ driver, engine, journal, emit, clock, log, readFile, openEmbedder, dimensions },
      ...{ ...blocks, ...meter, storeKey: options.request.storeKey },
    },
    parts,
  );
  return {
    ...{ scheduler, contexts, state, snapshots },
    tiers: () => tiersOf(driver, swap, store),
    tierOf: (agent) => tierOf(agent, swap, snapshots),
  };
}

async function openState(
  { request: { state }, engine, clock, log }: AgentMemoryOptions,
  stepsUntilRun: (key: string) => number | undefined,
): Promise<DurableState | undefined> {
  if (state === undefined) return undefined;
  const { dir, auditKey, encryptionKey: key } = state;
  return await openDurableState({
    ...{ dir, auditKey, clock, log, snapshotBytes: engine.snapshotMegabytes * 1e6 },
    encryptionKey: key === undefined ? undefined : Buffer.from(key, 'hex'),
    stepsUntilRun: ({ key: snapshot }) => stepsUntilRun(snapshot) ?? Infinity,
  });
}

/** Ends before the journal and the store that it writes to, and its codec before it, so that it does not take long. */
async function closeTier(tier: DiskTier | undefined, codec: CodecPool): Promise<void> {
  const closed = tier?.[Symbol.asyncDispose]();
  await codec[Symbol.asyncDispose]();
  await closed;
}
