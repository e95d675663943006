// The journal: what was appended is there after any power cut, damage is told and never believed, and it stays small.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DurableFolder } from '../../../../src/hal/durableFolder.js';
import { systemFileCalls } from '../../../../src/hal/fileCalls.js';
import { createManualClock } from '../../../../src/hal/manualClock.js';
import { encodeFrame } from '../../../../src/kernel/journal/frames.js';
import type { Journal } from '../../../../src/kernel/journal/journal.js';
import { createFormat, encodeRecord } from '../../../../src/kernel/journal/journalFile.js';
import {
  openJournal,
  setAsideJournal,
  type JournalRecovery,
} from '../../../../src/kernel/journal/openJournal.js';
import type { JournalRecord } from '../../../../src/kernel/journal/records.js';
import { replay, type JournalState } from '../../../../src/kernel/journal/replay.js';
import type { ErrorCode } from '../../../../src/shared/errors.js';
import {
  UnreliableDisk,
  cutEverywhere,
  isPowerCut,
  killEverywhere,
  outcomes,
} from '../../hal/unreliableDisk.js';
import { exited, lifeOf, plain, said, spawned } from './agents.js';

const path = '/store/journal';
const first = `${path}/journal.00000001.log`;
const second = `${path}/journal.00000002.log`;
const clock = createManualClock(5000);
const key32 = new Uint8Array(32).fill(3);

