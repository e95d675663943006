/**
 * A sequence's attention state at rest: a safetensors file that says what it is of, and proves that it is whole.
 *
 * Tensors, for caches C (one; two with a sliding window) and layers L that have a cache:
 *     tokens                         I32 [tokens]
 *     caches.C.positions             I32 [cells]
 *     caches.C.layers.L.key          [cells, width]
 *     caches.C.layers.L.value        [cells, width], also where the engine keeps values transposed
 * F32, F16 and BF16 are elements as the cache has them. U8 are rows of ggml blocks of 32 elements, of the type that
 * `keyAtRest` or `valueAtRest` names: q8_0 is an F16 scale and 32 signed bytes, each scale × byte; q4_0 is an F16 scale
 * and 16 bytes, element j in the low half of byte j and j + 16 in the high half, each scale × (half − 8).
 * Where `keyRotation` or `valueRotation` is n > 0, each n elements of a row of blocks are multiplied by the n × n
 * Walsh–Hadamard matrix over √n; the same product turns them back. A cache that is quantised itself is kept as it is,
 * rotated by the engine. What cannot be quantised (widths that are no whole number of blocks, numbers that are not
 * finite) is kept as in the cache.
 *
 * Metadata: `sha256` (of the whole file without its own 64 digits; it stands first, at byte 35), `format`, `version`,
 * `quantisation`, `keyAtRest`, `valueAtRest`, `keyRotation`, `valueRotation`, and the facts that state depends on:
 * `model`, `engine`, `keyType`, `valueType`, `layers`, `keyValueHeads`, `headDim`, `valueHeadDim`, `flashAttention`.
 *
 * What is decoded is what was encoded, within the precision of the quantisation; anything else is refused.
 */

import { createHash } from 'node:crypto';
import type { StateFacts } from '../../hal/driver.js';
import { invariant } from '../../shared/errors.js';
import { quantisations, type Quantisation } from '../../shared/settings.js';
import { transpose } from './cells.js';
import { dequantise, isQuantisable, quantise } from './quantise.js';
import { keyRotation, valueRotation } from './rotation.js';
import { readSafetensors, writeSafetensors, type Archive, type Tensor } from './safetensors.js';
import { stateInvalid, stateMismatch } from './stateErrors.js';
import {
  bytesIn,
  int32sIn,
  parseStateFile,
  serialiseStateFile,
  withStreams,
  type CacheState,
  type LayerState,
  type Rows,
} from './stateFile.js';
import {
  bytesOf,
  elementsOf,
  isQuantised,
  isTensorType,
  typeLayouts,
  type TensorType,
} from './tensorType.js';

export { quantisations, type Quantisation };

export interface EncodeOptions {
  readonly quantisation: Quantisation;
  readonly facts: StateFacts;
}

/** What a snapshot says of itself. */
export interface SnapshotInfo {
  readonly sha256: string;
  readonly quantisation: Quantisation;
  /** By name, as text. */
  readonly facts: Readonly<Record<FactName, string>>;
  readonly tokens: Int32Array;
}

const factNames = [
  'model',
  'engine',
  'keyType',
  'valueType',
  'layers',
  'keyValueHeads',
  'headDim',
  'valueHeadDim',
  'flashAttention',
] as const satisfies readonly (keyof StateFacts)[];
type FactName = (typeof factNames)[number];

const targets: Readonly<Record<Quantisation, { readonly key?: TensorType; readonly value?: TensorType }>> = {
  f16: {},
  q8_0: { key: 'q8_0', value: 'q8_0' },
  k8v4: { key: 'q8_0', value: 'q4_0' },
  q4_0: { key: 'q4_0', value: 'q4_0' },
};

const format = 'amk-kv';
const version = '1';
/** Where the digest stands: behind the header's length, as the first of the metadata. */
const opening = '{"__metadata__":{"sha256":"';
const digestAt = 8 + opening.length;
const digestLength = 64;
const noDigest = '0'.repeat(digestLength);

