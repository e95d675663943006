// What a module may not be made of, found before it runs.
import assert from 'node:assert/strict';
import { confine, compileConfined } from '../../../src/kernel/sandbox/confine.js';
import { compile, limits, moduleBytes } from './hostileModule.js';

suite('module confinement', () => {
  const refused: readonly [string, RegExp][] = [
    ['missingImport', /imports the function extism:host\/user\.fs_delete, which is not offered/],
    ['unofferedRight', /imports the function extism:host\/user\.process_run, which is not offered/],
    ['wasi', /imports the function wasi_snapshot_preview1\.path_open, which is not offered/],
    ['http', /imports the function extism:host\/env\.http_request, which is not offered/],
    ['variables', /imports the function extism:host\/env\.var_set, which is not offered/],
    ['importedMemory', /imports the memory env\.memory, which is not offered/],
    ['sharedMemory', /uses shared or 64-bit memory/],
    ['memory64', /uses shared or 64-bit memory/],
    ['twoMemories', /uses 2 memories/],
    ['largeMemory', /needs 2048 pages of memory, and may have 64/],
    ['largeTable', /needs 10000000 table entries, and may have 4096/],
    ['manyTables', /uses 3 tables/],
    ['collectedArray', /uses a garbage-collected type/],
    ['exceptionTag', /uses section 13/],
    ['noEntry', /exports no function execute/],
  ];
  for (const [name, message] of refused) {
    test(`${name} is refused before it runs`, async () => {
      await assert.rejects(compile(name), { code: 'badRequest', message });
    });
  }

  test('a module that is larger than allowed is refused', () => {
    assert.throws(() => confine(new Uint8Array(limits.moduleBytes + 1), limits), {
      message: /more than 65536 bytes/,
    });
  });

  test('what is no module is refused', async () => {
    for (const bytes of [
      new Uint8Array(),
      new Uint8Array(100),
      new TextEncoder().encode('export const x = 1;'),
    ]) {
      await assert.rejects(compileConfined(bytes, [], limits), { code: 'badRequest' });
    }
  });

  test('a module that is cut off anywhere is refused', async () => {
    const whole = moduleBytes('oneHostCall');
    for (let length = 0; length < whole.length; length++) {
      await assert.rejects(compileConfined(whole.subarray(0, length), ['fs_read'], limits), {
        code: 'badRequest',
      });
    }
  });

  test('a module with any one byte changed is confined or refused, and never throws anything else', async () => {
    const whole = moduleBytes('memoryBomb');
    for (let at = 8; at < whole.length; at++) {
      const changed = Uint8Array.from(whole);
      changed[at] = changed[at]! ^ 0xff;
      await compileConfined(changed, [], limits).catch((error: unknown) => {
        assert.equal((error as { code?: string }).code, 'badRequest');
      });
    }
  });

  test('maxima are written in, and lower ones are kept', () => {
    // A memory section of one memory: minimum 1, no maximum.
    const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const unbounded = Uint8Array.from([...header, 5, 3, 1, 0, 1]);
    assert.deepEqual([...confine(unbounded, limits)], [...header, 5, 4, 1, 1, 1, 64]);
    const modest = Uint8Array.from([...header, 5, 4, 1, 1, 1, 2]);
    assert.deepEqual([...confine(modest, limits)], [...modest]);
    const greedy = Uint8Array.from([...header, 5, 6, 1, 1, 1, 0x80, 0x80, 4]);
    assert.deepEqual([...confine(greedy, limits)], [...header, 5, 4, 1, 1, 1, 64]);
  });
});
