// Who may do what: the rule is pure, and every doubt is a no.
import assert from 'node:assert/strict';
import {
  covers,
  grantSpecSchema,
  parseGrantSpec,
  scopeOf,
  type Access,
  type Capability,
} from '../../../src/shared/capability.js';

const file = (capability: 'fs.read' | 'fs.write', path: string): Access => ({ capability, path });
const command = (...argv: string[]): Access => ({ capability: 'process.run', argv });

suite('capability', () => {
  const cases: readonly [Capability, string, Access, boolean, string][] = [
    ['fs.read', 'src', file('fs.read', 'src/a.ts'), true, 'a folder covers what is below it'],
    ['fs.read', 'src', file('fs.read', 'src'), true, 'a folder covers itself'],
    ['fs.read', './src/', file('fs.read', 'src/a.ts'), true, 'dots and a last slash say nothing'],
    ['fs.read', '.', file('fs.read', 'a/b/c'), true, 'a dot is the whole workspace'],
    ['fs.read', '.', file('fs.read', '.'), true, 'and its root'],
    ['fs.read', 'src', file('fs.read', '.'), false, 'a part does not cover the whole'],
    ['fs.read', 'src', file('fs.read', 'src2/a.ts'), false, 'names are compared whole'],
    ['fs.read', 'src/a.ts', file('fs.read', 'src/a.tsx'), false, 'to the last character'],
    ['fs.read', 'SRC', file('fs.read', 'src'), false, 'and in their case'],
    [
      'fs.read',
      'src',
      file('fs.read', 'src/../secret'),
      false,
      'a path that is not resolved is in no folder',
    ],
    ['fs.read', '.', file('fs.read', '../secret'), false, 'nor in the workspace'],
    ['fs.read', '.', file('fs.read', '/etc/passwd'), false, 'nor an absolute one'],
    ['fs.read', '/', file('fs.read', 'a.ts'), false, 'the root of the file system is not the workspace'],
    ['fs.read', '/src', file('fs.read', 'src/a.ts'), false, 'an absolute scope covers nothing'],
    ['fs.read', '..', file('fs.read', 'a.ts'), false, 'a scope outside covers nothing'],
    ['fs.read', 'src/..', file('fs.read', 'a.ts'), false, 'not even by a detour'],
    ['fs.read', '', file('fs.read', 'a.ts'), false, 'an empty scope covers nothing'],
    ['fs.write', 'src', file('fs.read', 'src/a.ts'), true, 'writing includes reading'],
    ['fs.read', 'src', file('fs.write', 'src/a.ts'), false, 'reading does not include writing'],
    ['fs.write', '.', command('ls'), false, 'files are not commands'],
    ['process.run', '*', file('fs.read', 'a.ts'), false, 'and commands are not files'],
    ['process.run', 'npm test', command('npm', 'test'), true, 'exactly these words'],
    ['process.run', 'npm test', command('npm', 'test', '--fix'), false, 'and no more'],
    ['process.run', 'npm test', command('npm test'), false, 'one word is not two'],
    ['process.run', 'npm *', command('npm', 'run', 'x'), true, 'a last star covers further words'],
    ['process.run', 'npm *', command('npm'), true, 'or none'],
    ['process.run', 'npm *', command('npx', 'x'), false, 'of the same program'],
    ['process.run', '*', command('anything', 'at all'), true, 'a star alone is any command'],
    ['process.run', 'ls "*"', command('ls', '*'), true, 'a quoted star is a word'],
    ['process.run', 'ls "*"', command('ls', '-la'), false, 'and covers nothing else'],
    ['process.run', '"*"', command('ls'), false, 'not alone either'],
    ['process.run', '* x', command('ls', 'x'), false, 'a star elsewhere is a word'],
    ['process.run', 'npm test "', command('npm', 'test'), false, 'an open quote covers nothing'],
    ['process.run', "npm 'test", command('npm', 'test'), false, 'of either kind'],
    ['process.run', '', command('ls'), false, 'an empty scope covers no command'],
    [
      'process.run',
      'git commit -m "a b"',
      command('git', 'commit', '-m', 'a b'),
      true,
      'quotes hold together',
    ],
  ];
  for (const [capability, scope, access, expected, fact] of cases) {
    test(`${capability}:${scope} ${expected ? 'covers' : 'does not cover'} ${scopeOf(access)}: ${fact}`, () => {
      assert.equal(covers({ capability, scope }, access), expected);
    });
  }

  test('the scope of an access covers that access and nothing like it', () => {
    const words = ['x', '*', 'a b', '', '"', "'", `a"b'c`, `"'"'`, ' ', '\t', '$(x)', '`', 'ü', '\n'];
    for (const first of words) {
      for (const second of words) {
        const scope = scopeOf(command('run', first, second));
        const spec = { capability: 'process.run', scope } as const;
        assert.ok(covers(spec, command('run', first, second)), scope);
        assert.ok(!covers(spec, command('run', first, second, 'more')), scope);
        assert.ok(!covers(spec, command('run', first, `${second}x`)), scope);
        assert.ok(!covers(spec, command('run', first)), scope);
      }
    }
  });

  test('a grant is read from its text', () => {
    assert.deepEqual(parseGrantSpec('fs.read:./src/'), { capability: 'fs.read', scope: 'src' });
    assert.deepEqual(parseGrantSpec('fs.write:.'), { capability: 'fs.write', scope: '.' });
    assert.deepEqual(parseGrantSpec('process.run: npm test '), {
      capability: 'process.run',
      scope: 'npm test',
    });
    assert.deepEqual(parseGrantSpec('process.run:node a:b'), {
      capability: 'process.run',
      scope: 'node a:b',
    });
  });

  const faults: readonly [string, RegExp][] = [
    ['', /CAPABILITY:SCOPE/],
    ['fs.read', /CAPABILITY:SCOPE/],
    ['fs.read:', /CAPABILITY:SCOPE/],
    ['fs.read:  ', /CAPABILITY:SCOPE/],
    [':src', /CAPABILITY:SCOPE/],
    ['fs.delete:src', /unknown capability "fs.delete"/],
    ['fs.read:/etc', /inside the workspace/],
    ['fs.read:..', /inside the workspace/],
    ['fs.read:src/../..', /inside the workspace/],
    ['fs.read:C:\\Users', /inside the workspace/],
    ['fs.read:a\0b', /inside the workspace/],
    ['process.run:npm "test', /quote that is not closed/],
  ];
  for (const [text, message] of faults) {
    test(`${JSON.stringify(text)} is refused by name`, () => {
      assert.throws(() => parseGrantSpec(text), { code: 'badRequest', message });
    });
  }

  test('a client cannot send a grant that parseGrantSpec would refuse', () => {
    for (const scope of ['/', '/etc', '..', 'a/../..', '']) {
      assert.equal(grantSpecSchema.safeParse({ capability: 'fs.read', scope }).success, false, scope);
    }
    assert.equal(grantSpecSchema.safeParse({ capability: 'process.run', scope: 'a "b' }).success, false);
    assert.equal(grantSpecSchema.safeParse({ capability: 'fs.write', scope: '.' }).success, true);
    assert.equal(grantSpecSchema.safeParse({ capability: 'process.run', scope: '*' }).success, true);
  });
});
