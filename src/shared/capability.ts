/**
 * Capabilities, grants and the one pure rule of who may do what. A tool starts with no rights; a right is a grant
 * that a person gave. Nothing here asks anybody: asking is the broker's and the prompter's work.
 *
 * Scopes. `fs.read` and `fs.write`: a path relative to the workspace root, or a pattern of such paths (pathScope.ts
 * has the language, and the paths that no wide right to change covers). `fs.write` includes reading the same path,
 * since a change is made to what was read. `process.run`: the words of a command, quoted where they hold blanks or
 * quotes; a bare `*` at the end covers any further arguments but those that run programs (programOptions.ts has
 * them), and `*` alone any command without such arguments. A scope that cannot be read (a path that leaves the
 * workspace, a quote that is not closed) covers nothing.
 */

import { z } from 'zod';
import { KernelError } from './errors.js';
import { coversPath, normalisePath, parsePathScope, quotePath } from './pathScope.js';
import { runsPrograms } from './programOptions.js';

export const capabilities = ['fs.read', 'fs.write', 'process.run'] as const;
export type Capability = (typeof capabilities)[number];

/** What a tool is about to do. For files the target is the real path relative to the workspace root. */
export type Access =
  | { readonly capability: 'fs.read' | 'fs.write'; readonly path: string }
  | {
      readonly capability: 'process.run';
      readonly argv: readonly string[];
      /** The file that the first word was found to name, where that is known. */
      readonly executable?: string;
    };

export const grantSpecSchema = z
  .strictObject({
    capability: z.enum(capabilities),
    scope: z.string().min(1).max(10_000),
    /** How many tool calls may rely on it. */
    uses: z.int().min(1).exactOptional(),
    /** Milliseconds since the epoch; from then on it covers nothing. */
    expiresAt: z.number().exactOptional(),
  })
  .refine(isReadable, { path: ['scope'], error: 'the scope covers nothing' });
/** A right without its holder: what `--grant fs.read:src` says. */
export type GrantSpec = z.infer<typeof grantSpecSchema>;

/**
 * How long a grant lives: this tool call, this agent's run, until the kernel ends, or until it is revoked for every
 * agent that works in this workspace, in later kernels as well.
 */
export const grantLifetimes = ['once', 'run', 'session', 'workspace'] as const;
export type GrantLifetime = (typeof grantLifetimes)[number];
export type StandingLifetime = Exclude<GrantLifetime, 'once'>;

export interface Grant extends GrantSpec {
  readonly id: number;
  /** The only agent that holds it, or `undefined` for every agent of the session or the workspace. */
  readonly pid: number | undefined;
  readonly lifetime: StandingLifetime;
  /** Real path of the workspace whose agents hold it. */
  readonly workspace?: string;
  /** Who gave it: a person who was asked, or what a person had told the client before. */
  readonly grantedBy: 'person' | 'client';
  /** Milliseconds since the epoch. */
  readonly grantedAt: number;
}

/** The exact scope of one access, as a grant would have to say it. */
export function scopeOf(access: Access): string {
  return access.capability === 'process.run' ? access.argv.map(quoteWord).join(' ') : quotePath(access.path);
}

/** Whether a right of this kind and scope allows the access. Pure; scopes are compared word by word, never as text. */
export function covers(spec: GrantSpec, access: Access): boolean {
  return coverageOf(spec)(access);
}

/** As {@link covers}, for a scope that is read once and asked often. */
export function coverageOf({ capability, scope }: GrantSpec): (access: Access) => boolean {
  if (capability === 'process.run') {
    const command = parseCommand(scope);
    return (access) =>
      command !== undefined && access.capability === 'process.run' && coversCommand(command, access);
  }
  const paths = parsePathScope(scope);
  return (access) =>
    paths !== undefined &&
    access.capability !== 'process.run' &&
    (capability === access.capability || capability === 'fs.write') &&
    // An access that is not a resolved path is covered by nothing: `src/../secret` does not lie in `src`.
    normalisePath(access.path) === access.path &&
    coversPath(paths, access.path, access.capability === 'fs.write');
}

/** Whether there is anything that the scope could cover. */
function isReadable({ capability, scope }: { capability: Capability; scope: string }): boolean {
  if (capability !== 'process.run') return parsePathScope(scope) !== undefined;
  const command = parseCommand(scope);
  return command !== undefined && (command.isOpen || command.words.length > 0);
}

/** A command as a scope means it: exactly these words, or any command that begins with them. */
interface CommandScope {
  readonly words: readonly string[];
  readonly isOpen: boolean;
}

type CommandAccess = Extract<Access, { capability: 'process.run' }>;

function coversCommand({ words, isOpen }: CommandScope, { argv, executable }: CommandAccess): boolean {
  if (isOpen ? argv.length < words.length : argv.length !== words.length) return false;
  if (!words.every((word, index) => word === argv[index])) return false;
  if (!isOpen || (words.length > 0 && argv.length === words.length)) return true;
  const names = [argv[0] ?? '', ...(executable === undefined ? [] : [executable])];
  return !runsPrograms(names, argv.slice(Math.max(1, words.length)));
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
  if (known !== 'process.run') return { capability: known, scope: readPathScope(scope) };
  if (!isReadable({ capability: known, scope })) {
    throw new KernelError('badRequest', `scope "${scope}" has a quote that is not closed`);
  }
  return { capability: known, scope: scope.trim() };
}

function readPathScope(scope: string): string {
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
