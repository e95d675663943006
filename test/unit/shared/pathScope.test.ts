// Path patterns against a slow and obvious reading of them, and the paths that no wide right to change reaches.
import assert from 'node:assert/strict';
import { covers } from '../../../src/shared/capability.js';
import { guardedNames, quotePath } from '../../../src/shared/pathScope.js';
import { seededRandom } from '../hal/unreliableDisk.js';

/** What a scope means, by trying everything. */
function means(scope: readonly string[], path: readonly string[]): boolean {
  const [part, ...parts] = scope;
  const [name, ...names] = path;
  if (part === undefined) return path.length === 0;
  if (part === '**') return means(parts, path) || (name !== undefined && means(scope, names));
  return name !== undefined && meansName(part, name) && means(parts, names);
}

function meansName(pattern: string, name: string): boolean {
  const first = pattern[0];
  if (first === undefined) return name === '';
  if (first === '*')
    return meansName(pattern.slice(1), name) || (name !== '' && meansName(pattern, name.slice(1)));
  return name !== '' && (first === '?' || first === name[0]) && meansName(pattern.slice(1), name.slice(1));
}

function reference(scope: string, path: string): boolean {
  const parts = scope.split('/');
  while (parts.at(-1) === '**') parts.pop();
  const isPattern = parts.some((part) => part === '**' || /[*?]/.test(part));
  if (isPattern) return means(parts, path.split('/'));
  return parts.every((part, index) => part === path.split('/')[index]);
}

suite('scopes of files', () => {
  test('20,000 random patterns mean what they say', () => {
    const next = seededRandom(7);
    const random = (below: number): number => Math.floor(next() * below);
    const name = (letters: string): string =>
      Array.from({ length: 1 + random(3) }, () => letters[random(letters.length)]).join('');
    const part = (): string => (random(4) === 0 ? '**' : name('ab*?'));
    let covered = 0;
    for (let round = 0; round < 20_000; round++) {
      const scope = Array.from({ length: 1 + random(4) }, part).join('/');
      const path = Array.from({ length: 1 + random(4) }, () => name('ab')).join('/');
      const expected = reference(scope, path);
      assert.equal(
        covers({ capability: 'fs.read', scope }, { capability: 'fs.read', path }),
        expected,
        `${scope} ${path}`,
      );
      covered += Number(expected);
    }
    assert.ok(covered > 1000, 'both answers occur');
  });

  test('a quoted path covers itself and nothing else of its folder', () => {
    for (const path of [
      'a*',
      '?',
      '**',
      'a\\b',
      'a\\*',
      '[ab]',
      '{a,b}',
      '!a',
      'x/**/y',
      'ü*\u200d',
      'a\\',
    ]) {
      const spec = { capability: 'fs.read', scope: quotePath(path) } as const;
      assert.ok(covers(spec, { capability: 'fs.read', path }), path);
      assert.ok(!covers(spec, { capability: 'fs.read', path: `${path}b` }), path);
      assert.ok(!covers(spec, { capability: 'fs.read', path: `b${path}` }), path);
    }
  });

  test('a hostile name costs no more than its length', () => {
    const scope = `${'*a'.repeat(40)}b`;
    const start = performance.now();
    assert.ok(!covers({ capability: 'fs.read', scope }, { capability: 'fs.read', path: 'a'.repeat(4000) }));
    assert.ok(
      !covers(
        { capability: 'fs.read', scope: `${'**/a/'.repeat(40)}b` },
        { capability: 'fs.read', path: 'a/'.repeat(2000) + 'c' },
      ),
    );
    assert.ok(performance.now() - start < 1000);
  });

  const guarded = [
    ...[
      '.vscode/settings.json',
      '.VSCode/tasks.json',
      'a/.git/hooks/pre-commit',
      '.GIT/config',
      'GIT~1/config',
    ],
    ...[
      '.g\u200cit/hooks/x',
      '.git./config',
      'x.code-workspace',
      'X.CODE-WORKSPACE',
      'a/b/package.json',
      '.envrc',
    ],
    ...[
      '.husky/pre-push',
      '.devcontainer/devcontainer.json',
      '.github/workflows/ci.yml',
      'PACKAGE.JSON ',
      '.npmrc',
    ],
  ];
  for (const path of guarded) {
    test(`no wide right to change covers ${JSON.stringify(path)}`, () => {
      const access = { capability: 'fs.write', path } as const;
      const folder = path.includes('/') ? path.slice(0, path.indexOf('/')) : '.';
      for (const scope of ['.', '**', '**/*', '*/**', '*', '**/config', '*/settings.json', '**/*.json']) {
        assert.ok(!covers({ capability: 'fs.write', scope }, access), scope);
      }
      assert.ok(covers({ capability: 'fs.write', scope: quotePath(path) }, access), 'its own name does');
      assert.ok(
        covers({ capability: 'fs.read', scope: '.' }, { capability: 'fs.read', path }),
        'reading is free',
      );
      assert.ok(guardedNames(path.split('/')) > 0, folder);
    });
  }

  test('what only looks alike is not guarded', () => {
    for (const path of [
      'src/vscode/a.ts',
      'git/config',
      'docs/package.json.md',
      '.gitignore',
      'a.git/x',
      'src/settings.json',
    ]) {
      assert.ok(covers({ capability: 'fs.write', scope: '.' }, { capability: 'fs.write', path }), path);
    }
  });
});
