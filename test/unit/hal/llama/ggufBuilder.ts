// Builds GGUF files for tests: a header of given metadata and tensors, and as many bytes of data as asked for.

export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: number;
  readonly offset: number;
}

export interface GgufSpec {
  readonly version?: number;
  readonly metadata?: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
  readonly tensors?: readonly TensorSpec[];
  readonly dataBytes?: number;
}

const types = { uint32: 4, bool: 7, string: 8, array: 9 };
const alignment = 32;

/** Metadata that describes a small model the engine would know. */
export const llamaMetadata = {
  'general.architecture': 'llama',
  'general.name': 'tiny',
  'llama.block_count': 2,
  'llama.context_length': 2048,
  'llama.embedding_length': 256,
  'llama.attention.head_count': 4,
  'llama.attention.head_count_kv': 2,
  'tokenizer.ggml.tokens': ['a', 'b', 'c'],
};

export function buildGguf({ version = 3, metadata = {}, tensors = [], dataBytes = 0 }: GgufSpec): Uint8Array {
  const header = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(tensors.length),
    u64(Object.keys(metadata).length),
    ...Object.entries(metadata).flatMap(([key, value]) => [text(key), ...entry(value)]),
    ...tensors.flatMap(({ name, shape, type, offset }) => [
      text(name),
      u32(shape.length),
      ...shape.map((length) => u64(length)),
      u32(type),
      u64(offset),
    ]),
  ]);
  const padding = Buffer.alloc((alignment - (header.length % alignment)) % alignment);
  return new Uint8Array(Buffer.concat([header, padding, Buffer.alloc(dataBytes)]));
}

function entry(value: string | number | boolean | readonly (string | number)[]): Buffer[] {
  if (typeof value === 'string') return [u32(types.string), text(value)];
  if (typeof value === 'boolean') return [u32(types.bool), Buffer.from([Number(value)])];
  if (typeof value === 'number') return [u32(types.uint32), u32(value)];
  const isText = typeof value[0] === 'string';
  return [
    u32(types.array),
    u32(isText ? types.string : types.uint32),
    u64(value.length),
    ...value.map((item) => (typeof item === 'string' ? text(item) : u32(item))),
  ];
}

function u32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(value);
  return buffer;
}

export function u64(value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
