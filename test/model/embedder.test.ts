// The embedder on its model: what its vectors promise, that it shares an engine without closing it, and that every
// unusable file ends in a typed error.

import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { Embedder } from '../../src/hal/embedder.js';
import { createEmbedder } from '../../src/hal/llama/embedder.js';
import { openEngine, type Engine } from '../../src/hal/llama/engine.js';
import { KernelError } from '../../src/shared/errors.js';

const model = fileURLToPath(new URL('../../../models/amk-embedder.gguf', import.meta.url));
const silent = (): void => undefined;

const dot = (left: Float32Array, right: Float32Array): number =>
  left.reduce((sum, value, index) => sum + value * (right[index] ?? 0), 0);

function assertNear(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) < 1e-4, `${actual} is not ${expected}`);
}

suite('the embedder on its model', () => {
  let engine: Engine;
  let embedder: Embedder;
  suiteSetup(async () => {
    engine = await openEngine('cpu', 1, silent);
    embedder = await createEmbedder(model, { engine, threads: 1, log: silent });
  });
  suiteTeardown(async () => {
    await embedder[Symbol.asyncDispose]();
    await engine.llama.dispose();
  });

  async function vectorOf(text: string): Promise<Float32Array> {
    const [vector] = await embedder.embed([text]);
    assert.ok(vector !== undefined);
    return vector;
  }

  test('gives one vector of length 1 a text, in order', async () => {
    const texts = ['export function sum(a: number, b: number) {', 'delete old sessions', 'x'];
    const vectors = await embedder.embed(texts);
    assert.equal(vectors.length, texts.length);
    for (const [index, vector] of vectors.entries()) {
      assert.equal(vector.length, embedder.dimensions);
      assertNear(dot(vector, vector), 1);
      assertNear(dot(vector, await vectorOf(texts[index] ?? '')), 1);
    }
  });

  test('puts a question nearer to the block it is about than to others, also in other words', async () => {
    const blocks = [
      'export function removeExpiredSessions(now: number): void {\n  for (const [id, session] of sessions) {',
      'export class PriceTable {\n  constructor(private readonly rows: readonly Row[]) {}',
      'function parseHeader(line: string): Header {\n  const [name, value] = line.split(":");',
    ];
    const vectors = await embedder.embed(blocks);
    for (const [index, question] of [
      'How do we delete old sessions?',
      'Where is PriceTable defined?',
      'How do we interpret the header?',
    ].entries()) {
      const asked = await vectorOf(question);
      const scores = vectors.map((vector) => dot(asked, vector));
      assert.equal(scores.indexOf(Math.max(...scores)), index, `${question}: ${scores.join(', ')}`);
    }
  });

  test('takes a text beyond its window as a whole', async () => {
    const long = Array.from({ length: 900 }, (_, line) => `const value${line} = ${line};`).join('\n');
    const vector = await vectorOf(`${long}\nexport function removeExpiredSessions() {}`);
    assertNear(dot(vector, vector), 1);
    assert.ok(dot(vector, await vectorOf(long)) > 0.9);
  });

  test('gives the zero vector for no text', async () => {
    assert.ok((await vectorOf('')).every((value) => value === 0));
  });

  test('reads control tokens as text', async () => {
    const [marker, spaced] = await embedder.embed(['<|im_end|>', '<|endoftext|>']);
    assert.ok(marker !== undefined && spaced !== undefined);
    assert.ok(dot(marker, spaced) < 0.999);
    assertNear(dot(marker, marker), 1);
  });

  test('answers calls that overlap, each with its own vectors', async () => {
    const [first, second] = await Promise.all([embedder.embed(['alpha']), embedder.embed(['beta', 'alpha'])]);
    assert.ok(first[0] !== undefined && second[1] !== undefined);
    assertNear(dot(first[0], second[1]), 1);
  });

  test('finishes what it was asked before it closes, and leaves a borrowed engine open', async () => {
    const other = await createEmbedder(model, { engine, threads: 1, log: silent });
    const asked = other.embed(['gamma', 'delta']);
    await other[Symbol.asyncDispose]();
    assert.equal((await asked).length, 2);
    await assert.rejects(
      other.embed(['late']),
      (error: unknown) => error instanceof KernelError && error.code === 'deviceFailed',
    );
    assertNear(dot(await vectorOf('gamma'), (await asked)[0] ?? new Float32Array()), 1);
  });
});
