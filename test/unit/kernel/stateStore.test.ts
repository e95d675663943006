// What people can see of kept state, and take away: also beside a kernel, and whatever is damaged.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensors } from '../../../src/kernel/kv/safetensors.js';
import {
  exportState,
  listState,
  removeState,
  showState,
  verifyState,
} from '../../../src/kernel/stateStore.js';
import { encryptionKey, keepState } from './stateStores.js';

suite('kept state, as people see it', () => {
  let root: string;
  setup(async () => {
    root = await mkdtemp(join(tmpdir(), 'state-store-'));
  });
  teardown(() => rm(root, { recursive: true, force: true }));

  const flip = async (dir: string, key: string): Promise<void> => {
    const path = join(dir, 'snapshots', `${key}.safetensors`);
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
    await writeFile(path, bytes);
  };

  test('can be looked at while a kernel uses it, and nothing of it changes', async () => {
    const { dir, keys, durable } = await keepState(root);
    try {
      const before = await readdir(dir, { recursive: true });
      const { usedBy, snapshots, agents, faults } = await listState({ dir });
      assert.deepEqual([usedBy, faults], [process.pid, []]);
      assert.deepEqual(
        agents.map(({ pid, name, task, snapshot }) => [pid, name, task, snapshot]),
        [
          [1, 'scout', 'task 1', keys[0]],
          [2, 'scout', 'task 2', null],
        ],
      );
      assert.deepEqual(
        new Map(snapshots.map(({ key, pid }) => [key, pid])),
        new Map([
          [keys[0], 1],
          [keys[1], null],
        ]),
      );
      for (const each of snapshots) {
        assert.deepEqual(
          [each.agent, each.tokens, each.quantisation, each.isEncrypted, each.model, each.createdAt],
          ['scout', 70, 'k8v4', false, 'a'.repeat(64), 1_000_000],
        );
      }
      assert.deepEqual(
        (await verifyState({ dir })).map(({ verdict }) => verdict),
        ['intact', 'intact', 'intact'],
      );
      assert.deepEqual(await readdir(dir, { recursive: true }), before);
      await assert.rejects(removeState({ dir, keys: 'all' }), {
        code: 'storeLocked',
        message: `the store ${dir} is in use by process ${process.pid}`,
      });
    } finally {
      await durable[Symbol.asyncDispose]();
    }
    assert.equal((await listState({ dir })).usedBy, null);
  });

  test('a snapshot tells what it is of, and its agent what was said', async () => {
    const { dir, keys, durable } = await keepState(root);
    await durable[Symbol.asyncDispose]();
    const { snapshot, facts, conversation } = await showState({ dir, key: keys[0].slice(0, 10) });
    assert.deepEqual([snapshot.key, snapshot.pid], [keys[0], 1]);
    assert.deepEqual(
      [facts['engine'], facts['headDim'], facts['quantisation']],
      ['llama.cpp v1', '64', 'k8v4'],
    );
    assert.deepEqual(conversation, [{ role: 'assistant', text: 'I look.' }]);
    assert.equal((await showState({ dir, key: keys[1] })).conversation, null);
  });

  test('damage is found, named, and kept from nobody', async () => {
    const { dir, keys, durable } = await keepState(root);
    await durable[Symbol.asyncDispose]();
    await flip(dir, keys[0]);
    const [name] = (await readdir(join(dir, 'journal'))).filter((each) => each.endsWith('.log'));
    const journal = join(dir, 'journal', name!);
    const lines = (await readFile(journal, 'utf8')).split('\n');
    lines[3] = lines[3]!.replace('scout', 'Scout');
    await writeFile(journal, lines.join('\n'));
    const findings = await verifyState({ dir });
    const verdictOf = (part: string): string | undefined =>
      findings.find(({ file }) => file.includes(part))?.verdict;
    assert.deepEqual(
      [verdictOf(keys[0]), verdictOf(keys[1]), verdictOf(name!)],
      ['damaged', 'intact', 'damaged'],
    );
    await assert.rejects(showState({ dir, key: keys[0] }), {
      code: 'stateInvalid',
      message: /checksum differs/,
    });
    await truncate(join(dir, 'snapshots', `${keys[1]}.safetensors`), 100);
    const { snapshots, faults } = await listState({ dir });
    assert.equal(snapshots.length, 1);
    assert.match(JSON.stringify(faults), /has 100 bytes and its record says/);
  });

  test('what is removed is gone, the rest stays', async () => {
    const { dir, keys, durable } = await keepState(root);
    await durable[Symbol.asyncDispose]();
    await assert.rejects(removeState({ dir, keys: ['0000'] }), { code: 'notFound' });
    const removed = await removeState({ dir, keys: [keys[0].slice(0, 8), keys[0]] });
    assert.deepEqual(removed.keys, [keys[0]]);
    const { snapshots, agents } = await listState({ dir });
    assert.deepEqual(
      [snapshots.map(({ key }) => key), agents.map(({ snapshot }) => snapshot)],
      [[keys[1]], [null, null]],
    );
    await writeFile(join(dir, 'snapshots', 'x.safetensors.damaged'), 'x');
    assert.deepEqual((await removeState({ dir, keys: 'all' })).keys, [keys[1]]);
    assert.deepEqual(await readdir(join(dir, 'snapshots')), []);
    assert.equal((await listState({ dir })).agents.length, 2);
  });

  for (const isEncrypted of [false, true]) {
    test(`is exported as plain safetensors${isEncrypted ? ', when it was encrypted as well' : ''}`, async () => {
      const { dir, keys, durable } = await keepState(root, isEncrypted);
      await durable[Symbol.asyncDispose]();
      const store = { dir, ...(isEncrypted && { encryptionKey }) };
      const path = join(root, 'out.safetensors');
      const { bytes } = await exportState({ ...store, key: keys[0], path });
      const file = await readFile(path);
      assert.equal(file.length, bytes);
      const { metadata, tensors } = readSafetensors(new Uint8Array(file));
      assert.equal(metadata.get('format'), 'amk-kv');
      assert.deepEqual(tensors.get('tokens')?.shape, [70]);
      await assert.rejects(exportState({ ...store, key: keys[0], path }), {
        code: 'badRequest',
        message: `${path} is there already`,
      });
    });
  }

  test('what is encrypted is refused without its key, and can be removed all the same', async () => {
    const { dir, keys, durable } = await keepState(root, true);
    await durable[Symbol.asyncDispose]();
    assert.equal((await listState({ dir, encryptionKey })).snapshots[0]?.isEncrypted, true);
    const others = [{ dir }, { dir, encryptionKey: '6'.repeat(64) }];
    for (const store of others) {
      for (const call of [listState(store), verifyState(store), showState({ ...store, key: keys[0] })]) {
        await assert.rejects(call, { code: 'stateInvalid', message: /no key was given|another key/ });
      }
    }
    assert.equal((await removeState({ dir, keys: 'all' })).keys.length, 2);
  });

  test('a folder that no kernel made holds nothing', async () => {
    const dir = join(root, 'none');
    assert.deepEqual(await listState({ dir }), { dir, usedBy: null, snapshots: [], agents: [], faults: [] });
    assert.deepEqual(await verifyState({ dir }), []);
    assert.deepEqual(await removeState({ dir, keys: 'all' }), { keys: [], bytes: 0 });
    await assert.rejects(showState({ dir, key: 'a' }), { code: 'notFound' });
    await assert.rejects(removeState({ dir, keys: ['a'] }), { code: 'notFound' });
    assert.deepEqual(await readdir(root), []);
  });
});
