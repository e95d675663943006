/**
 * Scopes of files: a path relative to the workspace root, with `/` between its parts, that covers what it names and
 * everything below; `.` is the whole workspace. A scope with wildcards is matched against whole paths instead: `*` is
 * any text within one name, `?` one character of a name, and `**` as a whole part any number of folders. `src/**` is
 * the same as `src`. A backslash before `*`, `?` or a backslash takes its meaning away, so that a file whose name
 * holds a star can be meant alone. Pure text; what cannot be read covers nothing, and nothing is ever repaired.
 *
 * Guarded paths decide what a program or an editor does next (its settings, hooks, tasks, scripts). A right to change
 * one covers it only where its scope spells the guarded part out: no folder around it and no wildcard does.
 */

/** One part of a scope: a name, a pattern of names, or any number of folders. */
type Part = string | readonly Token[] | typeof anyDepth;

/** A character of a pattern, any one character, or any text. */
type Token = string | typeof anyOne | typeof anyText;

const anyDepth = Symbol('**');
const anyText = Symbol('*');
const anyOne = Symbol('?');

export interface PathScope {
  readonly parts: readonly Part[];
  /** Without wildcards everything below is meant as well. */
  readonly isPattern: boolean;
}

/** `./src/` and `src` are the same. Undefined for what leaves the workspace or names nothing. */
export function normalisePath(path: string): string | undefined {
  if (path === '' || path.startsWith('/') || path.includes('\0')) return undefined;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) return undefined;
  return parts.length === 0 ? '.' : parts.join('/');
}

/** So that {@link parsePathScope} means exactly this path. */
export function quotePath(path: string): string {
  return path.replace(/[\\*?]/g, '\\$&');
}

export function parsePathScope(scope: string): PathScope | undefined {
  const normal = normalisePath(scope);
  if (normal === undefined) return undefined;
  const parts = (normal === '.' ? [] : normal.split('/')).map(readPart);
  while (parts.at(-1) === anyDepth) parts.pop();
  return { parts, isPattern: parts.some((part) => typeof part !== 'string') };
}

/** Whether the scope covers a path that has no links and no `..`, to be read or changed. */
export function coversPath(scope: PathScope, path: string, isChange: boolean): boolean {
  const names = path === '.' ? [] : path.split('/');
  if (isChange && !reachesGuard(scope, names)) return false;
  return matches(scope.parts, names, !scope.isPattern);
}

function readPart(part: string): Part {
  if (part === '**') return anyDepth;
  const tokens = (part.match(/\\[\\*?]|[^]/gu) ?? []).map((token): Token => {
    if (token === '*') return anyText;
    if (token === '?') return anyOne;
    return token.length === 2 && token.startsWith('\\') ? token.slice(1) : token;
  });
  return tokens.every((token) => typeof token === 'string') ? tokens.join('') : tokens;
}

/** Going back to the latest star alone is enough, so that no name costs more than its length times the pattern's. */
function matchesName(tokens: readonly Token[], name: string): boolean {
  const characters = Array.from(name);
  let [at, from, star, retry] = [0, 0, -1, 0];
  while (from < characters.length) {
    const token = tokens[at];
    if (token === anyText) {
      [star, retry] = [at, from];
      at += 1;
    } else if (token === anyOne || (token !== undefined && token === characters[from])) {
      at += 1;
      from += 1;
    } else if (star >= 0) {
      retry += 1;
      [at, from] = [star + 1, retry];
    } else return false;
  }
  return tokens.slice(at).every((token) => token === anyText);
}

/** In time linear in names for each `**`: the positions that the scope can be at, one name after the other. */
function matches(parts: readonly Part[], names: readonly string[], isPrefix: boolean): boolean {
  let at = closure(new Set([0]), parts);
  if (isPrefix && at.has(parts.length)) return true;
  for (const name of names) {
    const next = new Set<number>();
    for (const index of at) {
      const part = parts[index];
      if (part === undefined) continue;
      if (part === anyDepth) next.add(index);
      else if (typeof part === 'string' ? part === name : matchesName(part, name)) next.add(index + 1);
    }
    at = closure(next, parts);
    if (isPrefix && at.has(parts.length)) return true;
  }
  return at.has(parts.length);
}

/** `**` may also mean no folder at all. */
function closure(positions: Set<number>, parts: readonly Part[]): Set<number> {
  for (const index of positions) if (parts[index] === anyDepth) positions.add(index + 1);
  return positions;
}

/** Folders in which everything is guarded. */
const guardedFolders: ReadonlySet<string> = new Set([
  ...[
    '.git',
    '.hg',
    '.svn',
    '.vscode',
    '.vscode-server',
    '.idea',
    '.fleet',
    '.zed',
    '.cursor',
    '.devcontainer',
  ],
  ...[
    '.github',
    '.gitlab',
    '.circleci',
    '.husky',
    '.githooks',
    '.yarn',
    '.cargo',
    '.config',
    '.ssh',
    '.direnv',
  ],
]);

/** Files that are guarded wherever they lie. */
const guardedFiles: ReadonlySet<string> = new Set([
  ...['package.json', '.npmrc', '.yarnrc', '.yarnrc.yml', '.pnpmfile.cjs', '.gitattributes', '.gitmodules'],
  ...['.gitconfig', '.gitlab-ci.yml', '.envrc', '.bashrc', '.bash_profile', '.profile', '.zshrc', '.zshenv'],
  ...['.pre-commit-config.yaml', '.mocharc.json', '.mocharc.cjs', '.mocharc.js', '.mocharc.yml', '.lldbinit'],
  ...['.gdbinit', '.vimrc', '.exrc', '.netrc', '.devcontainer.json', 'tasks.json', 'launch.json', 'mcp.json'],
]);

const guardedEndings: readonly string[] = ['.code-workspace', '.code-profile'];

/** Where the guarded part of a path ends: how many of its names a scope has to spell out. 0: it is not guarded. */
export function guardedNames(names: readonly string[]): number {
  const folded = names.map(fold);
  const folder = folded.findIndex((name) => guardedFolders.has(name) || /^git~\d+$/.test(name));
  if (folder >= 0) return folder + 1;
  const last = folded.at(-1) ?? '';
  const isGuarded = guardedFiles.has(last) || guardedEndings.some((ending) => last.endsWith(ending));
  return isGuarded ? names.length : 0;
}

/** One spelling for all that some file system takes for the same name: case, accents, invisible and last characters. */
function fold(name: string): string {
  return name
    .normalize('NFKC')
    .replace(/[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}]/gu, '')
    .toLowerCase()
    .replace(/(?::.*|[. ]+)$/u, '');
}

function reachesGuard({ parts }: PathScope, names: readonly string[]): boolean {
  const needed = guardedNames(names);
  return parts.slice(0, needed).filter((part) => typeof part === 'string').length === needed;
}
