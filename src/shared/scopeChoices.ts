/**
 * The scopes that a person is offered when an agent asks for a right, narrowest first. Pure. Each covers the access
 * and means what its label says; there is always at least one. Labels are unescaped: paths and commands in them are
 * of unknown origin.
 */

import { covers, scopeOf, type Access } from './capability.js';
import { quotePath } from './pathScope.js';

export interface ScopeChoice {
  readonly label: string;
  readonly description: string;
  readonly scope: string;
}

export function scopeChoicesOf(access: Access): readonly ScopeChoice[] {
  const choices =
    access.capability === 'process.run' ? commandScopes(scopeOf(access)) : pathScopes(access.path);
  // A wide scope leaves out guarded paths and arguments that run programs: it is no answer to a wish for one.
  return choices.filter(({ scope }) => covers({ capability: access.capability, scope }, access));
}

function pathScopes(path: string): readonly ScopeChoice[] {
  const whole = { label: 'whole workspace', description: 'every file of this workspace folder', scope: '.' };
  if (path === '.') return [whole];
  const exact = { label: path, description: 'only this path', scope: quotePath(path) };
  const folder = path.split('/').slice(0, -1).join('/');
  if (folder === '') return [exact, whole];
  const below = { label: `${folder}/**`, description: 'everything in this folder', scope: quotePath(folder) };
  const ending = /[^/.][^/]*(\.[^./]+)$/.exec(path)?.[1];
  if (ending === undefined) return [exact, below, whole];
  const pattern = `${quotePath(folder)}/**/*${quotePath(ending)}`;
  const alike = { label: `${folder}/**/*${ending}`, description: 'files with this ending', scope: pattern };
  return [exact, alike, below, whole];
}

function commandScopes(exact: string): readonly ScopeChoice[] {
  return [
    { label: exact, description: 'exactly this command', scope: exact },
    {
      label: `${exact} …`,
      description: 'this command with further arguments, but none that run another program',
      scope: `${exact} *`,
    },
  ];
}
