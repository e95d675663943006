import assert from 'node:assert/strict';
import type { MetadataValue } from '../../../../src/hal/llama/ggufHeader.js';
import { checkMemory } from '../../../../src/hal/llama/memoryBudget.js';
import {
  checkKvType,
  kvBytesPerToken,
  shapeOf,
  type ModelShape,
} from '../../../../src/hal/llama/modelShape.js';
import { KernelError } from '../../../../src/shared/errors.js';
import { llamaMetadata } from './ggufBuilder.js';

const { 'tokenizer.ggml.tokens': _vocabulary, ...kept } = llamaMetadata;

const describe = (
  metadata: Map<string, MetadataValue>,
  tensors: Readonly<Record<string, number[]>> = {},
): ModelShape => shapeOf({ metadata, firstLayer: new Map(Object.entries(tensors)) }, 'm.gguf');

function shape(more: Readonly<Record<string, MetadataValue>> = {}): ModelShape {
  return describe(new Map<string, MetadataValue>(Object.entries({ ...kept, ...more })));
}
const hasCode = (code: string) => (error: unknown) => error instanceof KernelError && error.code === code;

suite('a model shape', () => {
  test('knows the bytes of one resident token for every KV type', () => {
    // 2 layers × 2 KV heads × (64 + 64) elements
    const bytes = (['f32', 'f16', 'q8_0', 'q4_0'] as const).map((type) => kvBytesPerToken(shape(), type));
    assert.deepEqual(bytes, [2048, 1024, 544, 288]);
  });

  test('takes head lengths and heads a layer from the file where it gives them', () => {
    const uneven = shape({
      'llama.attention.key_length': 128,
      'llama.attention.value_length': 96,
      'llama.attention.head_count_kv': [4, 0, 2],
    });
    assert.equal(kvBytesPerToken(uneven, 'f16'), 6 * (128 + 96) * 2);
  });

  test('counts every head as a KV head where the file does not tell them apart', () => {
    const metadata = new Map<string, MetadataValue>(Object.entries(kept));
    metadata.delete('llama.attention.head_count_kv');
    assert.equal(describe(metadata).kvHeads, 8);
  });

  test('knows whose keys the engine can turn to another position', () => {
    assert.equal(shape().hasMovableKeys, true);
    assert.equal(shape({ 'llama.rope.dimension_sections': [16, 24, 24, 0] }).hasMovableKeys, false);
    const learnt = new Map<string, MetadataValue>([
      ['general.architecture', 'gpt2'],
      ['gpt2.block_count', 2],
    ]);
    assert.equal(describe(learnt).hasMovableKeys, false);
  });

  test('refuses what does not generate text', () => {
    assert.throws(() => describe(new Map()), hasCode('modelUnusable'));
    for (const more of [
      { 'general.architecture': 'bert' },
      { 'general.architecture': 'nomic-bert-moe' },
      { 'llama.attention.causal': false },
    ]) {
      assert.throws(() => shape(more), hasCode('modelUnusable'));
    }
  });

  test('refuses metadata that its own tensors contradict', () => {
    const damaged: readonly (readonly [Readonly<Record<string, number>>, RegExp])[] = [
      [{ 'llama.block_count': 0 }, /block_count 0/],
      [{ 'llama.block_count': 70_000 }, /block_count 70000/],
      [{ 'llama.attention.head_count': 0 }, /attention\.head_count 0/],
      [{ 'llama.attention.head_count_kv': 0 }, /attention\.head_count_kv 0/],
      [{ 'llama.feed_forward_length': 1 }, /feed_forward_length 1, but its tensors have 704/],
    ];
    const tensors = { 'attn_k.weight': [256, 128], 'ffn_up.weight': [256, 704] };
    for (const [more, pattern] of damaged) {
      const metadata = new Map<string, MetadataValue>(Object.entries({ ...kept, ...more }));
      assert.throws(() => describe(metadata, tensors), pattern);
    }
  });

  test('refuses KV types that crash the engine', () => {
    assert.throws(() => checkKvType(shape(), 'bf16'), hasCode('unsafeConfiguration'));
    const narrow = shape({ 'llama.attention.key_length': 80 });
    for (const type of ['q8_0', 'q4_0'] as const) {
      assert.throws(() => checkKvType(narrow, type), hasCode('unsafeConfiguration'));
      checkKvType(shape(), type);
    }
    checkKvType(narrow, 'f16');
    checkKvType(narrow, 'f32');
  });
});

suite('the memory budget', () => {
  const budget = { modelBytes: 4.7e9, kvBytes: 2.1e9, slots: 8, contextTokens: 8192, freeBytes: 5.2e9 };

  test('refuses with figures what does not fit', () => {
    assert.throws(
      () => checkMemory(budget),
      (error: unknown) =>
        hasCode('outOfMemory')(error) &&
        (error as Error).message ===
          'the model needs 4.7 GB and the KV cache of 8 × 8192 tokens 2.1 GB, but 5.2 GB of memory are free',
    );
    checkMemory({ ...budget, freeBytes: 6.8e9 });
  });
});
