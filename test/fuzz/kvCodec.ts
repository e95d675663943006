// Fuzzes everything that reads kept attention state: the state file parser, the safetensors reader and the snapshot
// decoder. A mutated input may be refused with a typed error of the two kinds for state; it may be accepted only where
// what it decodes to can be proved right. Every run depends on its number and the seed alone, so that any can be repeated.

import { readSafetensors, writeSafetensors } from '../../src/kernel/kv/safetensors.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  quantisations,
  type Quantisation,
} from '../../src/kernel/kv/snapshot.js';
import { parseStateFile, serialiseStateFile } from '../../src/kernel/kv/stateFile.js';
import { KernelError } from '../../src/shared/errors.js';
import { sealed } from '../unit/kernel/kv/sealed.js';
import { buildFile, factsOf, randomFrom, type Shape } from '../unit/kernel/kv/stateBuilder.js';
import { mutate, pick, type Random } from './mutations.js';

export interface FuzzReport {
  readonly runs: number;
  readonly refused: number;
  /** Accepted, and what was decoded is right. */
  readonly accepted: number;
  /** Runs in which the mutations left the input as it was. */
  readonly unchanged: number;
  /** Accepted, and what was decoded is not what the input says or was made from. */
  readonly corruptions: readonly string[];
  /** Anything thrown that is not a typed refusal. */
  readonly crashes: readonly string[];
  readonly slowest: { readonly run: number; readonly ms: number };
  /** Runs by what was fuzzed: refused and accepted. */
  readonly targets: Readonly<Record<string, readonly [refused: number, accepted: number]>>;
}

interface Target {
  readonly name: string;
  readonly inputs: readonly Uint8Array[];
  readonly finish?: (mutated: Uint8Array) => Uint8Array;
  /** Throws a refusal, or says whether what was decoded is right. */
  readonly accept: (mutated: Uint8Array, original: number) => boolean;
}

const forms: readonly Partial<Shape>[] = [
  { layers: 1, width: 64, cells: 2 },
  { layers: 2, width: 64, cells: 1, streams: 3, stream: 2 },
  { layers: 1, width: 64, cells: 2, transposed: true },
  { layers: 1, width: 64, cells: 2, caches: 2 },
  { layers: 1, width: 64, cells: 2, keyType: 'q8_0', valueType: 'q4_0' },
  { layers: 1, width: 64, cells: 2, keyType: 'f32', valueType: 'bf16' },
  { cells: 0 },
];

const isEqual = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

function createTargets(): readonly Target[] {
  const files = forms.map((form) => buildFile(form));
  const cases = forms.flatMap((form) => quantisations.map((quantisation) => caseOf(form, quantisation)));
  const snapshots = cases.map(({ snapshot }) => snapshot);
  const decode = (mutated: Uint8Array, original: number) => {
    const { facts } = at(cases, original);
    return decodeSnapshot(mutated, facts);
  };
  return [
    {
      name: 'state file',
      inputs: files,
      accept: (mutated) => isEqual(serialiseStateFile(parseStateFile(mutated)), mutated),
    },
    {
      name: 'safetensors',
      inputs: snapshots,
      accept: (mutated) => isEqual(writeSafetensors(readSafetensors(mutated)), mutated),
    },
    {
      name: 'snapshot',
      inputs: snapshots,
      accept: (mutated, original) => isEqual(decode(mutated, original), at(cases, original).decoded),
    },
    {
      // With a right digest anything that is well formed is a snapshot; it must then decode to a state file.
      name: 'snapshot with its digest made right',
      inputs: snapshots,
      finish: sealed,
      accept: (mutated, original) => {
        const decoded = decode(mutated, original);
        return isEqual(serialiseStateFile(parseStateFile(decoded)), decoded);
      },
    },
  ];
}

function caseOf(form: Partial<Shape>, quantisation: Quantisation) {
  const facts = factsOf(form);
  const snapshot = encodeSnapshot(buildFile(form), { quantisation, facts });
  return { facts, snapshot, decoded: decodeSnapshot(snapshot, facts) };
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new Error(`no element ${index}`);
  return found;
}

export interface FuzzOptions {
  readonly seed: number;
  /** Number of the first run. */
  readonly first: number;
  readonly runs: number;
  /** Told before a run now and then, so that a run which never ends can be told. */
  readonly onProgress?: (run: number) => void;
}

const progressEvery = 500;

export function fuzzKvCodec({ seed, first, runs, onProgress }: FuzzOptions): FuzzReport {
  const targets = createTargets();
  const corruptions: string[] = [];
  const crashes: string[] = [];
  const counts = new Map(targets.map(({ name }) => [name, [0, 0] as [number, number]]));
  let unchanged = 0;
  let slowest = { run: first, ms: 0 };
  for (let run = first; run < first + runs; run++) {
    if (run % progressEvery === 0) onProgress?.(run);
    const random = randomFrom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(run, 0x85ebca6b));
    const target = pick(targets, random);
    const start = performance.now();
    const outcome = attempt(target, random);
    const ms = performance.now() - start;
    if (ms > slowest.ms) slowest = { run, ms };
    const label = `run ${run} (${target.name})`;
    const count = counts.get(target.name) ?? [0, 0];
    if (outcome === 'refused') count[0]++;
    else if (outcome === 'accepted') count[1]++;
    else if (outcome === 'unchanged') unchanged++;
    else if (outcome === 'corrupt') corruptions.push(label);
    else crashes.push(`${label}: ${outcome.message}`);
  }
  const [refused, accepted] = [0, 1].map((which) =>
    [...counts.values()].reduce((sum, each) => sum + (each[which] ?? 0), 0),
  );
  return {
    runs,
    refused: refused ?? 0,
    accepted: accepted ?? 0,
    unchanged,
    corruptions,
    crashes,
    slowest,
    targets: Object.fromEntries(counts),
  };
}

type Outcome = 'refused' | 'accepted' | 'unchanged' | 'corrupt' | Error;

function attempt({ inputs, finish, accept }: Target, random: Random): Outcome {
  const original = Math.floor(random() * inputs.length);
  const input = at(inputs, original);
  const mutated = mutate(input, random);
  if (isEqual(mutated, input)) return 'unchanged';
  try {
    return accept(finish?.(mutated) ?? mutated, original) ? 'accepted' : 'corrupt';
  } catch (error) {
    const isRefusal =
      error instanceof KernelError && (error.code === 'stateInvalid' || error.code === 'stateMismatch');
    if (isRefusal) return 'refused';
    return error instanceof Error ? error : new Error(String(error));
  }
}
