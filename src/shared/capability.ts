/**
 * Capabilities, grants and the one pure rule of who may do what. A tool starts with no rights; a right is a grant
 * that a person gave. Nothing here asks anybody: asking is the broker's and the prompter's work.
 *
 * Scopes. `fs.read` and `fs.write`: a path relative to the workspace root with `/` between its parts, which covers
 * that file or everything below that folder; `.` is the whole workspace. `fs.write` includes reading the same
 * path, since a change is made to what was read. `process.run`: the words of a command, quoted where they hold blanks
 * or quotes; a bare `*` at the end covers any further arguments, and `*` alone any command. A scope that cannot be
 * read (a path that leaves the workspace, a quote that is not closed) covers nothing.
 */

import { z } from 'zod';
import { KernelError } from './errors.js';

export const capabilities = ['fs.read', 'fs.write', 'process.run'] as const;
export type Capability = (typeof capabilities)[number];

/** What a tool is about to do. For files the target is the real path relative to the workspace root. */
export type Access =
  | { readonly capability: 'fs.read' | 'fs.write'; readonly path: string }
  | { readonly capability: 'process.run'; readonly argv: readonly string[] };

export const grantSpecSchema = z
  .strictObject({ capability: z.enum(capabilities), scope: z.string().min(1) })
  .refine(isReadable, { path: ['scope'], error: 'the scope covers nothing' });
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
    const scope = spec.capability === 'process.run' ? parseCommand(spec.scope) : undefined;
    return scope !== undefined && coversCommand(scope, access.argv);
  }
  const isSameKind =
    spec.capability === access.capability ||
    (spec.capability === 'fs.write' && access.capability === 'fs.read');
  const scope = isSameKind ? normalisePath(spec.scope) : undefined;
  // An access that is not a resolved path is covered by nothing: `src/../secret` does not lie in `src`.
  return scope !== undefined && normalisePath(access.path) === access.path && coversPath(scope, access.path);
}

/** Whether there is anything that the scope could cover. */
function isReadable({ capability, scope }: { capability: Capability; scope: string }): boolean {
  if (capability !== 'process.run') return normalisePath(scope) !== undefined;
  const command = parseCommand(scope);
  return command !== undefined && (command.isOpen || command.words.length > 0);
}

function coversPath(scope: string, path: string): boolean {
  return scope === '.' || path === scope || path.startsWith(`${scope}/`);
}

/** A command as a scope means it: exactly these words, or any command that begins with them. */
interface CommandScope {
  readonly words: readonly string[];
  readonly isOpen: boolean;
}

function coversCommand({ words, isOpen }: CommandScope, argv: readonly string[]): boolean {
  if (isOpen ? argv.length < words.length : argv.length !== words.length) return false;
  return words.every((word, index) => word === argv[index]);
}

/** `./src/` and `src` are the same scope. What leaves the workspace is no scope: it is never repaired. */
function normalisePath(scope: string): string | undefined {
  if (scope === '' || scope.startsWith('/') || scope.includes('\0')) return undefined;
  const parts = scope.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return undefined;
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
  if (known !== 'process.run') return { capability: known, scope: parsePathScope(scope) };
  if (!isReadable({ capability: known, scope })) {
    throw new KernelError('badRequest', `scope "${scope}" has a quote that is not closed`);
  }
  return { capability: known, scope: scope.trim() };
}

function parsePathScope(scope: string): string {
  const path = normalisePath(scope);
  if (path !== undefined && !/^[A-Za-z]:/.test(path)) return path;
  throw new KernelError(
    'badRequest',
    `scope "${scope}" must be a path inside the workspace, relative to its root`,
  );
}

const wordPattern = /(?:[^\s"']+|"[^"]*"|'[^']*')+/g;

/** Reads words as {@link quoteWord} writes them: blanks separate, quotes hold together, nothing is expanded. */
function parseCommand(scope: string): CommandScope | undefined {
  // What is no part of a word must be a blank: anything else is a quote that is not closed.
  if (scope.replace(wordPattern, '').trim() !== '') return undefined;
  const words = scope.match(wordPattern) ?? [];
  // Only a bare star is open; a quoted one is an argument that happens to be a star.
  const isOpen = words.at(-1) === '*';
  return { words: (isOpen ? words.slice(0, -1) : words).map(unquote), isOpen };
}

function unquote(word: string): string {
  return word.replace(
    /"([^"]*)"|'([^']*)'/g,
    (_, double?: string, single?: string) => double ?? single ?? '',
  );
}

/** So that {@link parseCommand} reads exactly this word again, whatever it holds. */
function quoteWord(word: string): string {
  if (/^[^\s"']+$/.test(word) && word !== '*') return word;
  if (word === '') return '""';
  return word.replace(/[^"]+|"+/g, (part) => (part.startsWith('"') ? `'${part}'` : `"${part}"`));
}
