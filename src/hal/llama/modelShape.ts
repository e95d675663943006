/**
 * What the kernel has to know of a model before the engine loads it: how large its attention state is, whether the
 * configured KV type is safe with it, and whether it generates text at all. Pure: reads the metadata, touches nothing.
 */

import { KernelError } from '../../shared/errors.js';
import type { EngineSettings } from '../../shared/settings.js';
import type { GgufHeader, MetadataValue } from './ggufHeader.js';

export type KvType = EngineSettings['kvType'];

export interface ModelShape {
  readonly architecture: string;
  /** As the file gives it; undefined when it has none. */
  readonly name: string | undefined;
  /** Tokens the model was trained to attend to; undefined when the file does not say. */
  readonly trainedTokens: number | undefined;
  readonly layers: number;
  /** Length of one head's key and value vector. */
  readonly keyLength: number;
  readonly valueLength: number;
  /** KV heads, summed over the layers. */
  readonly kvHeads: number;
  /** Whether a key can be turned to another position: by one angle each, and not learnt for its position. */
  readonly hasMovableKeys: boolean;
  readonly chatTemplate: string | undefined;
  /** Files the model is split into. */
  readonly parts: number;
}

/** Bits of one element at rest in the KV cache, block scales included. */
const kvBits: Readonly<Record<KvType, number>> = { f32: 32, f16: 16, bf16: 16, q8_0: 8.5, q4_0: 4.5 };

/** Quantised keys are rotated in blocks of this many elements; other head sizes crash the engine. */
const rotationBlock = 64;

/** Architectures of files that hold no text generator: vision towers, encoders, speech. */
const notGenerating = /^(clip|bert|.*-bert.*|t5.*|wavtokenizer.*|.*-embedding)$/;

/**
 * Architectures whose keys hold learnt positions, and one that the engine cannot turn. Those that have several
 * positions a token say so in their metadata; moving a key of theirs ends the process.
 */
const immovableKeys = /^(gpt2|starcoder|step35)$/;

/** More layers than this are refused by the engine, which ends the process over it. */
const maxLayers = 512;

type Described = Pick<GgufHeader, 'metadata' | 'firstLayer'>;

/** @throws KernelError `modelUnusable` when the header describes no model that generates text */
export function shapeOf({ metadata, firstLayer }: Described, path: string): ModelShape {
  const architecture = stringAt(metadata, 'general.architecture');
  if (architecture === undefined) {
    throw new KernelError('modelUnusable', `${path} does not say which model architecture it is for`);
  }
  const at = (key: string): MetadataValue | undefined => metadata.get(`${architecture}.${key}`);
  if (notGenerating.test(architecture) || at('attention.causal') === false) {
    throw new KernelError(
      'modelUnusable',
      `${path} holds a ${architecture} model, which does not generate text`,
    );
  }
  const damage = contradictionIn(at, firstLayer);
  if (damage !== undefined) {
    throw new KernelError(
      'modelUnusable',
      `${path} is not a usable model: its metadata is damaged (${damage})`,
    );
  }
  const layers = numberOf(at('block_count')) ?? 0;
  const heads = at('attention.head_count');
  const headLength = (numberOf(at('embedding_length')) ?? 0) / Math.max(1, largest(heads));
  return {
    architecture,
    name: stringAt(metadata, 'general.name'),
    trainedTokens: numberOf(at('context_length')),
    layers,
    keyLength: numberOf(at('attention.key_length')) ?? headLength,
    valueLength: numberOf(at('attention.value_length')) ?? headLength,
    kvHeads: sumOverLayers(at('attention.head_count_kv') ?? heads, layers),
    hasMovableKeys: at('rope.dimension_sections') === undefined && !immovableKeys.test(architecture),
    chatTemplate: stringAt(metadata, 'tokenizer.chat_template'),
    parts: numberOf(metadata.get('split.count')) ?? 1,
  };
}

/** The engine asserts that its metadata makes sense, which ends the process where it does not. */
function contradictionIn(
  at: (key: string) => MetadataValue | undefined,
  firstLayer: Described['firstLayer'],
): string | undefined {
  const layers = numberOf(at('block_count')) ?? 0;
  if (layers < 1 || layers > maxLayers) return `block_count ${layers}`;
  if (firstLayer.has('attn_k.weight')) {
    for (const key of ['attention.head_count', 'attention.head_count_kv', 'embedding_length']) {
      if (at(key) === 0) return `${key} 0`;
    }
  }
  const hidden = at('feed_forward_length');
  const actual = firstLayer.get('ffn_up.weight')?.[1];
  // Some architectures fuse two projections into one tensor; what differs by more is no architecture.
  if (typeof hidden === 'number' && actual !== undefined && hidden < actual / 4) {
    return `feed_forward_length ${hidden}, but its tensors have ${actual}`;
  }
  return undefined;
}

export function kvBytesPerToken(shape: ModelShape, kvType: KvType): number {
  return Math.ceil((shape.kvHeads * (shape.keyLength + shape.valueLength) * kvBits[kvType]) / 8);
}

/** @throws KernelError `unsafeConfiguration` for a KV type that is known to bring the engine down with this model. */
export function checkKvType(shape: ModelShape, kvType: KvType): void {
  if (kvType === 'bf16') {
    throw new KernelError(
      'unsafeConfiguration',
      'kvType bf16 makes the engine abort when it moves tokens; use f16',
    );
  }
  if ((kvType === 'q8_0' || kvType === 'q4_0') && shape.keyLength % rotationBlock !== 0) {
    throw new KernelError(
      'unsafeConfiguration',
      `kvType ${kvType} crashes the engine with this model, whose heads have ${shape.keyLength} elements and not a ` +
        `multiple of ${rotationBlock}; use f16`,
    );
  }
}

function stringAt(metadata: ReadonlyMap<string, MetadataValue>, key: string): string | undefined {
  const value = metadata.get(key);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function numberOf(value: MetadataValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : undefined;
}

/** Head counts are one number for all layers or one number a layer. */
function largest(value: MetadataValue | undefined): number {
  return Array.isArray(value) ? Math.max(0, ...(value as number[])) : (numberOf(value) ?? 0);
}

function sumOverLayers(value: MetadataValue | undefined, layers: number): number {
  if (Array.isArray(value)) return (value as number[]).reduce((sum, heads) => sum + heads, 0);
  return (numberOf(value) ?? 0) * layers;
}
