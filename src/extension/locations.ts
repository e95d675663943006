/**
 * Finds places in files that a line of text names: `src/parser.ts:12:3`, `README.md:4`, `src/parser.ts`. Pure, linear
 * in the length of the line, and deaf to everything that would leave the workspace: a link made of an agent's words
 * opens a file of the workspace or nothing.
 */

export interface Location {
  /** Offset and length of the text that names the place. */
  readonly start: number;
  readonly length: number;
  /** Relative to a workspace folder, with `/` between its parts. */
  readonly path: string;
  /** From 1; 0 where only a file is named. */
  readonly line: number;
  readonly column: number;
}

/** A line longer than this is data, not prose. */
const maxLineLength = 4_000;

const word = /[^\s"'`()[\]{}<>|,;*]+/g;
const endOfSentence = /[.:!?]+$/;
const place = /^(.+?)(?::(\d{1,7})(?::(\d{1,5}))?)?$/;
const fileName = /\.[A-Za-z][A-Za-z0-9]{0,9}$/;

export function findLocations(line: string): readonly Location[] {
  if (line.length > maxLineLength) return [];
  const found: Location[] = [];
  for (const match of line.matchAll(word)) {
    const location = locationOf(match[0], match.index);
    if (location !== undefined) found.push(location);
  }
  return found;
}

function locationOf(text: string, start: number): Location | undefined {
  const match = place.exec(text.replace(endOfSentence, ''));
  const path = normalise(match?.[1] ?? '');
  if (match === null || path === undefined) return undefined;
  const line = Number(match[2] ?? 0);
  const named = fileName.test(path);
  const nested = path.includes('/');
  // Without a line number only what clearly is a path counts: `a/b.ts`, but neither `e.g.` nor `and/or`.
  if (line > 0 ? !(named || nested) : !(named && nested)) return undefined;
  return { start, length: match[0].length, path, line, column: Number(match[3] ?? 0) };
}

/** `./src/a.ts` is `src/a.ts`; what is absolute, a URL or climbs out is not a place in the workspace. */
function normalise(path: string): string | undefined {
  if (path === '' || path.startsWith('/') || path.includes('\\') || path.includes(':')) return undefined;
  const parts = path.split('/').filter((part) => part !== '.' && part !== '');
  return parts.length === 0 || parts.includes('..') ? undefined : parts.join('/');
}
