// Scopes offered to a person: each covers what was asked for and means what its label says.

import assert from 'node:assert/strict';
import { covers, type Access } from '../../../src/shared/capability.js';
import { scopeChoicesOf } from '../../../src/shared/scopeChoices.js';

suite('the scopes a person is offered', () => {
  const cases: [string, Access, [string, string][]][] = [
    [
      'a file in a folder',
      { capability: 'fs.write', path: 'src/deep/a.ts' },
      [
        ['src/deep/a.ts', 'src/deep/a.ts'],
        ['src/deep/**/*.ts', 'src/deep/**/*.ts'],
        ['src/deep/**', 'src/deep'],
        ['whole workspace', '.'],
      ],
    ],
    [
      'a file whose name holds wildcards',
      { capability: 'fs.read', path: 'a*b/c?.ts' },
      [
        ['a*b/c?.ts', 'a\\*b/c\\?.ts'],
        ['a*b/**/*.ts', 'a\\*b/**/*.ts'],
        ['a*b/**', 'a\\*b'],
        ['whole workspace', '.'],
      ],
    ],
    [
      'a change of what decides which programs run',
      { capability: 'fs.write', path: '.vscode/settings.json' },
      [
        ['.vscode/settings.json', '.vscode/settings.json'],
        ['.vscode/**/*.json', '.vscode/**/*.json'],
        ['.vscode/**', '.vscode'],
      ],
    ],
    [
      'a change of a file with scripts',
      { capability: 'fs.write', path: 'packages/a/package.json' },
      [['packages/a/package.json', 'packages/a/package.json']],
    ],
    [
      'a command that runs another one',
      { capability: 'process.run', argv: ['find', '.', '-exec', 'rm', '{}', '+'] },
      [
        ['find . -exec rm {} +', 'find . -exec rm {} +'],
        ['find . -exec rm {} + …', 'find . -exec rm {} + *'],
      ],
    ],
    [
      'a file at the top',
      { capability: 'fs.read', path: 'a.ts' },
      [
        ['a.ts', 'a.ts'],
        ['whole workspace', '.'],
      ],
    ],
    ['the workspace', { capability: 'fs.read', path: '.' }, [['whole workspace', '.']]],
    [
      'a command',
      { capability: 'process.run', argv: ['npm', 'test'] },
      [
        ['npm test', 'npm test'],
        ['npm test …', 'npm test *'],
      ],
    ],
    [
      'a command whose argument is a star',
      { capability: 'process.run', argv: ['rm', '*'] },
      [
        ['rm "*"', 'rm "*"'],
        ['rm "*" …', 'rm "*" *'],
      ],
    ],
    [
      'a command full of quotes',
      { capability: 'process.run', argv: ['echo', `'"`, ''] },
      [
        [`echo "'"'"' ""`, `echo "'"'"' ""`],
        [`echo "'"'"' "" …`, `echo "'"'"' "" *`],
      ],
    ],
  ];
  for (const [name, access, expected] of cases) {
    test(name, () => {
      const choices = scopeChoicesOf(access);
      assert.deepEqual(
        choices.map(({ label, scope }) => [label, scope]),
        expected,
      );
      for (const { scope } of choices) assert.ok(covers({ capability: access.capability, scope }, access));
    });
  }
});