/** How the keys or the values of one context are kept. */
interface Form {
  /** In the cache. */
  readonly type: TensorType;
  readonly atRest: TensorType;
  /** Done here; 0 where the engine did it, or nobody. */
  readonly rotation: number;
}

interface Forms {
  readonly key: Form;
  readonly value: Form;
}

/**
 * A snapshot of a state file that a context with these facts wrote.
 * @throws KernelError `stateInvalid` where it is not one, `stateMismatch` where it is of another cache
 */
export function encodeSnapshot(stateFile: Uint8Array, { quantisation, facts }: EncodeOptions): Uint8Array {
  const state = parseStateFile(stateFile);
  const forms = formsOf(quantisation, facts);
  const tensors = new Map<string, Tensor>();
  tensors.set('tokens', numbersAtRest(state.tokens));
  for (const [index, cache] of state.caches.entries()) {
    checkCache(cache, forms, facts);
    tensors.set(`caches.${index}.positions`, numbersAtRest(cache.positions));
    for (const [number, { key, value }] of cache.layers.entries()) {
      const name = `caches.${index}.layers.${number}`;
      tensors.set(`${name}.key`, rowsAtRest(key, forms.key));
      const rows = cache.transposed ? transpose(value, 'toRows') : value;
      tensors.set(`${name}.value`, rowsAtRest(rows, forms.value));
    }
  }
  return seal(writeSafetensors({ metadata: metadataOf(quantisation, forms, facts), tensors }));
}

/**
 * The state file for a context with these facts.
 * @throws KernelError `stateInvalid` where the snapshot is damaged or none, `stateMismatch` where it is of another
 * model, engine or cache
 */
export function decodeSnapshot(snapshot: Uint8Array, facts: StateFacts): Uint8Array {
  const archive = open(snapshot);
  const info = infoOf(archive);
  const different = factNames.filter((name) => info.facts[name] !== String(facts[name]));
  if (different.length > 0) {
    const each = different.map((name) => `${name} ${info.facts[name]} instead of ${facts[name]}`);
    throw stateMismatch(`the snapshot was made with ${each.join(', ')}`);
  }
  const forms = formsOf(info.quantisation, facts);
  const expected = metadataOf(info.quantisation, forms, facts);
  for (const [name, value] of expected) {
    const found = archive.metadata.get(name);
    if (name !== 'sha256' && found !== value) throw stateInvalid(`the snapshot has ${name} ${found}`);
  }
  if (archive.metadata.size !== expected.size)
    throw stateInvalid('the snapshot has metadata of another kind');
  const caches = cachesOf(archive, forms, facts);
  return serialiseStateFile(withStreams({ tokens: info.tokens, streams: 1, caches }, facts.streams));
}

/**
 * What a snapshot says of itself, after proving that it is whole.
 * @throws KernelError `stateInvalid`, `stateMismatch`
 */
export const inspectSnapshot = (snapshot: Uint8Array): SnapshotInfo => infoOf(open(snapshot));

/**
 * What a snapshot says of itself, after proving that all of it can be decoded.
 * @throws KernelError `stateInvalid`, `stateMismatch`
 */
export function verifySnapshot(snapshot: Uint8Array): SnapshotInfo {
  const info = inspectSnapshot(snapshot);
  const { model, engine, keyType, valueType } = info.facts;
  const countOf = (name: FactName): number => Number(info.facts[name]);
  decodeSnapshot(snapshot, {
    ...{ model, engine, keyType, valueType },
    layers: countOf('layers'),
    keyValueHeads: countOf('keyValueHeads'),
    headDim: countOf('headDim'),
    valueHeadDim: countOf('valueHeadDim'),
    flashAttention: info.facts.flashAttention === 'true',
    streams: 1,
  });
  return info;
}

/** State of contexts for which this is the same is of use in all of them. Its first word is the model's fingerprint. */
export const kindOfState = (facts: StateFacts): string => factNames.map((name) => facts[name]).join(' ');

