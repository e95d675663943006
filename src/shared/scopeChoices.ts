/**
 * The scopes that a person is offered when an agent asks for a right, narrowest first. Pure. Each covers the access
 * and means what its label says; there is always at least one. Labels are unescaped: paths and commands in them are
 * of unknown origin.
 */

import { scopeOf, type Access } from './capability.js';

export interface ScopeChoice {
  readonly label: string;
  readonly description: string;
  readonly scope: string;
}

export function scopeChoicesOf(access: Access): readonly ScopeChoice[] {
  return access.capability === 'process.run' ? commandScopes(scopeOf(access)) : pathScopes(access.path);
}

function pathScopes(path: string): readonly ScopeChoice[] {
  const whole = { label: 'whole workspace', description: 'every file of this workspace folder', scope: '.' };
  if (path === '.') return [whole];
  const exact = { label: path, description: 'only this path', scope: path };
  const folder = path.split('/').slice(0, -1).join('/');
  if (folder === '') return [exact, whole];
  return [exact, { label: `${folder}/**`, description: 'everything in this folder', scope: folder }, whole];
}

function commandScopes(exact: string): readonly ScopeChoice[] {
  return [
    { label: exact, description: 'exactly this command', scope: exact },
    { label: `${exact} …`, description: 'this command with any further arguments', scope: `${exact} *` },
  ];
}
