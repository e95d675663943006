/**
 * Paths as tools write them, turned into names below a workspace's root. Pure text: it promises that what it returns
 * has no `..`, no NUL and no drive, and it says nothing about links, which only the disk knows.
 */

import { posix, win32 } from 'node:path';
import { KernelError } from '../shared/errors.js';

/** How paths are written on a platform, so that both rules can be tested on either. */
export type PathRules = typeof posix;

export const pathRules: PathRules = process.platform === 'win32' ? win32 : posix;

/**
 * The names that lead from the root to what `path` means. Absolute paths count when they lie below one of `roots`,
 * which are spellings of the same folder.
 * @throws KernelError `badRequest` when the path cannot be inside the workspace.
 */
export function namesBelow(path: string, roots: readonly string[], rules: PathRules = pathRules): string[] {
  if (path === '') throw new KernelError('badRequest', 'the path is empty');
  if (path.includes('\0')) throw new KernelError('badRequest', 'the path holds a NUL character');
  const relative = rules.isAbsolute(path) ? belowOneOf(path, roots, rules) : path;
  const names: string[] = [];
  for (const name of namesOf(relative, rules)) {
    if (rules === win32 && isReserved(name)) throw outside(path);
    if (name !== '..') names.push(name);
    else if (names.pop() === undefined) throw outside(path);
  }
  return names;
}

function namesOf(path: string, rules: PathRules): string[] {
  return path.split(rules === win32 ? /[\\/]/ : '/').filter((name) => name !== '' && name !== '.');
}

/** The path of something inside `root`, relative to it, with `/`; `.` is the root. `undefined` for what is outside. */
export function relativeTo(root: string, path: string, rules: PathRules = pathRules): string | undefined {
  const relative = rules.relative(root, path);
  if (relative === '') return '.';
  const names = relative.split(rules.sep);
  return names[0] === '..' || rules.isAbsolute(relative) ? undefined : names.join('/');
}

/** Windows: a drive or a stream of a file, or a name that means a device in every folder, also with an ending. */
function isReserved(name: string): boolean {
  return (
    name.includes(':') ||
    /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\..*)?$/i.test(name)
  );
}

export function outside(path: string): KernelError {
  return new KernelError('badRequest', `${path} is outside the workspace`);
}

function belowOneOf(path: string, roots: readonly string[], rules: PathRules): string {
  for (const root of roots) {
    const relative = relativeTo(root, path, rules);
    if (relative !== undefined) return relative;
  }
  throw outside(path);
}
