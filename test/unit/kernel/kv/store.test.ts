// The snapshot store: content in, the same content out or an error, whatever happens to power, disk and bits.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { DurableFolder } from '../../../../src/hal/durableFolder.js';
import { createManualClock } from '../../../../src/hal/manualClock.js';
import type { ErrorCode } from '../../../../src/shared/errors.js';
import type { FoundSnapshots } from '../../../../src/kernel/kv/snapshotFiles.js';
import {
  SnapshotStore,
  type SnapshotEntry,
  type SnapshotFacts,
  type SnapshotStoreOptions,
} from '../../../../src/kernel/kv/store.js';
import { UnreliableDisk, cutEverywhere, killEverywhere, seededRandom } from '../../hal/unreliableDisk.js';

const path = '/store/kv';
const key32 = new Uint8Array(32).fill(1);
const clock = createManualClock(1_000_000);

/** Bytes that no other number gives. */
function payload(seed: number, length = 300): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}
const keyFor = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const tokens = (length: number, from = 0): number[] => Array.from({ length }, (_, index) => from + index);
const facts = (some: Partial<SnapshotFacts> = {}): SnapshotFacts => ({
  model: 'm',
  tokens: tokens(100),
  agent: 'scout',
  quantisation: 'f16',
  ...some,
});