function formsOf(quantisation: Quantisation, facts: StateFacts): Forms {
  const target = targets[quantisation];
  return {
    key: formOf(facts.keyType, target.key, keyRotation(facts.headDim)),
    value: formOf(facts.valueType, target.value, valueRotation(facts.valueHeadDim)),
  };
}

/** What is quantised already loses nothing more, and gains nothing by a second rotation. */
function formOf(type: string, target: TensorType | undefined, rotation: number): Form {
  if (!isTensorType(type)) throw stateMismatch(`state of type ${type} cannot be kept`);
  const isKept = target === undefined || isQuantised(type);
  return { type, atRest: isKept ? type : target, rotation: isKept ? 0 : rotation };
}

function metadataOf(
  quantisation: Quantisation,
  { key, value }: Forms,
  facts: StateFacts,
): Map<string, string> {
  return new Map([
    ['sha256', noDigest],
    ['format', format],
    ['version', version],
    ['quantisation', quantisation],
    ['keyAtRest', key.atRest],
    ['valueAtRest', value.atRest],
    ['keyRotation', String(key.rotation)],
    ['valueRotation', String(value.rotation)],
    ...factNames.map((name) => [name, String(facts[name])] as const),
  ]);
}

/** The engine says of a file that does not fit only that it does not: here it is said what. */
function checkCache({ layers, transposed }: CacheState, { key, value }: Forms, facts: StateFacts): void {
  if (layers.length === 0) return;
  const other = layers.find((layer) => layer.key.type !== key.type || layer.value.type !== value.type);
  if (other !== undefined) {
    throw stateMismatch(
      `the state file holds ${other.key.type} keys and ${other.value.type} values, the cache ${key.type} and ${value.type}`,
    );
  }
  if (transposed === facts.flashAttention) {
    throw stateMismatch(`the state file was written with flashAttention ${!facts.flashAttention}`);
  }
  if (layers.length > facts.layers) {
    throw stateMismatch(`the state file has ${layers.length} layers, the model ${facts.layers}`);
  }
}

function numbersAtRest(numbers: Int32Array): Tensor {
  return { dtype: 'I32', shape: [numbers.length], data: bytesIn(numbers) };
}

function rowsAtRest({ type, rowBytes, data }: Rows, { atRest, rotation }: Form): Tensor {
  const cells = data.length / rowBytes;
  const elements = elementsOf(type, rowBytes);
  if (!isQuantised(type) && isQuantised(atRest) && isQuantisable(elements, rotation)) {
    const blocks = quantise(data, type, atRest, rotation);
    if (blocks !== undefined) return { dtype: 'U8', shape: [cells, blocks.length / cells], data: blocks };
  }
  const { dtype, blockBytes } = typeLayouts[type];
  return { dtype, shape: [cells, dtype === 'U8' ? rowBytes : rowBytes / blockBytes], data };
}

/** Puts in the digest of everything else. */
function seal(bytes: Uint8Array): Uint8Array {
  invariant(textAt(bytes, 8, opening.length) === opening, 'a snapshot begins with its digest');
  bytes.set(Buffer.from(digestOf(bytes), 'latin1'), digestAt);
  return bytes;
}

function digestOf(bytes: Uint8Array): string {
  const hash = createHash('sha256');
  hash.update(bytes.subarray(0, digestAt));
  hash.update(bytes.subarray(digestAt + digestLength));
  return hash.digest('hex');
}

const textAt = (bytes: Uint8Array, at: number, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + at, length).toString('latin1');

/** Nothing of a snapshot is read before its digest was found to be right. */
function open(bytes: Uint8Array): Archive {
  const isOurs = bytes.length >= digestAt + digestLength && textAt(bytes, 8, opening.length) === opening;
  if (!isOurs) throw stateInvalid(`these ${bytes.length} bytes are not a snapshot`);
  if (textAt(bytes, digestAt, digestLength) !== digestOf(bytes)) {
    throw stateInvalid('the snapshot is damaged: its digest is not that of its content');
  }
  const archive = readSafetensors(bytes);
  const found = `${archive.metadata.get('format')} ${archive.metadata.get('version')}`;
  if (found !== `${format} ${version}`) {
    throw stateMismatch(`the snapshot is of the form ${found}, this program's is ${format} ${version}`);
  }
  return archive;
}

