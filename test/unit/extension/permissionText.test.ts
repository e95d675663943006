import assert from 'node:assert/strict';
import { defuseIcons, defuseLinks, shownScopesOf, wishOf } from '../../../src/extension/permissionText.js';
import type { Access } from '../../../src/shared/capability.js';
import type { PermissionRequest } from '../../../src/shared/protocol.js';

const plain = { nameIsShared: false, showsAbsolutePath: false };

const requestFor = (access: Access, target: string): PermissionRequest => ({
  pid: 7,
  agent: 'scout',
  task: 'find it',
  tool: 'read_file',
  access,
  target,
});

const read = (path: string): Access => ({ capability: 'fs.read', path });
const command = (...argv: string[]): Access => ({ capability: 'process.run', argv });

suite('the text of a permission prompt', () => {
  const cases: [string, Access, string, string][] = [
    ['a read', read('src/parser.ts'), '/w/src/parser.ts', 'scout wants to read src/parser.ts'],
    ['a change', { capability: 'fs.write', path: 'a.ts' }, '/w/a.ts', 'scout wants to change a.ts'],
    ['the whole folder', read('.'), '/w', 'scout wants to read the workspace folder (/w)'],
    ['a command', command('npm', 'test'), '/bin/npm test', 'scout wants to run npm test (/bin/npm test)'],
    ['a word with a blank', command('echo', 'a b'), 'echo "a b"', 'scout wants to run echo "a b"'],
    [
      'a path that turns the text around',
      read('a\u202Ets.exe'),
      '/w/x',
      'scout wants to read a\\u{202e}ts.exe',
    ],
    ['a path of two lines', read('a\nAllow'), '/w/x', 'scout wants to read a\\u{0a}Allow'],
  ];
  for (const [name, access, target, expected] of cases) {
    test(`${name} reads "${expected}"`, () => {
      const wish = wishOf(requestFor(access, target), plain);
      assert.equal(wish.text, expected);
      assert.equal(wish.isCut, false);
    });
  }

  test('agents of one name are told apart by their number', () => {
    const wish = wishOf(requestFor(read('a.ts'), '/w/a.ts'), { ...plain, nameIsShared: true });
    assert.equal(wish.text, 'scout (7) wants to read a.ts');
  });

  test('among several folders the absolute path is shown', () => {
    const wish = wishOf(requestFor(read('a.ts'), '/w/a.ts'), { ...plain, showsAbsolutePath: true });
    assert.equal(wish.text, 'scout wants to read /w/a.ts');
  });

  test('a wish too long for a notification is marked as cut, so that it is not allowed unread', () => {
    const wish = wishOf(requestFor(command('sh', '-c', 'x'.repeat(2000)), '/bin/sh'), plain);
    assert.equal(wish.isCut, true);
    assert.ok(wish.notification.length < 700);
    assert.ok(wish.text.length > 2000);
  });

  test('a wish that grows too long by its escapes is cut as well', () => {
    const wish = wishOf(requestFor(read(']('.repeat(250)), '/w/x'), plain);
    assert.equal(wish.isCut, true);
    assert.ok(wish.notification.length < 700);
  });

  test('a file name cannot become a link or an icon', () => {
    const wish = wishOf(requestFor(read('[ok](command:evil)'), '/w/x'), plain);
    assert.equal(wish.notification, 'scout wants to read [ok]\\u{28}command:evil)');
    assert.equal(defuseLinks('[a](b) [c](d)'), '[a]\\u{28}b) [c]\\u{28}d)');
    assert.equal(defuseIcons('$(check) ok'), '\\$(check) ok');
  });
});

test('scopes are offered under labels that hide nothing and draw nothing', () => {
  const labels = shownScopesOf(read('$(check)/a\u202E.ts')).map(({ label }) => label);
  assert.deepEqual(labels.slice(0, 3), ['\\$(check)/a\\u{202e}.ts', '\\$(check)/**/*.ts', '\\$(check)/**']);
});
