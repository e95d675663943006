// Encryption at rest: what was sealed comes back, a wrong key is told from damage, and no bit can be changed unseen.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createTextSeal, keyIdIn, keyIdOf, seal, sealedBytes, unseal } from '../../../src/hal/sealing.js';

const key = new Uint8Array(32).fill(7);
const otherKey = new Uint8Array(32).fill(8);
const mega = 1024 * 1024;

async function sealed(bytes: Uint8Array, name = 'a'): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of seal(bytes, name, key)) pieces.push(piece);
  return Buffer.concat(pieces);
}

suite('sealing', () => {
  test('any length comes back, and takes the length that was said', async () => {
    for (const length of [0, 1, 1000, mega - 1, mega, mega + 1, 3 * mega]) {
      const bytes = randomBytes(length);
      const file = await sealed(bytes);
      assert.equal(file.length, sealedBytes(length), `${length}`);
      assert.equal(Buffer.compare(await unseal(file, 'a', key), bytes), 0, `${length}`);
    }
  });

  test('the same bytes never look the same twice', async () => {
    const bytes = new Uint8Array(1000);
    assert.notDeepEqual((await sealed(bytes)).subarray(16), (await sealed(bytes)).subarray(16));
  });

  test('a wrong key and a missing key are told as such', async () => {
    const file = await sealed(randomBytes(100));
    await assert.rejects(unseal(file, 'a', otherKey), {
      code: 'stateInvalid',
      message: 'a was encrypted with another key than the one given',
    });
    await assert.rejects(unseal(file, 'a', undefined), {
      code: 'stateInvalid',
      message: 'a is encrypted and no key was given',
    });
    assert.equal(keyIdIn(file), keyIdOf(key));
    assert.equal(keyIdIn(randomBytes(100)), undefined);
    assert.notEqual(keyIdOf(key), keyIdOf(otherKey));
  });

  test('no bit can be changed, nothing cut off or put in another order, and no file take the name of another', async () => {
    const small = await sealed(randomBytes(100));
    for (let bit = 0; bit < small.length * 8; bit++) {
      const bent = Uint8Array.from(small);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      await assert.rejects(unseal(bent, 'a', key), { code: 'stateInvalid' }, `bit ${bit}`);
    }
    const large = await sealed(randomBytes(2 * mega + 10));
    const piece = mega + 16;
    const first = large.subarray(32, 32 + piece);
    const second = large.subarray(32 + piece, 32 + 2 * piece);
    const last = large.subarray(32 + 2 * piece);
    const variants = {
      'last piece gone': [first, second],
      'piece gone': [first, last],
      'pieces swapped': [second, first, last],
      'cut in a piece': [first, second, last.subarray(0, 10)],
      'cut in a tag': [first, second.subarray(0, -1)],
      'header alone': [],
      longer: [first, second, last, Buffer.alloc(1)],
    };
    for (const [what, parts] of Object.entries(variants)) {
      const file = Buffer.concat([large.subarray(0, 32), ...parts]);
      await assert.rejects(unseal(file, 'a', key), { code: 'stateInvalid' }, what);
    }
    await assert.rejects(unseal(large, 'b', key), { message: 'b is damaged: its seal does not hold' });
  });

  test('a text comes back, and never looks the same twice', () => {
    const text = 'grüße, \u{1f600}';
    const salt = randomBytes(16);
    const texts = createTextSeal(key, salt, 'the journal');
    assert.equal(texts.unseal(texts.seal(text)), text);
    assert.notEqual(texts.seal(text), texts.seal(text));
    for (const bad of ['', 'x', randomBytes(60).toString('base64')]) {
      assert.throws(() => texts.unseal(bad), { code: 'stateInvalid' });
    }
    const otherFile = createTextSeal(key, randomBytes(16), 'the journal');
    assert.throws(() => otherFile.unseal(texts.seal(text)), { code: 'stateInvalid' });
  });
});
