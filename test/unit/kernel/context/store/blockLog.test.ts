// The log of blocks: what was acknowledged survives every truncation behind it, a flipped byte takes no more than the
// block that it hits, and what is dead leaves the file.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openStorage } from '../../../../../src/hal/storage.js';
import { BlockLog, keyOf } from '../../../../../src/kernel/context/store/blockLog.js';
import { KernelError } from '../../../../../src/shared/errors.js';
import { makeBlock } from './storeSuite.js';

suite('block log', () => {
  let dir: string;
  setup(() => {
    dir = mkdtempSync(join(tmpdir(), 'block-log-'));
  });
  teardown(() => rmSync(dir, { recursive: true, force: true }));

  const path = (name = 'blocks.00000001.log'): string => join(dir, 'blocks', name);
  const files = (): string[] => readdirSync(join(dir, 'blocks')).sort();

  async function withLog<T>(
    work: (log: BlockLog) => T | Promise<T>,
    options: { readonly encryptionKey?: Uint8Array; readonly trouble?: string[] } = {},
  ): Promise<T> {
    const { encryptionKey, trouble = [] } = options;
    await using storage = await openStorage({ path: dir });
    const folder = await storage.folder('blocks');
    await using log = await BlockLog.open({ folder, encryptionKey, onTrouble: (line) => trouble.push(line) });
    return await work(log);
  }
  const texts = (log: BlockLog): string[] => [...log.blocks.values()].map(({ text }) => text).sort();

  const blocks = ['one', 'two', 'three'].map((text, index) => makeBlock(`${index}`, text));

  test('an end that is cut off anywhere loses only what was in it', async () => {
    const ends: number[] = [];
    await withLog(async (log) => {
      ends.push(log.bytes);
      for (const block of blocks) {
        await log.put([block]);
        ends.push(log.bytes);
      }
    });
    const whole = readFileSync(path());
    for (let bytes = ends[0] ?? 0; bytes <= whole.length; bytes += 3) {
      for (const name of files()) rmSync(path(name));
      writeFileSync(path(), whole.subarray(0, bytes));
      const trouble: string[] = [];
      const kept = ends.filter((end) => end <= bytes).length - 1;
      const found = await withLog(texts, { trouble });
      assert.deepEqual(
        found,
        blocks
          .slice(0, kept)
          .map(({ text }) => text)
          .sort(),
        `${bytes}`,
      );
      assert.equal(trouble.length, ends.includes(bytes) ? 0 : 1, trouble.join());
      assert.deepEqual(files(), ['blocks.00000001.log']);
    }
  });

  test('a flipped byte anywhere loses one block at most, is told, and the file is kept aside', async () => {
    await withLog((log) => log.put(blocks));
    const whole = readFileSync(path());
    for (let at = 0; at < whole.length; at += 7) {
      for (const name of files()) rmSync(path(name));
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x41;
      writeFileSync(path(), damaged);
      const trouble: string[] = [];
      const found = await withLog(texts, { trouble });
      assert.ok(found.length >= blocks.length - 1, `${at}: ${found.join()}`);
      assert.equal(trouble.length, 1);
      const again = await withLog(texts);
      assert.deepEqual(again, found);
      const isTail = found.length === 2 && !found.includes('three');
      assert.equal(
        files().some((name) => name.endsWith('.damaged')),
        !isTail,
        `${at}: ${files().join()}`,
      );
    }
  });

  test('goes on after what it found, and a removal stays one', async () => {
    await withLog((log) => log.put(blocks));
    await withLog((log) => log.remove([keyOf(blocks[0]!)]));
    await withLog((log) => log.put([makeBlock('9', 'nine')]));
    assert.deepEqual(await withLog(texts), ['nine', 'three', 'two']);
  });

  test('is written anew when more than half is dead', async () => {
    const long = 'x'.repeat(100_000);
    await withLog(async (log) => {
      for (let round = 0; round < 30; round++) await log.put([makeBlock('1', `${round} ${long}`)]);
    });
    assert.equal(files().length, 1);
    assert.notEqual(files()[0], 'blocks.00000001.log');
    assert.ok(readFileSync(path(files()[0])).length < 2_000_000);
    assert.deepEqual(await withLog(texts), [`29 ${long}`]);
  });

  test('encrypts with a key: nothing can be read in the file, and another key is refused', async () => {
    const encryptionKey = randomBytes(32);
    await withLog((log) => log.put(blocks), { encryptionKey });
    assert.ok(!readFileSync(path()).includes('three'));
    assert.deepEqual(await withLog(texts, { encryptionKey }), ['one', 'three', 'two']);
    const isInvalid = (error: unknown): boolean =>
      error instanceof KernelError && error.code === 'stateInvalid';
    await assert.rejects(withLog(texts, { encryptionKey: randomBytes(32) }), isInvalid);
    await assert.rejects(withLog(texts), isInvalid);
    assert.deepEqual(await withLog(texts, { encryptionKey }), ['one', 'three', 'two']);
  });

  test('encrypts what was not, when a key is given later', async () => {
    const encryptionKey = randomBytes(32);
    await withLog((log) => log.put(blocks));
    assert.deepEqual(await withLog(texts, { encryptionKey }), ['one', 'three', 'two']);
    assert.ok(!files().some((name) => readFileSync(path(name)).includes('three')));
  });
});