function infoOf({ metadata, tensors }: Archive): SnapshotInfo {
  const textOf = (name: string): string => {
    const text = metadata.get(name);
    if (text === undefined) throw stateInvalid(`the snapshot does not say its ${name}`);
    return text;
  };
  const quantisation = quantisations.find((name) => name === textOf('quantisation'));
  if (quantisation === undefined)
    throw stateInvalid(`the snapshot has quantisation ${textOf('quantisation')}`);
  return {
    sha256: textOf('sha256'),
    quantisation,
    facts: Object.fromEntries(factNames.map((name) => [name, textOf(name)])) as Record<FactName, string>,
    tokens: numbersOf(tensors.get('tokens'), 'tokens'),
  };
}

function cachesOf({ tensors }: Archive, forms: Forms, facts: StateFacts): CacheState[] {
  const caches: CacheState[] = [];
  let taken = 1;
  for (let name = 'caches.0'; tensors.has(`${name}.positions`); name = `caches.${caches.length}`) {
    const positions = numbersOf(tensors.get(`${name}.positions`), `${name}.positions`);
    const layers: LayerState[] = [];
    const transposed = !facts.flashAttention;
    for (let at = `${name}.layers.0`; tensors.has(`${at}.key`); at = `${name}.layers.${layers.length}`) {
      const key = rowsOf(tensors, `${at}.key`, positions.length, forms.key);
      const value = rowsOf(tensors, `${at}.value`, positions.length, forms.value);
      layers.push({ key, value: transposed ? transpose(value, 'toColumns') : value });
    }
    if (layers.length > 0 !== positions.length > 0) throw stateInvalid(`${name} has cells or layers alone`);
    caches.push({ stream: 0, sequence: 0, positions, transposed, layers });
    taken += 1 + 2 * layers.length;
  }
  if (caches.length === 0) throw stateInvalid('the snapshot has no cache');
  if (taken !== tensors.size)
    throw stateInvalid(`the snapshot has ${tensors.size - taken} tensors that belong to nothing`);
  return caches;
}

function rowsOf(tensors: Archive['tensors'], name: string, cells: number, form: Form): Rows {
  const { type, atRest, rotation } = form;
  const { dtype, shape, data } = tensorOf(tensors.get(name), name, 2);
  const [rows = 0, width = 0] = shape;
  const kept = [type, atRest].find((each) => typeLayouts[each].dtype === dtype);
  const rowBytes = kept === undefined ? 0 : data.length / cells;
  if (kept === undefined || rows !== cells || width === 0 || rowBytes % typeLayouts[kept].blockBytes !== 0) {
    throw stateInvalid(`the tensor ${name} has the form ${dtype} [${shape.join(', ')}]`);
  }
  if (kept === type) return { type, rowBytes, data };
  const elements = elementsOf(kept, rowBytes);
  invariant(isQuantised(kept) && !isQuantised(type), 'what is kept otherwise is kept quantised');
  if (!isQuantisable(elements, rotation))
    throw stateInvalid(`the tensor ${name} has ${elements} elements a cell`);
  return { type, rowBytes: bytesOf(type, elements), data: dequantise(data, kept, type, rotation) };
}

function numbersOf(tensor: Tensor | undefined, name: string): Int32Array {
  const { dtype, data } = tensorOf(tensor, name, 1);
  if (dtype !== 'I32') throw stateInvalid(`the tensor ${name} is of type ${dtype}`);
  return int32sIn(data);
}

function tensorOf(tensor: Tensor | undefined, name: string, dimensions: number): Tensor {
  if (tensor === undefined) throw stateInvalid(`the snapshot has no tensor ${name}`);
  if (tensor.shape.length !== dimensions) throw stateInvalid(`the tensor ${name} has another shape`);
  return tensor;
}
