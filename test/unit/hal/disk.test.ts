// The disk on real folders: what a path means, what is refused, what a swap between looking and opening does, and
// how a file is replaced.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  link,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createDisk, type Workspace } from '../../../src/hal/disk.js';
import type { ErrorCode } from '../../../src/shared/errors.js';

const maxBytes = 1024 * 1024;
const isWindows = process.platform === 'win32';
const isRoot = process.getuid?.() === 0;
/** Making links needs a privilege on Windows, and some kinds of files do not exist there. */
const onPosix = isWindows ? test.skip : test;

suite('disk', () => {
  let folder: string;
  let root: string;
  let outside: string;
  let workspace: Workspace;

  setup(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'disk-')));
    root = join(folder, 'workspace');
    outside = join(folder, 'outside');
    await mkdir(join(root, 'src'), { recursive: true });
    await mkdir(outside);
    await writeFile(join(root, 'src', 'a.ts'), 'inside');
    await writeFile(join(outside, 'a.ts'), 'secret');
    workspace = await createDisk().openWorkspace(root);
  });

  teardown(() => rm(folder, { recursive: true, force: true }));

  const text = async (path: string): Promise<string> =>
    Buffer.from(await workspace.readFile(await workspace.resolve(path), maxBytes)).toString();

  const refused = async (
    work: Promise<unknown>,
    code: ErrorCode,
    message: string | RegExp,
  ): Promise<void> => {
    await assert.rejects(work, { name: 'KernelError', code, message });
  };

  suite('realFolder', () => {
    test('gives the real path of a folder', async () => {
      assert.equal(await createDisk().realFolder(join(root, 'src', '..')), root);
    });

    test('refuses what is missing and what is no folder', async () => {
      const missing = join(folder, 'missing');
      const file = join(root, 'src', 'a.ts');
      const disk = createDisk();
      await refused(disk.realFolder(missing), 'badRequest', `the folder ${missing} does not exist`);
      await refused(disk.realFolder(file), 'badRequest', `${file} is not a folder`);
      await refused(disk.openWorkspace(missing), 'badRequest', /does not exist/);
    });
  });

  suite('resolve', () => {
    test('every spelling of a path means the same file', async () => {
      for (const path of ['src/a.ts', './src//a.ts', 'src/../src/./a.ts', join(root, 'src', 'a.ts')]) {
        const target = await workspace.resolve(path);
        assert.equal(target.relative, 'src/a.ts', path);
        assert.equal(target.real, join(root, 'src', 'a.ts'));
        assert.equal(target.kind, 'file');
        assert.equal(target.asked, path);
      }
    });

    test('the workspace itself is "."', async () => {
      for (const path of ['.', './', 'src/..', root]) {
        const { relative, kind } = await workspace.resolve(path);
        assert.deepEqual({ relative, kind }, { relative: '.', kind: 'folder' }, path);
      }
    });

    test('a path that leaves is outside, whether or not something is there', async () => {
      const leaving = ['..', '../outside/a.ts', 'src/../../outside/a.ts', '/', join(outside, 'a.ts')];
      for (const path of [...leaving, '../outside/missing', `${root}2`, relative(root, outside)]) {
        await refused(workspace.resolve(path), 'badRequest', `${path} is outside the workspace`);
      }
    });

    test('an empty path and a NUL are refused', async () => {
      await refused(workspace.resolve(''), 'badRequest', 'the path is empty');
      await refused(workspace.resolve('src/a.ts\0.png'), 'badRequest', 'the path holds a NUL character');
    });

    test('what is missing is not found', async () => {
      for (const path of ['b.ts', 'b/c.ts', 'src/a.ts/b', 'x'.repeat(5000), '-rf', '~/a', '%2e%2e/a']) {
        await refused(workspace.resolve(path), 'notFound', `${path} does not exist`);
      }
    });

    test('names that only look special are names', async () => {
      for (const name of ['..a', '...', 'a..b', ' ', 'ü', 'a b']) {
        await writeFile(join(root, name), name);
        assert.equal((await workspace.resolve(name)).relative, name);
        assert.equal(await text(name), name);
      }
    });

    onPosix('a link inside the workspace is followed, and the real path is told', async () => {
      await symlink('src', join(root, 'code'));
      await symlink('code/a.ts', join(root, 'b.ts'));
      assert.equal((await workspace.resolve('code/a.ts')).relative, 'src/a.ts');
      assert.equal((await workspace.resolve('b.ts')).relative, 'src/a.ts');
      assert.equal(await text('b.ts'), 'inside');
    });

    onPosix('a link to a file or folder outside is outside, also through a chain', async () => {
      await symlink(join(outside, 'a.ts'), join(root, 'file'));
      await symlink('../outside', join(root, 'folder'));
      await symlink('folder', join(root, 'src', 'chain'));
      await symlink('../folder', join(root, 'src', 'up'));
      for (const path of ['file', 'folder', 'folder/a.ts', 'src/up', 'src/up/a.ts']) {
        await refused(workspace.resolve(path), 'badRequest', `${path} is outside the workspace`);
      }
    });

    onPosix('a missing file behind a link that leaves is as much outside as one that is there', async () => {
      await symlink('../outside', join(root, 'folder'));
      for (const path of ['folder/missing', 'folder/missing/deeper']) {
        await refused(workspace.resolve(path), 'badRequest', `${path} is outside the workspace`);
      }
    });

    onPosix('a link in a circle and a link to nothing are told apart', async () => {
      await symlink('b', join(root, 'a'));
      await symlink('a', join(root, 'b'));
      await symlink('nothing', join(root, 'dangling'));
      await refused(workspace.resolve('a'), 'badRequest', 'a is a link that leads in a circle');
      await refused(workspace.resolve('dangling'), 'notFound', 'dangling does not exist');
    });

    onPosix('a workspace that is given through a link works, by either spelling', async () => {
      await symlink(root, join(folder, 'alias'));
      workspace = await createDisk().openWorkspace(join(folder, 'alias'));
      assert.equal(workspace.root, root);
      assert.equal((await workspace.resolve(join(folder, 'alias', 'src', 'a.ts'))).relative, 'src/a.ts');
      assert.equal((await workspace.resolve(join(root, 'src', 'a.ts'))).relative, 'src/a.ts');
    });

    onPosix('a hard link is a file like any other', async () => {
      await link(join(outside, 'a.ts'), join(root, 'hard.ts'));
      assert.equal(await text('hard.ts'), 'secret');
    });

    onPosix('the ways through /proc lead outside', async () => {
      if (process.platform !== 'linux') return;
      const links = { cwd: '/proc/self/cwd', rootfs: '/proc/self/root', env: '/proc/self/environ' };
      for (const [name, target] of Object.entries(links)) {
        await symlink(target, join(root, name));
        await refused(workspace.resolve(name), 'badRequest', `${name} is outside the workspace`);
      }
      await refused(workspace.resolve('rootfs/etc/passwd'), 'badRequest', /is outside the workspace$/);
      await refused(workspace.resolve('/proc/self/environ'), 'badRequest', /is outside the workspace$/);
    });

    onPosix('FIFOs and sockets are refused without waiting', async () => {
      execFileSync('mkfifo', [join(root, 'fifo')]);
      const server = createServer().listen(join(root, 'socket'));
      await new Promise((resolve) => server.once('listening', resolve));
      for (const path of ['fifo', 'socket']) {
        await refused(workspace.resolve(path), 'badRequest', `${path} is not a regular file`);
      }
      await new Promise((resolve) => server.close(resolve));
    });
  });

  suite('readFile', () => {
    test('gives the bytes as they are', async () => {
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
      await writeFile(join(root, 'bytes'), bytes);
      await writeFile(join(root, 'empty'), '');
      const read = await workspace.readFile(await workspace.resolve('bytes'), maxBytes);
      assert.deepEqual(Uint8Array.from(read), bytes);
      assert.equal(await text('empty'), '');
    });

    test('a folder is not read', async () => {
      await refused(text('src'), 'badRequest', 'src is a folder');
    });

    test('a file at the limit is read, and one byte more is refused', async () => {
      await writeFile(join(root, 'limit'), Buffer.alloc(maxBytes));
      assert.equal((await text('limit')).length, maxBytes);
      await appendFile(join(root, 'limit'), 'x');
      await refused(text('limit'), 'limitReached', 'limit is too large: 1.0 MB of at most 1.0 MB');
    });

    test('a file of a gigabyte is refused by its size, unread', async () => {
      await writeFile(join(root, 'huge'), '');
      await truncate(join(root, 'huge'), 1e9);
      const before = process.memoryUsage.rss();
      await refused(text('huge'), 'limitReached', 'huge is too large: 1.0 GB of at most 1.0 MB');
      assert.ok(process.memoryUsage.rss() - before < 50e6);
    });

    test('a file saved anew under its name is still that file', async () => {
      const target = await workspace.resolve('src/a.ts');
      await writeFile(join(root, 'new'), 'new');
      await rename(join(root, 'new'), target.real);
      assert.equal(Buffer.from(await workspace.readFile(target, maxBytes)).toString(), 'new');
    });

    onPosix('a file that grows while it is read ends within the limit', async () => {
      if (process.platform !== 'linux') return;
      // Says that it is empty, and is not: as good as growing.
      workspace = await createDisk().openWorkspace('/proc/self');
      assert.match(await text('status'), /^Name:/);
      await refused(
        workspace.readFile(await workspace.resolve('status'), 10),
        'limitReached',
        /^status is too large/,
      );
    });

    onPosix('a file swapped for a link after it was judged is not opened', async () => {
      const target = await workspace.resolve('src/a.ts');
      await unlink(target.real);
      await symlink(join(outside, 'a.ts'), target.real);
      await refused(
        workspace.readFile(target, maxBytes),
        'badRequest',
        'src/a.ts was moved while it was opened',
      );
    });

    onPosix('a folder swapped for a link after it was judged is not opened', async () => {
      const target = await workspace.resolve('src/a.ts');
      await rename(join(root, 'src'), join(root, 'old'));
      await symlink(outside, join(root, 'src'));
      await refused(
        workspace.readFile(target, maxBytes),
        'badRequest',
        'src/a.ts was moved while it was opened',
      );
    });

    onPosix('a file swapped for a FIFO or a folder is refused without waiting', async () => {
      const target = await workspace.resolve('src/a.ts');
      await unlink(target.real);
      execFileSync('mkfifo', [target.real]);
      await refused(workspace.readFile(target, maxBytes), 'badRequest', 'src/a.ts is not a regular file');
      await unlink(target.real);
      await mkdir(target.real);
      await refused(workspace.readFile(target, maxBytes), 'badRequest', 'src/a.ts is a folder');
    });

    onPosix('a file that vanished meanwhile does not exist', async () => {
      const target = await workspace.resolve('src/a.ts');
      await unlink(target.real);
      await refused(workspace.readFile(target, maxBytes), 'notFound', 'src/a.ts does not exist');
    });

    onPosix('no race of swaps ever reads what lies outside', async () => {
      const [file, aside, src] = [join(root, 'src', 'a.ts'), join(root, 'aside'), join(root, 'src')];
      const swaps = [
        {
          place: () => rename(file, aside).then(() => symlink(join(outside, 'a.ts'), file)),
          restore: () => rename(aside, file),
        },
        {
          place: () => rename(src, aside).then(() => symlink(outside, src)),
          restore: () => unlink(src).then(() => rename(aside, src)),
        },
      ];
      for (const { place, restore } of swaps) {
        const seen = { inside: 0, refused: 0 };
        for (let round = 0; round < 150; round++) {
          const target = await workspace.resolve('src/a.ts');
          const placed = place();
          await sleep(Math.random() < 0.5 ? 0 : 1);
          const [bytes] = await Promise.allSettled([workspace.readFile(target, maxBytes), placed]);
          const content = bytes.status === 'fulfilled' ? Buffer.from(bytes.value).toString() : 'refused';
          assert.ok(content === 'inside' || content === 'refused', content);
          seen[content]++;
          await restore();
        }
        assert.ok(seen.refused > 0, 'there was no race, which proves nothing');
      }
    });

    onPosix('what this user may not read is said so', async function () {
      if (isRoot) this.skip();
      await chmod(join(root, 'src', 'a.ts'), 0);
      await refused(text('src/a.ts'), 'badRequest', 'src/a.ts is not accessible to this user');
    });
  });

  suite('readFolder', () => {
    const entries = async (path: string, max = 100) =>
      (await workspace.readFolder(await workspace.resolve(path), max)).map(({ name, kind }) => [name, kind]);

    onPosix('gives every entry with its kind, sorted by code unit', async () => {
      for (const name of ['b', 'B', 'a10', 'a2', 'é', '_']) await writeFile(join(root, name), '');
      await symlink(outside, join(root, 'link'));
      execFileSync('mkfifo', [join(root, 'fifo')]);
      assert.deepEqual(await entries('.'), [
        ['B', 'file'],
        ['_', 'file'],
        ['a10', 'file'],
        ['a2', 'file'],
        ['b', 'file'],
        ['fifo', 'other'],
        ['link', 'link'],
        ['src', 'folder'],
        ['é', 'file'],
      ]);
    });

    test('a file is not listed', async () => {
      await refused(entries('src/a.ts'), 'badRequest', 'src/a.ts is a file, not a folder');
    });

    test('a folder beyond the limit is refused', async () => {
      for (const name of ['b', 'c', 'd']) await writeFile(join(root, 'src', name), '');
      assert.equal((await entries('src', 4)).length, 4);
      await refused(entries('src', 3), 'limitReached', 'src holds more than 3 entries');
    });

    onPosix('a folder swapped for a link after it was judged is not opened', async () => {
      const target = await workspace.resolve('src');
      await rename(join(root, 'src'), join(root, 'old'));
      await symlink(outside, join(root, 'src'));
      await refused(workspace.readFolder(target, 100), 'badRequest', 'src was moved while it was opened');
      await mkdir(join(outside, 'deep'));
      const deep = { ...target, real: join(root, 'src', 'deep') };
      await refused(workspace.readFolder(deep, 100), 'badRequest', 'src was moved while it was opened');
    });
  });

  suite('replaceFile', () => {
    const replace = async (path: string, content: string, expected: string): Promise<void> =>
      workspace.replaceFile(await workspace.resolve(path), Buffer.from(content), Buffer.from(expected));

    const contentOf = (path: string) => readFile(join(root, path), 'utf8');

    test('replaces the content and leaves nothing beside it', async () => {
      await replace('src/a.ts', 'changed and longer', 'inside');
      assert.equal(await contentOf('src/a.ts'), 'changed and longer');
      await replace('src/a.ts', '', 'changed and longer');
      await replace('src/a.ts', 'again', '');
      assert.deepEqual(await readdir(join(root, 'src')), ['a.ts']);
    });

    test('a file that is no longer what was read stays as it is', async () => {
      for (const now of ['insidE', 'inside and more', '']) {
        await writeFile(join(root, 'src', 'a.ts'), now);
        await refused(replace('src/a.ts', 'mine', 'inside'), 'badRequest', 'src/a.ts changed meanwhile');
        assert.equal(await contentOf('src/a.ts'), now);
      }
      assert.deepEqual(await readdir(join(root, 'src')), ['a.ts']);
    });

    onPosix('keeps the mode', async () => {
      for (const mode of [0o755, 0o640, 0o666]) {
        await chmod(join(root, 'src', 'a.ts'), mode);
        await replace('src/a.ts', 'inside', 'inside');
        assert.equal((await stat(join(root, 'src', 'a.ts'))).mode & 0o777, mode);
      }
    });

    onPosix('keeps the owner where this user may', async function () {
      if (!isRoot) this.skip();
      execFileSync('chown', ['1234:2345', join(root, 'src', 'a.ts')]);
      await replace('src/a.ts', 'changed', 'inside');
      const { uid, gid } = await stat(join(root, 'src', 'a.ts'));
      assert.deepEqual([uid, gid], [1234, 2345]);
    });

    onPosix('is never written through to another name of the file', async () => {
      await link(join(outside, 'a.ts'), join(root, 'hard.ts'));
      await replace('hard.ts', 'changed', 'secret');
      assert.equal(await readFile(join(outside, 'a.ts'), 'utf8'), 'secret');
      assert.equal(await contentOf('hard.ts'), 'changed');
    });

    onPosix('through a link it changes the file and keeps the link', async () => {
      await symlink('src/a.ts', join(root, 'b.ts'));
      await replace('b.ts', 'changed', 'inside');
      assert.equal(await contentOf('src/a.ts'), 'changed');
      assert.equal(await realpath(join(root, 'b.ts')), join(root, 'src', 'a.ts'));
    });

    onPosix('a swap after the path was judged changes nothing outside', async () => {
      const target = await workspace.resolve('src/a.ts');
      const [bytes, expected] = [Buffer.from('mine'), Buffer.from('secret')];
      const deep = { ...target, real: join(root, 'src', 'deep', 'a.ts') };
      await mkdir(join(outside, 'deep'));
      await writeFile(join(outside, 'deep', 'a.ts'), 'secret');
      await unlink(target.real);
      await symlink(join(outside, 'a.ts'), target.real);
      await refused(workspace.replaceFile(target, bytes, expected), 'badRequest', /was moved while/);
      await rename(join(root, 'src'), join(root, 'old'));
      await symlink(outside, join(root, 'src'));
      await refused(workspace.replaceFile(target, bytes, expected), 'badRequest', /was moved while/);
      await refused(workspace.replaceFile(deep, bytes, expected), 'badRequest', /was moved while/);
      for (const path of [outside, join(outside, 'deep')]) {
        assert.equal(await readFile(join(path, 'a.ts'), 'utf8'), 'secret');
      }
      assert.deepEqual(await readdir(join(outside, 'deep')), ['a.ts']);
    });

    test('a folder is not replaced', async () => {
      await refused(replace('src', '', ''), 'badRequest', 'src is a folder');
    });

    onPosix('a read-only file is refused', async function () {
      if (isRoot) this.skip();
      await chmod(join(root, 'src', 'a.ts'), 0o444);
      await refused(replace('src/a.ts', 'x', 'inside'), 'badRequest', /not accessible to this user$/);
    });
  });
});
