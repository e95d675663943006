/**
 * What a snapshot costs and what it saves: taking one (state out of the slot, encoded on a thread of the codec, written
 * for good), bringing it back (read, proved whole, decoded, loaded) and the memory tier's way, against computing the
 * same tokens again. Files lie where the product's lie: a store in a folder of the disk, the engine's own form in memory.
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver, Slot, Token } from '../src/hal/driver.js';
import { createScratch, type Scratch } from '../src/hal/scratch.js';
import { openStorage } from '../src/hal/storage.js';
import { CodecPool } from '../src/kernel/kv/codecPool.js';

import { SnapshotStore } from '../src/kernel/kv/store.js';
import { SwapSpace } from '../src/kernel/kv/swapSpace.js';
import { quantisations, type Quantisation } from '../src/shared/settings.js';
import { conversation, emptySlots, prefill, timed } from './kvMachine.js';
import { percentile, rounded } from './statistics.js';

/** Decimal, as disks are sold. */
const gigabyte = 1e9;
const codecTimeoutMs = 60_000;

export interface RestoreFigures {
  readonly tokens: number;
  readonly prefillMs: number;
  readonly ramMs: number;
  readonly ramOverPrefill: number;
  readonly byQuantisation: Readonly<Record<Quantisation, SnapshotFigures>>;
}

export interface SnapshotFigures {
  /** From the slot to a file that outlives a power cut. */
  readonly snapshotMs: number;
  /** From the file to the slot. */
  readonly diskMs: number;
  readonly diskOverPrefill: number;
  readonly bytes: number;
  /** Agents with this many tokens each. */
  readonly agentsPerGigabyte: number;
}

interface Times {
  readonly prefill: number[];
  readonly ram: number[];
  readonly snapshot: Map<Quantisation, number[]>;
  readonly disk: Map<Quantisation, number[]>;
}

interface Parts {
  readonly driver: InferenceDriver;
  readonly slot: Slot;
  readonly files: Scratch;
  readonly store: SnapshotStore;
  readonly codec: CodecPool;
}

export async function measureRestore(
  driver: InferenceDriver,
  tokens: number,
  repetitions: number,
): Promise<RestoreFigures> {
  const slot = driver.slots[0];
  if (slot === undefined) throw new Error('the driver has no slots');
  const folder = await mkdtemp(join(tmpdir(), 'amk-bench-kv-'));
  try {
    await using storage = await openStorage({ path: join(folder, 'store') });
    await using files = await createScratch();
    await using codec = new CodecPool({
      workerUrl: new URL('../src/kernel/kv/codecWorker.js', import.meta.url),
      threads: 1,
      timeoutMs: codecTimeoutMs,
    });
    const { store } = await SnapshotStore.open({
      folder: await storage.folder('snapshots'),
      clock: systemClock,
      quotaBytes: Infinity,
    });
    await using _ = store;
    return await measure({ driver, slot, files, store, codec }, tokens, repetitions);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await emptySlots(driver);
  }
}

/** Everything once in every round, so that other load on the machine meets all of it alike; the medians count. */
async function measure(parts: Parts, length: number, rounds: number): Promise<RestoreFigures> {
  const { driver, slot, files } = parts;
  const times: Times = {
    prefill: [],
    ram: [],
    snapshot: new Map(quantisations.map((each) => [each, []])),
    disk: new Map(quantisations.map((each) => [each, []])),
  };
  const bytes = new Map<Quantisation, number>();
  const swap = new SwapSpace({ driver, files, quotaBytes: Infinity });
  for (let round = 0; round < rounds; round++) {
    const { tokens } = conversation(driver, length, round);
    await slot.truncate(0);
    times.prefill.push(await timed(() => prefill(driver, slot, tokens)));
    const parked = await swap.park(slot, undefined);
    times.ram.push(await timed(() => swap.load(parked, slot)));
    for (const quantisation of quantisations) {
      const snapshot = await snapshotOf(parts, quantisation);
      times.snapshot.get(quantisation)?.push(snapshot.ms);
      times.disk.get(quantisation)?.push(await restored(parts, snapshot.key, tokens));
      bytes.set(quantisation, snapshot.bytes);
      await parts.store.remove(snapshot.key);
      // A quantised state is not what the next one is measured on.
      await swap.load(parked, slot);
    }
  }
  return figuresOf(length, times, bytes);
}

/** Out of the slot into the store. */
async function snapshotOf(
  { driver, slot, files, store, codec }: Parts,
  quantisation: Quantisation,
): Promise<{ readonly ms: number; readonly key: string; readonly bytes: number }> {
  const start = systemClock.now();
  const path = files.path('snapshot');
  await driver.saveState(slot, path);
  const encoded = await codec.encode(await readFile(path), { quantisation, facts: driver.info.state });
  const facts = { model: driver.info.state.model, tokens: slot.tokens, agent: 'bench', quantisation };
  const { key, bytes } = await store.put(encoded, facts);
  return { ms: systemClock.now() - start, key, bytes };
}

/** From the store into an empty slot. */
async function restored(
  { driver, slot, files, store, codec }: Parts,
  key: string,
  tokens: readonly Token[],
): Promise<number> {
  await slot.truncate(0);
  const ms = await timed(async () => {
    const state = await codec.decode(await store.get(key), driver.info.state);
    const path = files.path('restored');
    await writeFile(path, state);
    await driver.loadState(slot, path);
  });
  if (slot.commonPrefix(tokens) !== tokens.length) throw new Error('the state that came back is another');
  return ms;
}

function figuresOf(tokens: number, times: Times, bytes: ReadonlyMap<Quantisation, number>): RestoreFigures {
  const median = (samples: readonly number[] | undefined): number => percentile(samples ?? [], 0.5);
  const [prefillMs, ramMs] = [median(times.prefill), median(times.ram)];
  const byQuantisation = quantisations.map((quantisation): [Quantisation, SnapshotFigures] => {
    const size = bytes.get(quantisation) ?? 0;
    const diskMs = median(times.disk.get(quantisation));
    return [
      quantisation,
      {
        snapshotMs: rounded(median(times.snapshot.get(quantisation)), 1),
        diskMs: rounded(diskMs, 1),
        diskOverPrefill: rounded(prefillMs / diskMs, 1),
        bytes: size,
        agentsPerGigabyte: Math.floor(gigabyte / size),
      },
    ];
  });
  return {
    tokens,
    prefillMs: rounded(prefillMs, 1),
    ramMs: rounded(ramMs, 1),
    ramOverPrefill: rounded(prefillMs / ramMs, 1),
    byQuantisation: Object.fromEntries(byQuantisation) as Record<Quantisation, SnapshotFigures>,
  };
}
