/** What `amk kv` prints. Pure; names, tasks and texts are of unknown origin and are escaped here. */

import { escapeForDisplay, escapeLines } from '../shared/escape.js';
import type { KeptSnapshot, SnapshotDetail, StateFinding, StateListing } from '../shared/stateCalls.js';
import { formatBytes } from './agentRows.js';
import { displayWidth, fit, truncate } from './displayWidth.js';
import type { Style } from './style.js';

/** Where it is read. */
export interface Page {
  readonly columns: number;
  readonly style: Style;
}

type DatedPage = Page & { readonly now: number };

export interface Totals {
  readonly snapshots: number;
  readonly bytes: number;
  /** What there may be; null where that is not known. */
  readonly quotaBytes: number | null;
}

export function totalsOf({ snapshots }: StateListing, quotaBytes: number | null): Totals {
  const bytes = snapshots.reduce((sum, each) => sum + each.bytes, 0);
  return { snapshots: snapshots.length, bytes, quotaBytes };
}

/** As long as keys need to be told apart, mostly. */
const keyDigits = 12;
const fingerprintDigits = 8;

type Align = 'left' | 'right';
type Cells = readonly string[];

export function listingText(
  listing: StateListing,
  totals: Totals,
  { columns, style, now }: DatedPage,
): string {
  const { dir, usedBy, snapshots, agents, faults } = listing;
  const headings: readonly (readonly [string, Align])[] = [
    ...([
      ['KEY', 'left'],
      ['AGENT', 'left'],
      ['TOKENS', 'right'],
      ['KEPT AS', 'left'],
    ] as const),
    ...([
      ['SIZE', 'right'],
      ['AGE', 'right'],
      ['MODEL', 'left'],
    ] as const),
  ];
  const rows = snapshots.map((each) => [
    each.key.slice(0, keyDigits),
    agentOf(each),
    String(each.tokens),
    `${escapeForDisplay(each.quantisation)}${each.isEncrypted ? ', encrypted' : ''}`,
    formatBytes(each.bytes),
    ageOf(now - each.createdAt),
    each.model.slice(0, fingerprintDigits),
  ]);
  const without = agents.filter(({ snapshot }) => snapshot === null);
  const used = usedBy === null ? '' : `, used by process ${usedBy}`;
  return lines([
    ...(rows.length === 0 ? [] : table(headings, rows, columns, style)),
    ...without.map(({ pid, name, task }) => {
      const line = `agent ${pid} ${escapeForDisplay(name)} has none: ${escapeForDisplay(task.trim())}`;
      return style.dim(truncate(line, columns));
    }),
    ...faults.map(({ file, reason }) => style.yellow(escapeLines(`${file}: ${reason}`))),
    `${totalsText(totals)} in ${escapeForDisplay(dir)}${used}`,
  ]);
}

function totalsText({ snapshots, bytes, quotaBytes }: Totals): string {
  const count = snapshots === 1 ? '1 snapshot' : `${snapshots === 0 ? 'No' : snapshots} snapshots`;
  const of = quotaBytes === null ? '' : ` of ${formatBytes(quotaBytes)}`;
  return `${count}, ${formatBytes(bytes)}${of}`;
}

const agentOf = ({ agent, pid }: KeptSnapshot): string =>
  pid === null ? escapeForDisplay(agent) : `${pid} ${escapeForDisplay(agent)}`;

export function detailText(
  { snapshot, facts, sha256, conversation }: SnapshotDetail,
  page: DatedPage,
): string {
  const { style, now } = page;
  const pairs: [string, string][] = [
    ['snapshot', snapshot.key],
    ['agent', agentOf(snapshot)],
    ['tokens', String(snapshot.tokens)],
    ['size', `${formatBytes(snapshot.bytes)}${snapshot.isEncrypted ? ', encrypted' : ''}`],
    ['taken', `${ageOf(now - snapshot.createdAt)} ago`],
    ['used', `${ageOf(now - snapshot.usedAt)} ago`],
    ['checksum', `right (${sha256.slice(0, keyDigits)}…)`],
    ...Object.entries(facts),
  ];
  const width = Math.max(...pairs.map(([name]) => displayWidth(name)));
  const told = conversation?.flatMap(({ role, text }) => ['', style.bold(role), shorten(escapeLines(text))]);
  return lines([
    ...pairs.map(([name, value]) => `${style.dim(fit(name, width))}  ${escapeForDisplay(value)}`),
    ...(told ?? [
      '',
      style.dim('No agent in the journal goes on from it; its tokens are text only to their model.'),
    ]),
  ]);
}

const maxTextLength = 2_000;

const shorten = (text: string): string =>
  text.length <= maxTextLength
    ? text
    : `${text.slice(0, maxTextLength)}… and ${text.length - maxTextLength} more characters; --json has all`;

export function findingsText(findings: readonly StateFinding[], { style }: Page): string {
  const words = {
    intact: style.green('intact '),
    damaged: style.red('DAMAGED'),
    aside: style.yellow('aside  '),
  };
  return lines(
    findings.length === 0
      ? ['Nothing is kept here.']
      : findings.map(
          ({ file, verdict, note }) =>
            `${words[verdict]}  ${escapeForDisplay(file)}: ${escapeForDisplay(note)}`,
        ),
  );
}

function table(
  headings: readonly (readonly [string, Align])[],
  rows: readonly Cells[],
  columns: number,
  style: Style,
): string[] {
  const widths = headings.map(([heading], index) =>
    Math.max(displayWidth(heading), ...rows.map((cells) => displayWidth(cells[index] ?? ''))),
  );
  const lineOf = (cells: Cells): string =>
    truncate(
      cells
        .map((cell, index) => fit(cell, widths[index] ?? 0, headings[index]?.[1]))
        .join('  ')
        .trimEnd(),
      columns,
    );
  return [style.bold(lineOf(headings.map(([heading]) => heading))), ...rows.map(lineOf)];
}

/** In the largest unit that fits. */
function ageOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

const lines = (all: readonly string[]): string => `${all.join('\n')}\n`;
