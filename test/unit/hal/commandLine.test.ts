// How a command is found and started, by the rules of either platform.

import assert from 'node:assert/strict';
import { posix, win32 } from 'node:path';
import { commandEnvironment, invocationOf, isPathLike, programPaths } from '../../../src/hal/commandLine.js';

suite('commandLine', () => {
  test('a command gets what programs need, and no secret', () => {
    const own = {
      PATH: '/bin',
      HOME: '/home/a',
      LANG: 'C.UTF-8',
      LC_TIME: 'C',
      TZ: 'UTC',
      GITHUB_TOKEN: 'x',
      SSH_AUTH_SOCK: 'x',
      HTTPS_PROXY: 'http://user:secret@host',
      NODE_OPTIONS: 'x',
      LD_PRELOAD: 'x',
      TERM: 'xterm',
      path: 'lower case is another name here',
      USER: undefined,
    };
    assert.deepEqual(commandEnvironment(own, posix), {
      ...{ PATH: '/bin', HOME: '/home/a', LANG: 'C.UTF-8', LC_TIME: 'C', TZ: 'UTC' },
      ...{ TERM: 'dumb', NO_COLOR: '1' },
    });
  });

  test('on Windows names count in upper and lower case alike', () => {
    const own = { Path: 'C:\\bin', SystemRoot: 'C:\\Windows', ComSpec: 'C:\\cmd.exe', Secret: 'x' };
    const { Secret: _, ...kept } = own;
    assert.deepEqual(commandEnvironment(own, win32), { ...kept, TERM: 'dumb', NO_COLOR: '1' });
  });

  test('a name is looked for in the absolute folders of PATH, a path stands for itself', () => {
    const environment = { PATH: '/usr/bin::.:bin:/bin' };
    assert.deepEqual(programPaths('git', environment, posix), ['/usr/bin/git', '/bin/git']);
    assert.deepEqual(programPaths('./git', environment, posix), ['./git']);
    assert.deepEqual(programPaths('git', {}, posix), []);
  });

  test('on Windows the endings of programs are tried', () => {
    const environment = { Path: 'C:\\bin;bin', PathExt: '.EXE;.CMD' };
    assert.deepEqual(programPaths('npm', environment, win32), ['C:\\bin\\npm.exe', 'C:\\bin\\npm.cmd']);
    assert.deepEqual(programPaths('npm.cmd', environment, win32), ['C:\\bin\\npm.cmd']);
    assert.deepEqual(programPaths('.\\a', environment, win32), ['.\\a.exe', '.\\a.cmd']);
  });

  test('what holds a separator or a drive is a path', () => {
    assert.deepEqual(
      ['git', 'a/b', 'a\\b', 'C:git'].map((word) => isPathLike(word, win32)),
      [false, true, true, true],
    );
    assert.deepEqual(
      ['git', 'a/b', 'a\\b', 'C:git'].map((word) => isPathLike(word, posix)),
      [false, true, false, false],
    );
  });

  test('words reach a program as they are', () => {
    const argv = ['git', 'log', '%PATH%', 'a & b'];
    const expected = { file: '/bin/git', argv, verbatim: false };
    assert.deepEqual(invocationOf('/bin/git', argv, {}, posix), expected);
    assert.deepEqual(invocationOf('/bin/a.cmd', argv, {}, posix), { ...expected, file: '/bin/a.cmd' });
  });

  test('a batch file goes through the command interpreter, quoted', () => {
    const environment = { SystemRoot: 'D:\\Windows', ComSpec: 'C:\\evil.exe' };
    assert.deepEqual(invocationOf('C:\\node js\\npm.CMD', ['npm', 'run', 'a b'], environment, win32), {
      file: 'D:\\Windows\\System32\\cmd.exe',
      argv: [
        'D:\\Windows\\System32\\cmd.exe',
        '/d',
        '/v:off',
        '/s',
        '/c',
        '""C:\\node js\\npm.CMD" "run" "a b""',
      ],
      verbatim: true,
    });
  });

  test('a word that the interpreter would read as a command is refused', () => {
    for (const word of ['a&b', '%PATH%', '"', 'a|b', 'a>b', '^', '!a!', 'a\nb', '(a)']) {
      assert.throws(
        () => invocationOf('C:\\npm.cmd', ['npm', word], {}, win32),
        { code: 'badRequest' },
        word,
      );
    }
    assert.throws(() => invocationOf('C:\\a&b\\npm.cmd', ['npm'], {}, win32), { code: 'badRequest' });
  });
});
