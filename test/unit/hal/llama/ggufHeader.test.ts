import assert from 'node:assert/strict';
import { readGgufHeader, type GgufHeader } from '../../../../src/hal/llama/ggufHeader.js';
import { buildGguf, llamaMetadata, u64 } from './ggufBuilder.js';

const q8 = 8;
const tensors = [
  { name: 'a', shape: [64, 4], type: q8, offset: 0 },
  { name: 'b', shape: [32], type: 0, offset: 288 },
];
const valid = buildGguf({ metadata: llamaMetadata, tensors, dataBytes: 416 });

function headerOf(bytes: Uint8Array, fileBytes = bytes.length): GgufHeader {
  const reading = readGgufHeader(bytes, fileBytes);
  assert.equal(reading.kind, 'header');
  return (reading as { header: GgufHeader }).header;
}

function reasonOf(bytes: Uint8Array, fileBytes = bytes.length): string {
  const reading = readGgufHeader(bytes, fileBytes);
  assert.equal(reading.kind, 'malformed');
  return (reading as { reason: string }).reason;
}

/** A small linear congruential generator: the same bytes in every run. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 0x1_0000_0000) * below);
  };
}

suite('a GGUF header', () => {
  test('gives metadata and how long the file has to be', () => {
    const { metadata, tensorCount, requiredBytes } = headerOf(valid);
    assert.equal(metadata.get('general.architecture'), 'llama');
    assert.equal(metadata.get('llama.block_count'), 2);
    assert.equal(metadata.has('tokenizer.ggml.tokens'), false);
    assert.equal(tensorCount, 2);
    assert.equal(requiredBytes, valid.length);
  });

  test('keeps arrays of numbers and booleans', () => {
    const { metadata } = headerOf(buildGguf({ metadata: { heads: [1, 0, 2], causal: false } }));
    assert.deepEqual(metadata.get('heads'), [1, 0, 2]);
    assert.equal(metadata.get('causal'), false);
  });

  test('asks for more while the header goes on after the bytes it got', () => {
    for (let length = 4; length < 300; length += 7) {
      assert.equal(readGgufHeader(valid.subarray(0, length), valid.length).kind, 'incomplete');
    }
  });

  test('tells what is no GGUF file', () => {
    assert.equal(reasonOf(Buffer.from('# Readme of a model\n')), 'it is not a GGUF file');
    assert.equal(reasonOf(new Uint8Array(64)), 'it is not a GGUF file');
    assert.equal(reasonOf(new Uint8Array([71])), 'its header is damaged or cut off');
  });

  test('refuses versions the engine does not read', () => {
    assert.equal(reasonOf(buildGguf({ version: 1 })), 'GGUF version 1 is not supported');
    assert.equal(reasonOf(buildGguf({ version: 0x0300_0000 })), 'it is a big-endian GGUF file');
  });

  test('allocates nothing by a count the file merely claims', () => {
    const start = valid.slice(0, 8);
    for (const count of [2n ** 63n, 2n ** 52n, 2n ** 40n]) {
      const bytes = Buffer.concat([start, u64(count), u64(0), Buffer.alloc(64)]);
      assert.match(reasonOf(bytes), /header/);
      assert.match(reasonOf(Buffer.concat([start, u64(0), u64(count), Buffer.alloc(64)])), /header/);
    }
  });

  test('answers every damaged file with a reading, fast', () => {
    const random = createRandom(7);
    for (let round = 0; round < 3000; round++) {
      const bytes = valid.slice();
      for (let change = 0; change <= random(4); change++) bytes[8 + random(bytes.length - 8)] = random(256);
      const reading = readGgufHeader(bytes, bytes.length);
      assert.ok(['header', 'incomplete', 'malformed'].includes(reading.kind));
    }
  });

  test('answers random bytes after the magic with a reason', () => {
    const random = createRandom(11);
    for (let round = 0; round < 2000; round++) {
      const bytes = Uint8Array.from({ length: 16 + random(500) }, () => random(256));
      bytes.set([71, 71, 85, 70, 3, 0, 0, 0]);
      assert.notEqual(readGgufHeader(bytes, bytes.length).kind, 'header');
    }
  });
});
