// The folder where kernels are found: who may look into it, and that nothing is left behind.

import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openRuntimeFolder } from '../../../src/hal/runtimeFolder.js';

suite('the runtime folder', () => {
  let root: string;
  setup(async () => {
    root = await mkdtemp(join(tmpdir(), 'amk-runtime-'));
  });
  teardown(() => rm(root, { recursive: true, force: true }));

  const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;
  const onUnix = process.platform === 'win32' ? test.skip : test;

  onUnix('is made with its parents, and files in it are for this user alone', async () => {
    const path = join(root, 'a', 'b');
    const folder = await openRuntimeFolder(path);
    await folder.publish('1.json', 'one');
    assert.deepEqual([await modeOf(path), await modeOf(join(path, '1.json'))], [0o700, 0o600]);
    assert.equal(await readFile(join(path, '1.json'), 'utf8'), 'one');
    await folder.publish('1.json', 'two');
    assert.equal(await readFile(join(path, '1.json'), 'utf8'), 'two');
    folder.dispose();
    assert.deepEqual(await readdir(path), []);
  });

  onUnix('is closed to others where it was open', async () => {
    await chmod(root, 0o755);
    (await openRuntimeFolder(root)).dispose();
    assert.equal(await modeOf(root), 0o700);
  });

  onUnix('is refused when it is a link, which another user may have made', async () => {
    await symlink(tmpdir(), join(root, 'link'));
    await assert.rejects(openRuntimeFolder(join(root, 'link')), { code: 'denied' });
  });

  test('is refused when it is a file', async () => {
    await writeFile(join(root, 'file'), '');
    await assert.rejects(openRuntimeFolder(join(root, 'file')), /EEXIST/);
  });

  onUnix('a socket lies in it, in the place of one that a dead process left', async () => {
    await writeFile(join(root, '1.sock'), '');
    const folder = await openRuntimeFolder(root);
    const path = await folder.socketPath('1.sock');
    assert.equal(path, join(root, '1.sock'));
    assert.deepEqual(await readdir(root), []);
    folder.dispose();
  });

  onUnix('a socket whose path would be too long lies in a private temporary folder', async () => {
    const deep = join(root, 'x'.repeat(60), 'y'.repeat(60));
    const folder = await openRuntimeFolder(deep);
    const path = await folder.socketPath('1.sock');
    assert.ok(Buffer.byteLength(path) <= 103, path);
    assert.equal(await modeOf(dirname(path)), 0o700);
    folder.dispose();
    await assert.rejects(stat(dirname(path)), { code: 'ENOENT' });
  });

  test('takes nothing more once it is disposed', async () => {
    const folder = await openRuntimeFolder(root);
    folder.dispose();
    folder.dispose();
    await assert.rejects(folder.publish('1.json', 'late'), { code: 'cancelled' });
    assert.deepEqual(await readdir(root), []);
  });
});