interface Opened {
  readonly journal: Journal;
  readonly recovery: JournalRecovery;
}
async function open(disk: UnreliableDisk, encryptionKey?: Uint8Array): Promise<Opened> {
  const folder = await DurableFolder.open(path, disk.calls);
  return await openJournal({ folder, clock, encryptionKey });
}
const refused = async (work: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> => {
  await assert.rejects(work, { name: 'KernelError', code, ...(message !== undefined && { message }) });
};
async function appendAll(journal: Journal, records: readonly JournalRecord[]): Promise<void> {
  for (const record of records) await journal.append(record);
}
const messagesOf = (state: JournalState, pid: number): string[] =>
  state.agents.get(pid)?.messages.map(({ content }) => content) ?? [];
const booted: JournalRecord = { type: 'booted', at: 5000 };

/** A disk with a closed journal of these records. */
async function diskWith(
  records: readonly JournalRecord[],
  encryptionKey?: Uint8Array,
): Promise<UnreliableDisk> {
  const disk = new UnreliableDisk();
  const { journal } = await open(disk, encryptionKey);
  await appendAll(journal, records);
  await journal[Symbol.asyncDispose]();
  return disk;
}

suite('journal', () => {
  for (const encryptionKey of [undefined, key32]) {
    suite(encryptionKey === undefined ? 'plain' : 'encrypted', () => {
      test('a new kernel finds every agent where it was', async () => {
        const records = [...lifeOf(1), ...lifeOf(2), exited(1), said(2, 'more')];
        const disk = await diskWith(records, encryptionKey);
        const { journal, recovery } = await open(disk, encryptionKey);
        assert.deepEqual(plain(journal.state), plain(replay([...records, booted])));
        assert.deepEqual(recovery, {
          // With the checkpoint that every file begins with, and the first start.
          records: records.length + 2,
          bytes: recovery.bytes,
          damage: [],
          setAside: [],
        });
        assert.deepEqual(disk.paths(), [first]);
        const text = Buffer.from(disk.read(first)).toString();
        assert.equal(text.includes('You are scout.'), encryptionKey === undefined);
        await journal[Symbol.asyncDispose]();
      });

      test('wherever the power is cut, what was acknowledged is there, in order, and nothing else', async () => {
        const contents = Array.from({ length: 8 }, (_, index) => `${index} ${'x'.repeat(40 * index)}`);
        let acknowledged = 0;
        let restarts = await cutEverywhere({
          prepare: async (disk) => {
            const { journal } = await open(disk, encryptionKey);
            await journal.append(spawned(1));
          },
          act: async (disk) => {
            acknowledged = 0;
            const { journal } = await open(disk, encryptionKey);
            const append = async (content: string): Promise<void> => {
              await journal.append(said(1, content));
              acknowledged += 1;
            };
            await append(contents[0]!);
            await Promise.all(contents.slice(1, 4).map(append));
            await Promise.all(contents.slice(4).map(append));
            await journal[Symbol.asyncDispose]();
          },
          check: async (disk) => {
            const { journal, recovery } = await open(disk, encryptionKey);
            const found = messagesOf(journal.state, 1);
            assert.deepEqual(found, contents.slice(0, found.length));
            assert.ok(found.length >= acknowledged, `${found.length} of ${acknowledged}`);
            assert.ok(recovery.damage.every(({ kind }) => kind !== 'unreadable'));
            // It goes on as if nothing had been.
            await journal.append(said(1, 'after'));
            await journal[Symbol.asyncDispose]();
            const again = await open(disk, encryptionKey);
            assert.deepEqual(messagesOf(again.journal.state, 1), [...found, 'after']);
            assert.deepEqual(again.recovery.damage, []);
          },
        });
        // The power is cut again while the kernel comes up from the cut before.
        for (const outcome of outcomes) {
          const disk = await diskWith([spawned(1), said(1, 'kept')], encryptionKey);
          const { journal } = await open(disk, encryptionKey);
          disk.cutBefore = disk.count + 1;
          await assert.rejects(journal.append(said(1, 'y'.repeat(300))), isPowerCut);
          restarts += await cutEverywhere({
            prepare: (fresh) => copyOf(disk.restart(outcome()), fresh),
            act: async (fresh) => {
              await open(fresh, encryptionKey);
            },
            check: async (fresh) => {
              const again = await open(fresh, encryptionKey);
              assert.equal(messagesOf(again.journal.state, 1)[0], 'kept');
            },
          });
        }
        assert.ok(restarts > 200, `${restarts} restarts`);
      });

      test('wherever the power is cut in a rewrite, the old file counts or the new one', async () => {
        const records = [...lifeOf(1), ...lifeOf(2), exited(1)];
        let isAppended = false;
        await cutEverywhere({
          prepare: async (disk) => {
            const { journal } = await open(disk, encryptionKey);
            await appendAll(journal, records);
          },
          act: async (disk) => {
            isAppended = false;
            const { journal } = await open(disk, encryptionKey);
            const rewriting = journal.rewrite();
            await Promise.all([rewriting, journal.append(said(2, 'meanwhile'))]);
            isAppended = true;
          },
          check: async (disk) => {
            const { journal, recovery } = await open(disk, encryptionKey);
            const found = plain(journal.state);
            const without = plain(replay([...records, booted]));
            const withIt = plain(replay([...records, booted, said(2, 'meanwhile')]));
            if (isAppended || messagesOf(journal.state, 2).includes('meanwhile'))
              assert.deepEqual(found, withIt);
            else assert.deepEqual(found, without);
            assert.deepEqual(recovery.setAside, []);
            assert.equal(disk.paths().length, 1);
          },
        });
      });
    });
  }

  test('a kernel that is killed in a rewrite, and then the power, cost nothing that was acknowledged', async () => {
    const records = [spawned(1), said(1, 'kept'), spawned(2), exited(2)];
    const restarts = await killEverywhere(
      async (disk) => {
        const { journal } = await open(disk);
        await Promise.all(records.map((record) => journal.append(record)));
      },
      async (disk) => {
        const { journal } = await open(disk);
        await journal.rewrite();
      },
      {
        act: async (disk) => {
          await open(disk);
        },
        check: async (disk) => {
          const { journal, recovery } = await open(disk);
          assert.deepEqual(plain(journal.state), plain(replay([...records, booted])));
          assert.deepEqual(recovery.setAside, []);
        },
      },
    );
    assert.ok(restarts > 500, `${restarts} restarts`);
  });

  test('appends at the same time share flushes', async () => {
    const disk = await diskWith([spawned(1)]);
    const { journal } = await open(disk);
    const before = journal.figures.flushes;
    await Promise.all(Array.from({ length: 100 }, (_, index) => journal.append(said(1, String(index)))));
    assert.equal(journal.figures.flushes - before, 1);
    assert.deepEqual(
      messagesOf(journal.state, 1),
      Array.from({ length: 100 }, (_, index) => String(index)),
    );
    await journal[Symbol.asyncDispose]();
  });

  test('a torn end is cut off and told; the kernel goes on in the same file', async () => {
    const whole = await diskWith([spawned(1), said(1, 'kept')]);
    const good = whole.read(first);
    const torn = encodeFrame('never acknowledged', 'x').subarray(0, 20);
    for (const tail of [
      torn,
      new Uint8Array(100),
      Buffer.from('\n'),
      Buffer.from('7'),
      Buffer.from('5 0123456789abcdef hallo\n'),
    ]) {
      const disk = new UnreliableDisk();
      disk.plant(first, Buffer.concat([good, tail]));
      const { journal, recovery } = await open(disk);
      assert.deepEqual(recovery.damage, [
        {
          kind: 'torn',
          file: 'journal.00000001.log',
          atByte: good.length,
          lostBytes: tail.length,
          lostRecords: 0,
          lostPids: [],
        },
      ]);
      assert.deepEqual(messagesOf(journal.state, 1), ['kept']);
      await journal.append(said(1, 'next'));
      await journal[Symbol.asyncDispose]();
      assert.deepEqual(disk.paths(), [first]);
      const again = await open(disk);
      assert.deepEqual(messagesOf(again.journal.state, 1), ['kept', 'next']);
      assert.deepEqual(again.recovery.damage, []);
    }
  });

  test('damage in the middle stops there, tells who lost something, and keeps the file', async () => {
    const disk = await diskWith([
      spawned(1),
      spawned(2),
      said(1, 'good'),
      said(1, 'hit here'),
      said(2, 'lost'),
      said(1, 'lost'),
    ]);
    const bent = Uint8Array.from(disk.read(first));
    const at = Buffer.from(bent).indexOf('hit here');
    bent[at]! ^= 0x20;
    disk.plant(first, bent);
    const { journal, recovery } = await open(disk);
    assert.deepEqual([messagesOf(journal.state, 1), messagesOf(journal.state, 2)], [['good'], []]);
    const [damage] = recovery.damage;
    assert.ok(damage !== undefined && damage.atByte < at);
    assert.deepEqual(damage, {
      kind: 'broken',
      file: 'journal.00000001.log',
      atByte: damage.atByte,
      lostBytes: bent.length - damage.atByte,
      lostRecords: 2,
      lostPids: [2, 1],
    });
    assert.deepEqual(recovery.setAside, ['journal.00000001.log.damaged']);
    assert.deepEqual(disk.paths(), [`${first}.damaged`, second]);
    assert.deepEqual(Buffer.from(disk.read(`${first}.damaged`)), Buffer.from(bent));
    await journal[Symbol.asyncDispose]();
    assert.deepEqual((await open(disk)).recovery.damage, []);
  });

  test('wherever the power is cut in a recovery from damage, what is good stays and the file is kept', async () => {
    const whole = await diskWith([spawned(1), said(1, 'good'), said(1, 'hit here'), said(1, 'lost')]);
    const bent = Uint8Array.from(whole.read(first));
    bent[Buffer.from(bent).indexOf('hit here')]! ^= 1;
    await cutEverywhere({
      prepare: async (disk) => {
        await DurableFolder.open(path, disk.calls);
        disk.plant(first, bent);
      },
      act: async (disk) => {
        await open(disk);
      },
      check: async (disk) => {
        const { journal } = await open(disk);
        assert.deepEqual(messagesOf(journal.state, 1), ['good']);
        assert.ok(disk.paths().includes(`${first}.damaged`));
      },
    });
  });

  test('no flipped bit is ever believed: every state found is one that was', async () => {
    const records = [spawned(1), said(1, 'one'), said(1, 'two'), exited(1)];
    const whole = await diskWith(records);
    const good = whole.read(first);
    const states = [[], ...records.map((_, index) => records.slice(0, index + 1))].map((prefix) =>
      plain(replay(prefix)),
    );
    for (let bit = 0; bit < good.length * 8; bit += 17) {
      const bent = Uint8Array.from(good);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      const disk = new UnreliableDisk();
      disk.plant(first, bent);
      const { journal, recovery } = await open(disk);
      assert.ok(
        states.some((state) => JSON.stringify(state) === JSON.stringify(plain(journal.state))),
        `bit ${bit}`,
      );
      assert.equal(recovery.damage.length, 1, `bit ${bit}`);
    }
  });

  test('a file that is not readable at all is kept, and an older one that is still there counts', async () => {
    const disk = await diskWith([spawned(1), said(1, 'older')]);
    disk.plant(second, new Uint8Array(500));
    const { journal, recovery } = await open(disk);
    assert.deepEqual(messagesOf(journal.state, 1), ['older']);
    assert.deepEqual(recovery.damage, [
      {
        kind: 'unreadable',
        file: 'journal.00000002.log',
        atByte: 0,
        lostBytes: 500,
        lostRecords: 0,
        lostPids: [],
      },
    ]);
    assert.deepEqual(recovery.setAside, ['journal.00000002.log.damaged']);
    assert.equal(journal.figures.file, 'journal.00000003.log');
    await journal[Symbol.asyncDispose]();
    assert.deepEqual(messagesOf((await open(disk)).journal.state, 1), ['older']);
  });

  test('a journal of a newer kernel is refused whole, and not touched', async () => {
    const { format, header } = createFormat(undefined);
    const line = encodeRecord(spawned(1), format);
    const newer = encodeFrame(JSON.stringify({ type: 'forked', pid: 1 }), format.id);
    const newForm = encodeFrame(JSON.stringify({ ...spawned(1), later: true }), format.id);
    const newVersion = encodeFrame(JSON.stringify({ type: 'journal', version: 2, id: '', more: 1 }), '');
    const cases: readonly (readonly [readonly Uint8Array[], RegExp])[] = [
      [[header, line, newer, line], /holds a record of the unknown kind "forked": a newer kernel wrote it/],
      [[header, newForm], /holds a record of the kind "spawned" that is not understood at .*later/],
      [[newVersion], /has the form 2, and this kernel reads the form 1/],
      [[encodeFrame('[]', '')], /is no journal/],
    ];
    for (const [parts, message] of cases) {
      const disk = new UnreliableDisk();
      const content = Buffer.concat(parts);
      disk.plant(first, content);
      await refused(open(disk), 'stateInvalid', message);
      assert.deepEqual(disk.paths(), [first]);
      assert.deepEqual(Buffer.from(disk.read(first)), content);
      const folder = await DurableFolder.open(path, disk.calls);
      assert.deepEqual(await setAsideJournal(folder), ['journal.00000001.log.damaged']);
      assert.equal((await open(disk)).journal.state.agents.size, 0);
    }
  });

  test('an encrypted journal opens with its key alone; a plain one is encrypted at the next start', async () => {
    const disk = await diskWith(lifeOf(1), key32);
    await refused(open(disk), 'stateInvalid', /is encrypted and no key was given/);
    await refused(open(disk, new Uint8Array(32)), 'stateInvalid', /another key than the one given/);
    assert.deepEqual(disk.paths(), [first]);
    const plainDisk = await diskWith(lifeOf(1));
    const { journal } = await open(plainDisk, key32);
    assert.deepEqual(plainDisk.paths(), [second]);
    assert.equal(Buffer.from(plainDisk.read(second)).includes('scout'), false);
    assert.equal(journal.state.agents.size, 1);
    assert.equal(messagesOf((await open(plainDisk, key32)).journal.state, 1).length, 4);
  });

  test('a full disk refuses the record and nothing else', async () => {
    const disk = await diskWith([spawned(1)]);
    const { journal } = await open(disk);
    disk.capacityBytes = disk.usedBytes + 50;
    await refused(journal.append(said(1, 'x'.repeat(500))), 'storageFull', /the disk is full/);
    await refused(journal.rewrite(), 'storageFull');
    disk.capacityBytes = Infinity;
    await journal.append(said(1, 'fits'));
    await journal[Symbol.asyncDispose]();
    assert.deepEqual(messagesOf((await open(disk)).journal.state, 1), ['fits']);
  });

  test('a rewrite that fails leaves the old file in use; one that cannot be taken back ends the journal', async () => {
    const disk = await diskWith([spawned(1)]);
    const { journal } = await open(disk);
    disk.fail('syncFolder', 'EIO');
    await refused(journal.rewrite(), 'storageFailed');
    await journal.append(said(1, 'in the old file'));
    assert.deepEqual(messagesOf((await open(disk.restart(() => 0.01))).journal.state, 1), [
      'in the old file',
    ]);
    disk.fail('syncFolder', 'EIO', 5);
    await refused(journal.rewrite(), 'storageFailed');
    await refused(journal.append(said(1, 'lost otherwise')), 'storageFailed', /could not be taken back/);
  });

  test('a record that could not be read back is refused as a bug, and not written', async () => {
    const disk = await diskWith([spawned(1)]);
    const { journal } = await open(disk);
    const bytes = journal.figures.bytes;
    await refused(journal.append({ ...exited(1), pid: Number.NaN } as JournalRecord), 'bug', /kind exited/);
    assert.equal(journal.figures.bytes, bytes);
  });

  suite('on the disk of this machine', () => {
    let root: string;
    setup(async () => (root = await mkdtemp(join(tmpdir(), 'journal-'))));
    teardown(() => rm(root, { recursive: true, force: true }));

    test('10,000 records come back, and a journal that is mostly garbage writes itself anew', async () => {
      const folder = await DurableFolder.open(root, systemFileCalls);
      const { journal } = await openJournal({ folder, clock });
      const text = 'x'.repeat(300);
      const agent = async (pid: number): Promise<void> => {
        await journal.append(spawned(pid));
        for (let index = 0; index < 98; index++) await journal.append(said(pid, `${pid} ${index} ${text}`));
        // The last ten stay.
        if (pid <= 90) await journal.append(exited(pid));
        else await journal.append(said(pid, 'last'));
      };
      await Promise.all(Array.from({ length: 100 }, (_, index) => agent(index + 1)));
      await journal[Symbol.asyncDispose]();
      const { records, flushes, rewrites, bytes, liveBytes } = journal.figures;
      assert.equal(records, 10_001);
      assert.ok(flushes < 1_000, `${flushes} flushes`);
      assert.ok(
        rewrites > 0 && bytes < 2.5 * liveBytes,
        `${rewrites} rewrites, ${bytes} of ${liveBytes} bytes`,
      );
      const again = await openJournal({ folder, clock });
      assert.deepEqual(again.recovery.damage, []);
      assert.deepEqual(
        [...again.journal.state.agents.keys()].sort((a, b) => a - b),
        [91, 92, 93, 94, 95, 96, 97, 98, 99, 100],
      );
      for (const pid of again.journal.state.agents.keys()) {
        const messages = messagesOf(again.journal.state, pid);
        assert.equal(messages.length, 99);
        assert.ok(messages.every((each, index) => index === 98 || each.startsWith(`${pid} ${index} `)));
      }
      assert.deepEqual(plain(again.journal.state), plain(journal.state));
      assert.equal(again.journal.state.reports.size, 90);
      await again.journal[Symbol.asyncDispose]();
    });

    test('what became garbage before the kernel ended is dropped at the next start', async () => {
      const folder = await DurableFolder.open(root, systemFileCalls);
      const { journal } = await openJournal({ folder, clock });
      await journal.append(spawned(1));
      await Promise.all(Array.from({ length: 20 }, () => journal.append(said(1, 'x'.repeat(100_000)))));
      await journal.append(exited(1));
      await journal[Symbol.asyncDispose]();
      const again = await openJournal({ folder, clock });
      assert.ok(again.journal.figures.bytes < 2_000);
      assert.equal(again.journal.state.reports.get(1)?.answer, 'done');
      await again.journal[Symbol.asyncDispose]();
      assert.equal((await folder.list()).length, 1);
    });
  });
}).timeout(30_000);

/** The files of one disk on another. */
async function copyOf(from: UnreliableDisk, to: UnreliableDisk): Promise<void> {
  await DurableFolder.open(path, to.calls);
  for (const file of from.paths()) to.plant(file, from.read(file));
}
