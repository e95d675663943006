// Durable files: what a power cut between any two calls leaves, what a full or failing disk does, and names.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DurableFolder } from '../../../src/hal/durableFolder.js';
import { systemFileCalls } from '../../../src/hal/fileCalls.js';
import type { ErrorCode } from '../../../src/shared/errors.js';
import { UnreliableDisk, cutEverywhere, isPowerCut } from './unreliableDisk.js';

const path = '/store/part';
const open = (disk: UnreliableDisk): Promise<DurableFolder> => DurableFolder.open(path, disk.calls);
const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const refused = async (work: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> => {
  await assert.rejects(work, { name: 'KernelError', code, ...(message !== undefined && { message }) });
};
const long = (letter: string): string => letter.repeat(500);

suite('durable folder', () => {
  test('a file is replaced whole or not at all, wherever the power is cut', async () => {
    let replaced = 0;
    const restarts = await cutEverywhere({
      prepare: async (disk) => {
        await (await open(disk)).writeAtomically('a', bytesOf(long('o')));
      },
      act: async (disk) => {
        const folder = await open(disk);
        await folder.writeAtomically('a', bytesOf(long('n')));
        replaced = disk.count;
      },
      check: async (disk) => {
        const folder = await open(disk);
        assert.deepEqual(
          (await folder.list()).map(({ name }) => name),
          ['a'],
        );
        const text = textOf(await folder.read('a'));
        assert.ok(text === long('o') || text === long('n'), text);
      },
    });
    assert.ok(replaced > 0 && restarts > 60, `${restarts} restarts`);
  });

  test('what was acknowledged lasts: files that were written, and that others were removed', async () => {
    let written: string[] = [];
    let isRemoved = false;
    await cutEverywhere({
      act: async (disk) => {
        written = [];
        isRemoved = false;
        const folder = await open(disk);
        for (const name of ['a', 'b', 'c']) {
          await folder.writeAtomically(name, bytesOf(long(name)));
          written.push(name);
        }
        written = ['a', 'c'];
        await folder.remove('b');
        isRemoved = true;
      },
      check: async (disk) => {
        const folder = await open(disk);
        const names = (await folder.list()).map(({ name }) => name);
        for (const name of written) assert.ok(names.includes(name), `${name} is lost`);
        if (isRemoved) assert.ok(!names.includes('b'));
        for (const name of names) assert.equal(textOf(await folder.read(name)), long(name));
      },
    });
  });

  test('a log keeps what was acknowledged, and loses nothing but its end', async () => {
    const entries = ['one\n', 'two\n', `${long('x')}\n`, 'four\n'];
    const whole = entries.join('');
    let acknowledged = '';
    await cutEverywhere({
      prepare: async (disk) => {
        await (await open(disk)).writeAtomically('log', bytesOf(''));
      },
      act: async (disk) => {
        acknowledged = '';
        const folder = await open(disk);
        const log = await folder.openLog('log', 0);
        for (const entry of entries) {
          await log.append(bytesOf(entry));
          acknowledged += entry;
        }
        await log[Symbol.asyncDispose]();
      },
      check: async (disk) => {
        const text = textOf(await (await open(disk)).read('log'));
        assert.ok(text.startsWith(acknowledged));
        assert.ok(text.length <= whole.length);
      },
    });
  });

  test('appends at the same time share one flush, and resolve in order', async () => {
    const disk = new UnreliableDisk();
    const folder = await open(disk);
    await folder.writeAtomically('log', bytesOf(''));
    const log = await folder.openLog('log', 0);
    const order: number[] = [];
    const append = async (index: number): Promise<void> => {
      await log.append(bytesOf(String(index)));
      order.push(index);
    };
    await Promise.all(Array.from({ length: 10 }, (_, index) => append(index)));
    assert.equal(log.flushes, 1);
    assert.deepEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(textOf(await folder.read('log')), '0123456789');
    await append(10);
    assert.equal(log.flushes, 2);
    assert.equal(log.bytes, 12);
    await log[Symbol.asyncDispose]();
  });

  test('a log that is opened at a length is cut off there', async () => {
    const folder = await open(new UnreliableDisk());
    await folder.writeAtomically('log', bytesOf('good, torn'));
    const log = await folder.openLog('log', 5);
    await log.append(bytesOf(' and more'));
    await log[Symbol.asyncDispose]();
    assert.equal(textOf(await folder.read('log')), 'good, and more');
  });

  test('a full disk refuses and leaves the old file; a log goes on when there is room again', async () => {
    const disk = new UnreliableDisk();
    const folder = await open(disk);
    await folder.writeAtomically('a', bytesOf('old'));
    await folder.writeAtomically('log', bytesOf(''));
    const log = await folder.openLog('log', 0);
    await log.append(bytesOf('kept,'));
    disk.capacityBytes = disk.usedBytes + 10;
    await refused(folder.writeAtomically('a', bytesOf(long('n'))), 'storageFull', /the disk is full/);
    assert.equal(textOf(await folder.read('a')), 'old');
    await refused(log.append(bytesOf(long('x'))), 'storageFull');
    assert.equal(textOf(await folder.read('log')), 'kept,');
    disk.capacityBytes = Infinity;
    await log.append(bytesOf('next'));
    assert.equal(textOf(await folder.read('log')), 'kept,next');
    assert.deepEqual(disk.paths(), [`${path}/a`, `${path}/log`]);
  });

  test('a flush that failed ends a log: nobody knows what the disk holds', async () => {
    const disk = new UnreliableDisk();
    const folder = await open(disk);
    await folder.writeAtomically('log', bytesOf(''));
    const log = await folder.openLog('log', 0);
    disk.fail('sync', 'EIO');
    await refused(log.append(bytesOf('a')), 'storageFailed', /EIO/);
    await refused(log.append(bytesOf('b')), 'storageFailed', /EIO/);
    await log[Symbol.asyncDispose]();
  });

  test('when an append fails, so do those behind it', async () => {
    const disk = new UnreliableDisk();
    const folder = await open(disk);
    await folder.writeAtomically('log', bytesOf(''));
    const log = await folder.openLog('log', 0);
    disk.fail('write', 'EDQUOT');
    const results = [log.append(bytesOf('a'))];
    await Promise.resolve().then(() => Promise.resolve());
    results.push(log.append(bytesOf('b')));
    const settled = await Promise.allSettled(results);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    await log.append(bytesOf('c'));
    assert.equal(textOf(await folder.read('log')), 'c');
  });

  test('what an interrupted write left is cleared away, and nothing else', async () => {
    const disk = new UnreliableDisk();
    disk.plant(`${path}/a.1.tmp`, bytesOf('half'));
    disk.plant(`${path}/strange FILE`, bytesOf('kept'));
    const folder = await open(disk);
    assert.deepEqual(
      (await folder.list()).map(({ name }) => name),
      ['strange FILE'],
    );
  });

  test('what is set aside never takes the place of what was set aside before', async () => {
    const folder = await open(new UnreliableDisk());
    for (const text of ['first', 'second', 'third']) {
      await folder.writeAtomically('a', bytesOf(text));
      await folder.setAside('a');
    }
    const names = (await folder.list()).map(({ name }) => name);
    assert.deepEqual(names, ['a.2.damaged', 'a.3.damaged', 'a.damaged']);
    assert.equal(textOf(await folder.read('a.damaged')), 'first');
  });

  test('names are plain: no path, no device, no name of our own unfinished files', async () => {
    const folder = await open(new UnreliableDisk());
    const bad = [
      '',
      '.',
      '..',
      '../a',
      'a/b',
      'a\\b',
      '/a',
      'A',
      'a b',
      'con',
      'nul.json',
      'com1.log',
      'a.',
      'a.1.tmp',
    ];
    for (const name of [...bad, 'a\0', 'x'.repeat(201)]) {
      await refused(folder.writeAtomically(name, bytesOf('')), 'badRequest', /is no name of a stored file/);
      await refused(folder.read(name), 'badRequest');
      await refused(folder.remove(name), 'badRequest');
    }
    await refused(folder.read('missing'), 'notFound', /missing in \/store\/part: it does not exist/);
    await folder.remove('missing');
  });

  test('a power cut is told apart from what the kernel says of a disk', async () => {
    const disk = new UnreliableDisk();
    disk.cutBefore = 0;
    await assert.rejects(open(disk), isPowerCut);
  });

  suite('on the disk of this machine', () => {
    let root: string;
    setup(async () => (root = await mkdtemp(join(tmpdir(), 'durable-'))));
    teardown(() => rm(root, { recursive: true, force: true }));

    test('files are private, replaced and read back, and links are not followed', async () => {
      const folder = await DurableFolder.open(join(root, 'store'), systemFileCalls);
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield bytesOf('in ');
        await Promise.resolve();
        yield bytesOf('pieces');
      }
      assert.equal(await folder.writeAtomically('a', pieces()), 9);
      assert.equal(await readFile(join(root, 'store', 'a'), 'utf8'), 'in pieces');
      await folder.writeAtomically('a', bytesOf('new'));
      assert.equal(textOf(await folder.read('a')), 'new');
      assert.deepEqual(await readdir(join(root, 'store')), ['a']);
      if (process.platform === 'win32') return;
      assert.equal((await stat(join(root, 'store'))).mode & 0o777, 0o700);
      assert.equal((await stat(join(root, 'store', 'a'))).mode & 0o777, 0o600);
      await writeFile(join(root, 'secret'), 'secret');
      await symlink(join(root, 'secret'), join(root, 'store', 'link'));
      await refused(folder.read('link'), 'storageFailed', /ELOOP/);
      assert.deepEqual(
        (await folder.list()).map(({ name }) => name),
        ['a'],
      );
    });

    test('a log appends, and a use is noted', async () => {
      const folder = await DurableFolder.open(root, systemFileCalls);
      await folder.writeAtomically('log', bytesOf('1'));
      const log = await folder.openLog('log', 1);
      await Promise.all([log.append(bytesOf('2')), log.append(bytesOf('3'))]);
      await log[Symbol.asyncDispose]();
      await folder.setModified('log', 1_000_000);
      const [file] = await folder.list();
      assert.deepEqual(file, { name: 'log', bytes: 3, modifiedMs: 1_000_000 });
      assert.equal(textOf(await folder.read('log')), '123');
      await folder.remove('log');
      assert.deepEqual(await folder.list(), []);
    });
  });
}).timeout(30_000);
