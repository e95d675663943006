// Paths as tools write them, by the rules of either platform.

import assert from 'node:assert/strict';
import { posix, win32 } from 'node:path';
import { namesBelow, relativeTo } from '../../../src/hal/workspacePath.js';

suite('workspacePath', () => {
  test('names on Windows are parted by either separator', () => {
    const names = (path: string) => namesBelow(path, ['C:\\work'], win32);
    assert.deepEqual(names('src\\a.ts'), ['src', 'a.ts']);
    assert.deepEqual(names('src/a.ts'), ['src', 'a.ts']);
    assert.deepEqual(names('.\\src/..\\lib'), ['lib']);
    assert.deepEqual(names('C:\\work\\src\\a.ts'), ['src', 'a.ts']);
    assert.deepEqual(names('c:/WORK/src'), ['src']);
  });

  test('drives, shares, streams and devices of Windows are outside', () => {
    const paths = [
      ...['D:\\a', 'C:\\', 'C:a', 'D:a', 'a.ts:stream', 'a::$DATA', '\\a', '/a'],
      ...['\\\\server\\share\\a', '//server/share/a', '\\\\?\\C:\\work\\a', '\\\\.\\NUL', '\\\\.\\pipe\\x'],
      ...['NUL', 'nul.txt', 'src\\con', 'COM1', 'lpt9.log', 'AUX .txt', 'CONOUT$', 'com¹', 'prn.tar.gz'],
      ...['..', 'src\\..\\..\\a', '..\\work2'],
    ];
    for (const path of paths) {
      assert.throws(() => namesBelow(path, ['C:\\work'], win32), { code: 'badRequest' }, path);
    }
  });

  test('names that only begin like a device are names', () => {
    for (const name of ['console.ts', 'null', 'com', 'com10', 'auxiliary', 'a.nul']) {
      assert.deepEqual(namesBelow(name, ['C:\\work'], win32), [name]);
    }
    assert.deepEqual(namesBelow('nul/a:b\\c', ['/work'], posix), ['nul', 'a:b\\c']);
  });

  test('a relative path has `/` on every platform', () => {
    assert.equal(relativeTo('C:\\work', 'C:\\work\\src\\a.ts', win32), 'src/a.ts');
    assert.equal(relativeTo('/work', '/work/src/a.ts', posix), 'src/a.ts');
    assert.equal(relativeTo('/work', '/work', posix), '.');
    assert.equal(relativeTo('/', '/etc', posix), 'etc');
  });

  test('what is beside the root is not below it', () => {
    assert.equal(relativeTo('/work', '/work2/a', posix), undefined);
    assert.equal(relativeTo('/work', '/', posix), undefined);
    assert.equal(relativeTo('C:\\work', 'D:\\work\\a', win32), undefined);
    assert.equal(relativeTo('/work', '/work/..a', posix), '..a');
  });
});
