/**
 * Capabilities, grants and the one pure rule of who may do what. A tool starts with no rights; a right is a grant
 * that a person gave. Nothing here asks anybody: asking is the broker's and the prompter's work.
 *
 * Scopes. `fs.read` and `fs.write`: a path relative to the workspace root with `/` between its parts, which covers
 * that file or everything below that folder; `.` is the whole workspace. `fs.write` includes reading the same
 * path, since a change is made to what was read. `process.run`: the words of a command; a last word `*` covers any
 * further arguments, and `*` alone any command.
 */

import { z } from 'zod';
import { KernelError } from './errors.js';

export const capabilities = ['fs.read', 'fs.write', 'process.run'] as const;
export type Capability = (typeof capabilities)[number];

/** What a tool is about to do. For files the target is the real path relative to the workspace root. */
export type Access =
  | { readonly capability: 'fs.read' | 'fs.write'; readonly path: string }
  | { readonly capability: 'process.run'; readonly argv: readonly string[] };

export const grantSpecSchema = z.strictObject({
  capability: z.enum(capabilities),
  scope: z.string().min(1),
});
/** A right without its holder: what `--grant fs.read:src` says. */
export type GrantSpec = z.infer<typeof grantSpecSchema>;

/** How long a grant lives: this tool call, this agent's run, or until the kernel ends. */
export const grantLifetimes = ['once', 'run', 'session'] as const;
export type GrantLifetime = (typeof grantLifetimes)[number];

export interface Grant extends GrantSpec {
  readonly id: number;
  /** The only agent that holds it, or `undefined` for every agent of the session. */
  readonly pid: number | undefined;
  readonly lifetime: GrantLifetime;
  /** Milliseconds since the epoch. */
  readonly grantedAt: number;
}

/** The exact scope of one access, as a grant would have to say it. */
export function scopeOf(access: Access): string {
  return access.capability === 'process.run' ? access.argv.map(quoteWord).join(' ') : access.path;
}

/** Whether a right of this kind and scope allows the access. Pure; scopes are compared word by word, never as text. */
export function covers(spec: GrantSpec, access: Access): boolean {
  if (access.capability === 'process.run') {
    return spec.capability === 'process.run' && coversCommand(splitWords(spec.scope), access.argv);
  }
  const sameKind =
    spec.capability === access.capability ||
    (spec.capability === 'fs.write' && access.capability === 'fs.read');
  return sameKind && coversPath(normalisePath(spec.scope), access.path);
}

function coversPath(scope: string, path: string): boolean {
  return scope === '.' || path === scope || path.startsWith(`${scope}/`);
}

function coversCommand(scope: readonly string[], argv: readonly string[]): boolean {
  const open = scope.at(-1) === '*';
  const words = open ? scope.slice(0, -1) : scope;
  if (open ? argv.length < words.length : argv.length !== words.length) return false;
  return words.every((word, index) => word === argv[index]);
}

/** `./src/` and `src` are the same scope. A scope that leaves the workspace is refused, never repaired. */
function normalisePath(scope: string): string {
  const parts = scope.split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 ? '.' : parts.join('/');
}

/**
 * Reads `fs.read:src` or `process.run:npm test`.
 * @throws KernelError `badRequest` that names what is wrong with it.
 */
export function parseGrantSpec(text: string): GrantSpec {
  const colon = text.indexOf(':');
  const capability = text.slice(0, colon);
  const scope = text.slice(colon + 1);
  if (colon < 1 || scope.trim() === '') {
    throw new KernelError('badRequest', `"${text}" is not CAPABILITY:SCOPE, for example fs.read:src`);
  }
  const known = capabilities.find((name) => name === capability);
  if (known === undefined) {
    throw new KernelError(
      'badRequest',
      `unknown capability "${capability}"; there are ${capabilities.join(', ')}`,
    );
  }
  if (
    known !== 'process.run' &&
    (scope.startsWith('/') || /^[A-Za-z]:/.test(scope) || scope.split('/').includes('..'))
  ) {
    throw new KernelError(
      'badRequest',
      `scope "${scope}" must be a path inside the workspace, relative to its root`,
    );
  }
  return { capability: known, scope: known === 'process.run' ? scope.trim() : normalisePath(scope) };
}

/** Words of a command line: blanks separate, single or double quotes hold together, nothing is expanded. */
export function splitWords(command: string): string[] {
  const words = command.match(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) =>
    word.replace(/"([^"]*)"|'([^']*)'/g, (_, double?: string, single?: string) => double ?? single ?? ''),
  );
}

function quoteWord(word: string): string {
  return /^[^\s"']+$/.test(word) ? word : word.includes('"') ? `'${word}'` : `"${word}"`;
}
