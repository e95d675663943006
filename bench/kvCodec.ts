/**
 * How fast attention state becomes a snapshot and comes back, on one core, by quantisation: checksum, transposition and
 * rotation included, files not. The input is a made-up F16 state of some twenty million numbers. `node
 * out/bench/kvCodec.js` runs it alone.
 */

import { pathToFileURL } from 'node:url';
import type { StateFacts } from '../src/hal/driver.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  quantisations,
  type Quantisation,
} from '../src/kernel/kv/snapshot.js';
import { serialiseStateFile, type Rows } from '../src/kernel/kv/stateFile.js';
import { percentile, rounded } from './statistics.js';

export interface KvCodecFigures {
  /** Megabytes of the state file in a second of processor time, median. */
  readonly encodeMBps: number;
  readonly decodeMBps: number;
  /** State file to snapshot. */
  readonly bytesRatio: number;
}

const shape = { layers: 24, keyValueHeads: 2, headDim: 128, cells: 1_536 };
const rounds = 9;
const seed = 12_345;

const facts: StateFacts = {
  model: '0'.repeat(64),
  engine: 'none',
  keyType: 'f16',
  valueType: 'f16',
  layers: shape.layers,
  keyValueHeads: shape.keyValueHeads * shape.layers,
  headDim: shape.headDim,
  valueHeadDim: shape.headDim,
  flashAttention: true,
  streams: 8,
};

/** F16 numbers of both signs, most of them between 2⁻⁴ and 2⁴ (xorshift). */
function rowsFrom(state: { word: number }): Rows {
  const rowElements = shape.keyValueHeads * shape.headDim;
  const halves = new Uint16Array(rowElements * shape.cells);
  for (let at = 0; at < halves.length; at++) {
    state.word ^= state.word << 13;
    state.word ^= state.word >>> 17;
    state.word ^= state.word << 5;
    halves[at] = (state.word & 0x8000) | (0x2c00 + ((state.word >>> 16) & 0x1fff));
  }
  return { type: 'f16', rowBytes: rowElements * 2, data: new Uint8Array(halves.buffer) };
}

function madeUpFile(): Uint8Array {
  const state = { word: seed };
  const layers = Array.from({ length: shape.layers }, () => ({
    key: rowsFrom(state),
    value: rowsFrom(state),
  }));
  const numbers = Int32Array.from({ length: shape.cells }, (_, index) => index);
  return serialiseStateFile({
    tokens: numbers,
    streams: facts.streams,
    caches: [{ stream: 0, sequence: 0, positions: numbers, transposed: false, layers }],
  });
}

/** Processor time, since what else runs on the machine is no property of the codec. */
function medianCpuMs(work: () => unknown): number {
  work();
  const samples = Array.from({ length: rounds }, () => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e3;
  });
  return percentile(samples, 0.5);
}

/** Gives the event loop a turn between quantisations. */
export async function benchKvCodec(): Promise<Record<Quantisation, KvCodecFigures>> {
  const file = madeUpFile();
  const perSecond = (ms: number): number => rounded(file.length / 1e3 / ms, 0);
  const figures = new Map<Quantisation, KvCodecFigures>();
  for (const quantisation of quantisations) {
    await new Promise((resolve) => setImmediate(resolve));
    const snapshot = encodeSnapshot(file, { quantisation, facts });
    const encodeMs = medianCpuMs(() => encodeSnapshot(file, { quantisation, facts }));
    const decodeMs = medianCpuMs(() => decodeSnapshot(snapshot, facts));
    figures.set(quantisation, {
      encodeMBps: perSecond(encodeMs),
      decodeMBps: perSecond(decodeMs),
      bytesRatio: rounded(file.length / snapshot.length, 2),
    });
  }
  return Object.fromEntries(figures) as Record<Quantisation, KvCodecFigures>;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.table(await benchKvCodec());
