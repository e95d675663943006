/**
 * A model of benchmark size with random weights, made when it is needed and never kept: what a device computes does
 * not depend on what the numbers mean. The vocabulary and chat template are those of a real model file, whose
 * metadata is copied with other dimensions. Format: GGUF version 3 (ggml, docs/gguf.md); weights are Q4_0, norms F32.
 */

import { open, readFile } from 'node:fs/promises';

export interface ModelShape {
  readonly layers: number;
  /** A multiple of 64, the size of a head. */
  readonly width: number;
  readonly keyValueHeads: number;
  readonly feedForward: number;
  readonly contextTokens: number;
}

const headSize = 64;
const alignment = 32;
const f32 = 0;
const q4_0 = 2;
const blockWeights = 32;
const blockBytes = 18;

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
}

/** Writes the file and returns its size in bytes. */
export async function writeRandomModel(path: string, template: string, shape: ModelShape): Promise<number> {
  const metadata = readMetadata(await readFile(template));
  const tensors = tensorsOf(shape, vocabularySize(metadata));
  const header = headerOf(withShape(metadata, shape), tensors);
  await using file = await open(path, 'w');
  await file.write(header);
  let bytes = header.length;
  for (const tensor of tensors) {
    const data = randomData(tensor);
    await file.write(data);
    bytes += data.length;
  }
  return bytes;
}

function tensorsOf({ layers, width, keyValueHeads, feedForward }: ModelShape, vocabulary: number): Tensor[] {
  const matrix = (name: string, columns: number, rows: number): Tensor => ({
    name,
    shape: [columns, rows],
    type: q4_0,
  });
  const norm = (name: string): Tensor => ({ name, shape: [width], type: f32 });
  const keyValue = keyValueHeads * headSize;
  const layer = (index: number): Tensor[] => [
    norm(`blk.${index}.attn_norm.weight`),
    matrix(`blk.${index}.attn_q.weight`, width, width),
    matrix(`blk.${index}.attn_k.weight`, width, keyValue),
    matrix(`blk.${index}.attn_v.weight`, width, keyValue),
    matrix(`blk.${index}.attn_output.weight`, width, width),
    norm(`blk.${index}.ffn_norm.weight`),
    matrix(`blk.${index}.ffn_gate.weight`, width, feedForward),
    matrix(`blk.${index}.ffn_up.weight`, width, feedForward),
    matrix(`blk.${index}.ffn_down.weight`, feedForward, width),
  ];
  return [
    matrix('token_embd.weight', width, vocabulary),
    ...Array.from({ length: layers }, (_, index) => layer(index)).flat(),
    norm('output_norm.weight'),
    matrix('output.weight', width, vocabulary),
  ];
}

const weightsOf = ({ shape }: Tensor): number => shape.reduce((product, length) => product * length, 1);
const bytesOf = (tensor: Tensor): number =>
  tensor.type === f32 ? weightsOf(tensor) * 4 : (weightsOf(tensor) / blockWeights) * blockBytes;
const padded = (bytes: number): number => Math.ceil(bytes / alignment) * alignment;

/** Norms are 1; blocks hold random quanta with one small scale, so that activations neither vanish nor overflow. */
function randomData(tensor: Tensor): Uint8Array {
  const data = new Uint8Array(padded(bytesOf(tensor)));
  if (tensor.type === f32) {
    new Float32Array(data.buffer, 0, weightsOf(tensor)).fill(1);
    return data;
  }
  let state = 0x2545f491 ^ tensor.name.length;
  for (let index = 0; index < data.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    data[index] = state;
  }
  // 0x2000 is 2^-7 as a half: quanta of ±8 make weights of about ±0.06.
  const view = new DataView(data.buffer);
  for (let start = 0; start + blockBytes <= bytesOf(tensor); start += blockBytes)
    view.setUint16(start, 0x2000, true);
  return data;
}

/** Metadata as it stands in the file: key → type and raw value. */
type Metadata = Map<string, { readonly type: number; readonly raw: Buffer }>;

const uint32 = 4;
const string = 8;
const array = 9;
const scalarBytes = new Map([
  ...[0, 1, 7].map((type) => [type, 1] as const),
  ...[2, 3].map((type) => [type, 2] as const),
  ...[4, 5, 6].map((type) => [type, 4] as const),
  ...[10, 11, 12].map((type) => [type, 8] as const),
]);

/** The file is our own and was checked when it was made: a fault in it is a bug, not an input. */
function readMetadata(file: Buffer): Metadata {
  let at = 24;
  const length = (): number => {
    at += 8;
    return Number(file.readBigUInt64LE(at - 8));
  };
  const skipValue = (type: number): void => {
    if (type === string) {
      const bytes = length();
      at += bytes;
    } else if (type === array) {
      const item = file.readUInt32LE(at);
      at += 4;
      const count = length();
      for (let index = 0; index < count; index++) skipValue(item);
    } else at += scalarBytes.get(type) ?? 0;
  };
  const metadata: Metadata = new Map();
  const count = Number(file.readBigUInt64LE(16));
  for (let index = 0; index < count; index++) {
    const keyBytes = length();
    const key = file.toString('utf8', at, (at += keyBytes));
    const type = file.readUInt32LE(at);
    at += 4;
    const start = at;
    skipValue(type);
    metadata.set(key, { type, raw: file.subarray(start, at) });
  }
  return metadata;
}

function vocabularySize(metadata: Metadata): number {
  const tokens = metadata.get('tokenizer.ggml.tokens');
  if (tokens === undefined) throw new Error('the template model has no vocabulary');
  return Number(tokens.raw.readBigUInt64LE(4));
}

function withShape(metadata: Metadata, shape: ModelShape): Metadata {
  const name = Buffer.from('random-weights');
  const numbers = {
    'llama.block_count': shape.layers,
    'llama.context_length': shape.contextTokens,
    'llama.embedding_length': shape.width,
    'llama.feed_forward_length': shape.feedForward,
    'llama.attention.head_count': shape.width / headSize,
    'llama.attention.head_count_kv': shape.keyValueHeads,
  };
  return new Map([
    ...metadata,
    ...Object.entries(numbers).map(([key, value]) => [key, { type: uint32, raw: u32(value) }] as const),
    ['general.name', { type: string, raw: Buffer.concat([u64(name.length), name]) }] as const,
  ]);
}

function headerOf(metadata: Metadata, tensors: readonly Tensor[]): Buffer {
  const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, { type, raw }] of metadata) parts.push(text(key), u32(type), raw);
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    parts.push(text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += padded(bytesOf(tensor));
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc(padded(header.length) - header.length)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
