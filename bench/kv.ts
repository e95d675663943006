/**
 * `npm run bench -- kv`: what it is worth to keep attention state. Handing an agent's context to another, bringing one
 * back, what that costs in time, bytes and precision. Times are of a model of benchmark size with random weights, in
 * ratios within one run; precision is that of the embedded model. Prints what was measured; judges nothing.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultEngineSettings, quantisations, type Quantisation } from '../src/shared/settings.js';
import { benchKvCodec, type KvCodecFigures } from './kvCodec.js';
import { measureHandoff, type HandoffFigures } from './kvHandoff.js';
import { withDevice, type Device } from './kvMachine.js';
import { measureQuality, type QualityFigures } from './kvQuality.js';
import { measureRestore, type RestoreFigures } from './kvRestore.js';
import { benchmarkShape, embeddedModel } from './models.js';
import { writeRandomModel } from './randomModel.js';
import { rounded } from './statistics.js';

const handoffTokens = [256, 1024, 4096] as const;
const longest = 4096;
const repetitions = 3;

export interface KvFigures {
  readonly model: string;
  readonly device: string;
  readonly machine: { readonly cores: number; readonly loadBefore: number; readonly loadAfter: number };
  readonly defaultQuantisation: Quantisation;
  /** Ratios at 4,096 tokens. */
  readonly handoff: {
    readonly moveOverText: number;
    readonly copyOverText: number;
    readonly byTokens: Readonly<Record<number, HandoffFigures>>;
  };
  readonly restore: RestoreFigures & { readonly diskOverPrefill: number };
  readonly bytes: {
    readonly f16OverDefault: number;
    readonly f16OverQ4: number;
    /** How many agents of that many tokens a gigabyte holds. */
    readonly agentsPerGigabyte: Readonly<Record<Quantisation, number>>;
  };
  readonly quality: {
    readonly model: string;
    readonly conversations: number;
    readonly answerTokens: number;
    readonly perplexityChange: number;
    readonly greedyAgreement: number;
    readonly byQuantisation: Readonly<Record<Quantisation, QualityFigures>>;
  };
  readonly codec: Readonly<Record<Quantisation, KvCodecFigures>>;
}

export async function benchKv(): Promise<KvFigures> {
  const loadBefore = load();
  const folder = await mkdtemp(join(tmpdir(), 'amk-bench-'));
  try {
    const model = join(folder, 'random.gguf');
    await writeRandomModel(model, embeddedModel, { ...benchmarkShape, contextTokens: 2 * longest });
    const times = await withDevice(model, measureTimes);
    const quality = await measureQuality(embeddedModel);
    const codec = await benchKvCodec();
    const ofDefault = quality.byQuantisation[defaultQuantisation];
    return {
      ...times,
      machine: { cores: availableParallelism(), loadBefore, loadAfter: load() },
      defaultQuantisation,
      quality: {
        ...quality,
        perplexityChange: ofDefault.perplexityChange,
        greedyAgreement: ofDefault.greedyAgreement,
      },
      codec,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const defaultQuantisation = defaultEngineSettings.snapshotQuantisation;

async function measureTimes(
  device: Device,
): Promise<Pick<KvFigures, 'model' | 'device' | 'handoff' | 'restore' | 'bytes'>> {
  const handoffs: [number, HandoffFigures][] = [];
  for (const tokens of handoffTokens) {
    handoffs.push([tokens, await measureHandoff(device, tokens, repetitions)]);
  }
  const byTokens = Object.fromEntries(handoffs);
  const restore = await measureRestore(device.driver, longest, repetitions);
  const { byQuantisation } = restore;
  const { f16, q4_0 } = byQuantisation;
  const agents = quantisations.map((each) => [each, byQuantisation[each].agentsPerGigabyte] as const);
  return {
    model: device.driver.info.model,
    device: device.driver.info.device,
    handoff: {
      moveOverText: byTokens[longest]?.moveOverText ?? 0,
      copyOverText: byTokens[longest]?.copyOverText ?? 0,
      byTokens,
    },
    restore: { ...restore, diskOverPrefill: byQuantisation[defaultQuantisation].diskOverPrefill },
    bytes: {
      f16OverDefault: rounded(f16.bytes / byQuantisation[defaultQuantisation].bytes),
      f16OverQ4: rounded(f16.bytes / q4_0.bytes),
      agentsPerGigabyte: Object.fromEntries(agents) as Record<Quantisation, number>,
    },
  };
}

const load = (): number => rounded(loadavg()[0] ?? 0, 2);

export function printKv(figures: object): void {
  const { model, device, machine, defaultQuantisation: usual, ...rest } = figures as KvFigures;
  const { handoff, restore, bytes, quality, codec } = rest;
  console.log(
    `${model} on ${device}, ${machine.cores} cores, load ${machine.loadBefore}–${machine.loadAfter}`,
  );
  console.log('\nHandoff, until the first token, by tokens of the conversation');
  console.table(handoff.byTokens);
  console.log(
    `\nSnapshots of ${restore.tokens} tokens; computing them again: ${restore.prefillMs} ms; ` +
      `from memory: ${restore.ramMs} ms (${restore.ramOverPrefill}×)`,
  );
  console.table(restore.byQuantisation);
  console.log(
    `${usual} is the default: ${bytes.f16OverDefault}× smaller than f16 (q4_0: ${bytes.f16OverQ4}×)`,
  );
  console.log(`\nPrecision on ${quality.model}, ${quality.answerTokens} tokens of answers`);
  console.table(quality.byQuantisation);
  console.log('\nCodec, MB of state a second of processor time');
  console.table(codec);
}