interface Opened {
  readonly store: SnapshotStore;
  readonly found: FoundSnapshots;
}
async function open(disk: UnreliableDisk, some: Partial<SnapshotStoreOptions> = {}): Promise<Opened> {
  const folder = await DurableFolder.open(path, disk.calls);
  return await SnapshotStore.open({ folder, clock, quotaBytes: 1e9, ...some });
}
const refused = async (work: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> => {
  await assert.rejects(work, { name: 'KernelError', code, ...(message !== undefined && { message }) });
};
const fileOf = (key: string, ending = 'safetensors'): string => `${path}/${key}.${ending}`;

suite('snapshot store', () => {
  for (const encryptionKey of [undefined, key32]) {
    suite(encryptionKey === undefined ? 'plain' : 'encrypted', () => {
      const options = { encryptionKey };

      test('gives back what was put, also after a restart', async () => {
        const disk = new UnreliableDisk();
        const { store, found } = await open(disk, options);
        assert.deepEqual(found, { snapshots: [], setAside: [], unfinished: 0 });
        const bytes = payload(1);
        const entry = await store.put(bytes, facts({ retention: { priority: 50, durationMs: 10 } }));
        assert.equal(entry.key, keyFor(bytes));
        assert.deepEqual(Buffer.from(await store.get(entry.key)), Buffer.from(bytes));
        await store[Symbol.asyncDispose]();

        const again = await open(disk, options);
        assert.deepEqual(again.store.list(), [{ ...entry, lastUsed: clock.wallClock() }]);
        assert.deepEqual(Buffer.from(await again.store.get(entry.key)), Buffer.from(bytes));
        assert.equal(await again.store.verify(entry.key), 'intact');
        assert.equal(again.found.snapshots.length, 1);
        const { bytes: used } = await again.store.usage();
        assert.equal(used, disk.usedBytes);
        assert.equal(entry.isEncrypted, encryptionKey !== undefined);
      });

      test('a put is there whole or not at all, wherever the power is cut', async () => {
        const [old, fresh] = [payload(1), payload(2)];
        let acknowledged = false;
        const restarts = await cutEverywhere({
          prepare: async (disk) => {
            await (await open(disk, options)).store.put(old, facts());
          },
          act: async (disk) => {
            acknowledged = false;
            const { store } = await open(disk, options);
            await store.put(fresh, facts({ replaces: keyFor(old) }));
            acknowledged = true;
          },
          check: async (disk) => {
            const { store, found } = await open(disk, options);
            assert.deepEqual(found.setAside, []);
            const keys = store.list().map(({ key }) => key);
            assert.ok(keys.includes(keyFor(fresh)) || keys.includes(keyFor(old)), 'one of them is there');
            if (acknowledged) assert.deepEqual(keys, [keyFor(fresh)]);
            for (const key of keys) {
              const expected = key === keyFor(fresh) ? fresh : old;
              assert.deepEqual(Buffer.from(await store.get(key)), Buffer.from(expected));
            }
            // Nothing is left that is not counted.
            assert.equal((await store.usage()).bytes, disk.usedBytes);
          },
        });
        assert.ok(restarts > 100, `${restarts} restarts`);
      });

      test('a changed retention, an eviction and a removal are done or not, wherever the power is cut', async () => {
        const [a, b, c] = [payload(1), payload(2), payload(3)];
        await cutEverywhere({
          prepare: async (disk) => {
            const { store } = await open(disk, options);
            await store.put(a, facts());
            await store.put(b, facts());
          },
          act: async (disk) => {
            const { store } = await open(disk, { ...options, quotaBytes: disk.usedBytes + 20 });
            await store.touch(keyFor(a), { priority: 90, durationMs: null });
            await store.put(c, facts());
            await store.remove(keyFor(a));
          },
          check: async (disk) => {
            const { store, found } = await open(disk, options);
            assert.deepEqual(found.setAside, []);
            for (const entry of store.list()) {
              const expected = [a, b, c].find((bytes) => keyFor(bytes) === entry.key)!;
              assert.deepEqual(Buffer.from(await store.get(entry.key)), Buffer.from(expected));
              assert.ok([35, 90].includes(entry.retention.priority));
            }
            assert.equal((await store.usage()).bytes, disk.usedBytes);
          },
        });
      });

      test('no flipped bit, no cut and no longer file is ever given out', async () => {
        const bytes = payload(1, 40);
        const disk = new UnreliableDisk();
        const { key } = await (await open(disk, options)).store.put(bytes, facts({ tokens: tokens(3) }));
        // A second snapshot shows that one damaged file costs one snapshot.
        const other = await (await open(disk, options)).store.put(payload(9), facts());
        const image = new Map(disk.paths().map((file) => [file, disk.read(file)]));
        const damagedCopies = function* (good: Uint8Array): Generator<Uint8Array> {
          for (let bit = 0; bit < good.length * 8; bit += 11) {
            const bent = Uint8Array.from(good);
            bent[bit >> 3]! ^= 1 << (bit & 7);
            yield bent;
          }
          for (let length = 0; length < good.length; length += 7) yield good.slice(0, length);
          yield Buffer.concat([good, Buffer.alloc(1)]);
          yield new Uint8Array(good.length);
        };
        for (const [file, good] of image) {
          if (!file.includes(key)) continue;
          for (const bad of damagedCopies(good)) {
            const bent = new UnreliableDisk();
            for (const [name, content] of image) bent.plant(name, name === file ? bad : content);
            const { store, found } = await open(bent, options);
            const entry = store.list().find((each) => each.key === key);
            if (entry === undefined) assert.ok(found.setAside.length > 0 || found.unfinished > 0);
            else await refused(store.get(key), 'stateInvalid');
            assert.equal(
              store.list().some((each) => each.key === key),
              false,
            );
            assert.equal(await store.verify(other.key), 'intact');
            const { setAsideFiles } = await store.usage();
            assert.ok(setAsideFiles > 0);
            assert.ok(bent.paths().some((name) => name.endsWith('.damaged')));
          }
        }
      });
    });
  }

  test('a kernel that is killed in a put, and then the power, leave the old one or the new one', async () => {
    const [old, fresh] = [payload(1), payload(2)];
    await killEverywhere(
      async (disk) => {
        await (await open(disk)).store.put(old, facts());
      },
      async (disk) => {
        await (await open(disk)).store.put(fresh, facts({ replaces: keyFor(old) }));
      },
      {
        act: async (disk) => {
          await open(disk);
        },
        check: async (disk) => {
          const { store, found } = await open(disk);
          assert.deepEqual(found.setAside, []);
          assert.ok(store.list().length > 0);
          for (const { key } of store.list()) assert.equal(await store.verify(key), 'intact');
        },
      },
    );
  });

  test('a plain snapshot is the file as it is, named by its checksum', async () => {
    const disk = new UnreliableDisk();
    const bytes = payload(1);
    const { key } = await (await open(disk)).store.put(bytes, facts());
    assert.deepEqual(disk.paths(), [fileOf(key, 'json'), fileOf(key)]);
    assert.deepEqual(Buffer.from(disk.read(fileOf(key))), Buffer.from(bytes));
  });

  test('an encrypted store tells nothing of the conversation, and opens with its key alone', async () => {
    const disk = new UnreliableDisk();
    const { store } = await open(disk, { encryptionKey: key32 });
    const bytes = Buffer.from('the secret text '.repeat(20));
    const { key } = await store.put(bytes, facts({ agent: 'spy-agent' }));
    for (const file of disk.paths()) {
      const text = Buffer.from(disk.read(file)).toString('latin1');
      assert.ok(!text.includes('secret') && !text.includes('spy-agent'));
    }
    const files = disk.paths();
    await refused(
      open(disk, { encryptionKey: new Uint8Array(32) }),
      'stateInvalid',
      /another key than the one given/,
    );
    await refused(open(disk), 'stateInvalid', /is encrypted and no key was given/);
    assert.deepEqual(disk.paths(), files, 'a wrong key touches nothing');
    const again = await open(disk, { encryptionKey: key32 });
    assert.deepEqual(Buffer.from(await again.store.get(key)), bytes);
  });

  test('plain snapshots can be read when encryption came later, and are encrypted when they are put again', async () => {
    const disk = new UnreliableDisk();
    const bytes = payload(1);
    const { key } = await (await open(disk)).store.put(bytes, facts());
    const { store } = await open(disk, { encryptionKey: key32 });
    assert.equal(store.entry(key).isEncrypted, false);
    assert.deepEqual(Buffer.from(await store.get(key)), Buffer.from(bytes));
    const entry = await store.put(bytes, facts());
    assert.equal(entry.isEncrypted, true);
    assert.deepEqual(disk.paths(), [fileOf(key, 'json.sealed'), fileOf(key, 'safetensors.sealed')]);
    assert.deepEqual(Buffer.from(await store.get(key)), Buffer.from(bytes));
  });

  test('files of others are set aside, told and counted, and deleted only when a person says so', async () => {
    const disk = new UnreliableDisk();
    const { key } = await (await open(disk)).store.put(payload(1), facts());
    disk.plant(`${path}/notes.txt`, payload(5));
    disk.plant(fileOf('f'.repeat(64)), payload(6));
    disk.plant(fileOf('e'.repeat(64), 'json'), payload(7));
    const { store, found } = await open(disk);
    assert.deepEqual(found.setAside, [
      { name: `${'f'.repeat(64)}.safetensors.damaged`, reason: 'it has no record' },
      { name: 'notes.txt.damaged', reason: 'it is no file of this store' },
    ]);
    assert.equal(found.unfinished, 1);
    assert.deepEqual(
      store.list().map((entry) => entry.key),
      [key],
    );
    assert.equal((await store.usage()).setAsideFiles, 2);
    const again = await open(disk);
    assert.deepEqual(again.found.setAside, []);
    await again.store.removeSetAside();
    assert.deepEqual(disk.paths(), [fileOf(key, 'json'), fileOf(key)]);
  });

  test('a record of another snapshot, or of a newer form, makes its snapshot useless', async () => {
    const disk = new UnreliableDisk();
    const { store } = await open(disk);
    const [a, b] = [await store.put(payload(1), facts()), await store.put(payload(2), facts())];
    disk.plant(fileOf(a.key, 'json'), disk.read(fileOf(b.key, 'json')));
    const record: Record<string, unknown> = { version: 2, key: b.key };
    const sha256 = createHash('sha256').update(JSON.stringify(record)).digest('hex');
    disk.plant(fileOf(b.key, 'json'), Buffer.from(JSON.stringify({ sha256, record })));
    const { found } = await open(disk);
    assert.deepEqual(found.snapshots, []);
    assert.deepEqual(
      [...new Set(found.setAside.map(({ reason }) => reason))].sort(),
      [
        `its record is of no known form at version: Invalid input: expected 1`,
        `its record is that of ${b.key}`,
      ].sort(),
    );
  });

  test('damage that is found by reading is set aside at once, and told', async () => {
    const disk = new UnreliableDisk();
    const { store } = await open(disk);
    const told: string[] = [];
    store.onDidSetAside(({ name }) => told.push(name));
    const { key } = await store.put(payload(1), facts());
    disk.plant(fileOf(key), payload(2));
    await Promise.all([
      refused(store.get(key), 'stateInvalid', new RegExp(`snapshot ${key} is damaged`)),
      refused(store.get(key), 'stateInvalid'),
      store.verify(key).then((result) => assert.equal(result, 'damaged')),
    ]);
    assert.deepEqual(told, [`${key}.safetensors.damaged`]);
    assert.deepEqual(disk.paths(), [fileOf(key, 'safetensors.damaged')]);
    await refused(store.get(key), 'notFound');
    assert.equal(store.find('m', tokens(100)), undefined);
  });

  test('a file that somebody deleted is not found, and known no more', async () => {
    const disk = new UnreliableDisk();
    const { store } = await open(disk);
    const { key } = await store.put(payload(1), facts());
    await disk.calls.remove(fileOf(key));
    await refused(store.get(key), 'notFound');
    assert.deepEqual(store.list(), []);
  });

  test('the longest stored beginning is found, of this model alone, and with least beyond it', async () => {
    const { store } = await open(new UnreliableDisk());
    const put = (seed: number, some: Partial<SnapshotFacts>): Promise<SnapshotEntry> =>
      store.put(payload(seed), facts(some));
    const short = await put(1, { tokens: tokens(70) });
    const long = await put(2, { tokens: tokens(200) });
    await put(3, { tokens: tokens(500), model: 'other' });
    assert.deepEqual(store.find('m', tokens(150)), { entry: store.entry(long.key), shared: 128 });
    assert.deepEqual(store.find('m', tokens(100)), { entry: store.entry(short.key), shared: 70 });
    assert.equal(store.find('m', [...tokens(64), 7, 7, 7])?.entry.key, short.key);
    assert.equal(store.find('m', tokens(100, 3)), undefined);
    await store.remove(long.key);
    assert.equal(store.find('m', tokens(150))?.entry.key, short.key);
  });

  test('the same bytes are kept once, with their later facts', async () => {
    const disk = new UnreliableDisk();
    const { store } = await open(disk);
    await store.put(payload(1), facts({ agent: 'a' }));
    const used = disk.usedBytes;
    const entry = await store.put(payload(1), facts({ agent: 'b', replaces: keyFor(payload(1)) }));
    assert.deepEqual([entry.agent, disk.usedBytes, store.list().length], ['b', used, 1]);
  });

  test('the quota holds, and what leaves is told', async () => {
    const disk = new UnreliableDisk();
    const steps = new Map<string, number>();
    const quotaBytes = 3000;
    const { store } = await open(disk, {
      quotaBytes,
      stepsUntilRun: ({ agent }) => steps.get(agent) ?? Infinity,
    });
    const gone: string[] = [];
    store.onDidEvict(({ agent }) => gone.push(agent));
    steps.set('soon', 1).set('later', 5);
    const put = (seed: number, agent: string, some: Partial<SnapshotFacts> = {}): Promise<SnapshotEntry> =>
      store.put(payload(seed, 400), facts({ agent, ...some }));
    await put(1, 'vip', { retention: { priority: 80, durationMs: null } });
    await put(2, 'soon');
    await put(3, 'later');
    await put(4, 'soon');
    assert.deepEqual(gone, ['later']);
    assert.ok(disk.usedBytes <= quotaBytes);
    await refused(put(5, 'later'), 'storageFull', /does not fit into the 3\.0 kB for snapshots/);
    await refused(store.put(payload(6, 4000), facts()), 'storageFull', /a snapshot of 4\.4 kB/);
    assert.deepEqual(gone, ['later']);
    // What is replaced makes room for what replaces it.
    await put(7, 'soon', { replaces: keyFor(payload(2, 400)) });
    assert.deepEqual(gone, ['later']);
    assert.equal(store.list().length, 3);

    const smaller = await open(disk, { quotaBytes: 1000 });
    assert.deepEqual(
      smaller.store.list().map(({ agent }) => agent),
      ['vip'],
    );
    assert.ok(disk.usedBytes <= 1000);
  });

  test('a full disk refuses by name, and what was there stays', async () => {
    const disk = new UnreliableDisk();
    const { store } = await open(disk);
    const { key } = await store.put(payload(1), facts());
    for (const room of [0, 100, 700]) {
      disk.capacityBytes = disk.usedBytes + room;
      await refused(store.put(payload(2, 1000), facts()), 'storageFull', /the disk is full/);
      assert.deepEqual(disk.paths(), [fileOf(key, 'json'), fileOf(key)]);
    }
    assert.equal(await store.verify(key), 'intact');
    disk.capacityBytes = Infinity;
    await store.put(payload(2, 1000), facts());
  });

  test('a use lasts over a restart, and a clock that was set back makes nothing younger than now', async () => {
    const disk = new UnreliableDisk();
    const time = createManualClock(5_000);
    const { store } = await open(disk, { clock: time });
    const [a, b] = [await store.put(payload(1), facts()), await store.put(payload(2), facts())];
    time.advance(1_000);
    await store.touch(a.key, { priority: 70, durationMs: 5 });
    time.advance(1_000);
    await store.get(b.key);
    const lastUsed = (each: SnapshotStore): unknown => [a, b].map(({ key }) => each.entry(key).lastUsed);
    assert.deepEqual(lastUsed(store), [6_000, 7_000]);
    const later = (await open(disk, { clock: time })).store;
    assert.deepEqual(lastUsed(later), [6_000, 7_000]);
    assert.deepEqual(later.entry(a.key).retention, { priority: 70, durationMs: 5 });
    const earlier = (await open(disk, { clock: createManualClock(6_500) })).store;
    assert.deepEqual(lastUsed(earlier), [6_000, 6_500]);
  });

  test('whatever comes at the same time, the files are those that are listed', async () => {
    const disk = new UnreliableDisk();
    const { store } = await open(disk, { quotaBytes: 6_000 });
    const work = Array.from({ length: 40 }, async (_, index) => {
      const { key } = await store.put(payload(index % 15), facts({ tokens: tokens(index + 1) }));
      if (index % 3 === 0) await store.remove(key);
      else await store.touch(key, { priority: index % 100, durationMs: null }).catch(() => undefined);
    });
    await Promise.allSettled(work);
    await store[Symbol.asyncDispose]();
    const files = store.list().flatMap(({ key }) => [fileOf(key, 'json'), fileOf(key)]);
    assert.deepEqual(disk.paths(), files.sort());
    assert.ok(disk.usedBytes <= 6_000);
  });
}).timeout(30_000);
