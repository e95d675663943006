/**
 * The scopes that a person is offered when an agent asks for a right, narrowest first. Pure. A scope that would not
 * cover the access, or would mean more than its label says (a command that itself ends in `*`), is not offered:
 * such an access can only be allowed once. Labels are unescaped: paths and commands in them are of unknown origin.
 */

import { covers, scopeOf, type Access } from './capability.js';

export interface ScopeChoice {
  readonly label: string;
  readonly description: string;
  readonly scope: string;
}

export function scopeChoicesOf(access: Access): readonly ScopeChoice[] {
  const choices = access.capability === 'process.run' ? commandScopes(access.argv) : pathScopes(access.path);
  return choices.filter(({ scope }) => covers({ capability: access.capability, scope }, access));
}

function pathScopes(path: string): readonly ScopeChoice[] {
  const whole = { label: 'whole workspace', description: 'every file of this workspace folder', scope: '.' };
  if (path === '.') return [whole];
  const exact = { label: path, description: 'only this path', scope: path };
  const folder = path.split('/').slice(0, -1).join('/');
  if (folder === '') return [exact, whole];
  return [exact, { label: `${folder}/**`, description: 'everything in this folder', scope: folder }, whole];
}

function commandScopes(argv: readonly string[]): readonly ScopeChoice[] {
  if (argv.at(-1) === '*') return [];
  const exact = scopeOf({ capability: 'process.run', argv });
  return [
    { label: exact, description: 'exactly this command', scope: exact },
    { label: `${exact} …`, description: 'this command with any further arguments', scope: `${exact} *` },
  ];
}
