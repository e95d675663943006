/**
 * The table of agents as lines of text: a pure function of the rows and the size of the terminal. Every line fits;
 * names, tasks and reasons are of unknown origin and are escaped here.
 */

import { escapeForDisplay } from '../shared/escape.js';
import type { AgentRow } from '../shared/protocol.js';
import { displayWidth, fit, truncate } from './displayWidth.js';
import type { Paint, Style } from './style.js';

export interface TableSize {
  readonly columns: number;
  /** Lines there is room for, with the heading. */
  readonly lines: number;
}

export interface Column<Row extends AgentRow> {
  readonly heading: string;
  readonly align: 'left' | 'right';
  /** Narrower terminals do without it; the lowest goes first. */
  readonly rank: number;
  readonly text: (row: Row) => string;
}

const gap = 2;
/** Task and reason share what the others leave; below this, columns are dropped instead. */
const leastTaskWidth = 24;

/** Columns that several tables have. */
export const commonColumns = {
  pid: { heading: 'PID', align: 'right', rank: 9, text: ({ pid }) => String(pid) },
  agent: {
    heading: 'AGENT',
    align: 'left',
    rank: 8,
    text: ({ name }) => truncate(escapeForDisplay(name), 16),
  },
  state: { heading: 'STATE', align: 'left', rank: 9, text: stateOf },
  tokens: {
    heading: 'TOKENS',
    align: 'right',
    rank: 5,
    text: ({ promptTokens, generatedTokens }) => `${promptTokens}+${generatedTokens}`,
  },
  kv: { heading: 'KV', align: 'right', rank: 2, text: ({ kvBytes }) => formatBytes(kvBytes) },
  wait: { heading: 'WAIT', align: 'right', rank: 3, text: ({ waitMs }) => formatSeconds(waitMs) },
} as const satisfies Record<string, Column<AgentRow>>;

const columns: readonly Column<AgentRow>[] = [
  commonColumns.pid,
  commonColumns.agent,
  commonColumns.state,
  commonColumns.tokens,
  { heading: 'TOK/S', align: 'right', rank: 4, text: ({ tokensPerSecond }) => tokensPerSecond.toFixed(1) },
  commonColumns.kv,
  commonColumns.wait,
];

export function renderAgents(rows: readonly AgentRow[], size: TableSize, style: Style): string[] {
  const shownRows = rows.slice(0, rows.length + 1 > size.lines ? Math.max(1, size.lines - 2) : rows.length);
  const { heading, line } = agentTable({ columns, rows, width: size.columns, leastTaskWidth, style });
  const lines = [heading, ...shownRows.map(line)];
  const hidden = rows.length - shownRows.length;
  if (hidden > 0) lines.push(style.dim(truncate(`and ${hidden} more`, size.columns)));
  return lines;
}

export interface AgentTable<Row extends AgentRow> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly width: number;
  readonly leastTaskWidth: number;
  readonly style: Style;
}

/** Lays the columns out for all rows, so that they stand still while some of the rows are shown. */
export function agentTable<Row extends AgentRow>(
  table: AgentTable<Row>,
): {
  readonly heading: string;
  readonly line: (row: Row) => string;
} {
  const { style } = table;
  const { shown, widths, rest } = layOut(table);
  const join = (cells: readonly string[], last: string): string =>
    [...cells, last].join(' '.repeat(gap)).trimEnd();
  const headings = shown.map(({ heading, align }, index) => fit(heading, widths[index] ?? 0, align));
  return {
    heading: style.bold(join(headings, fit('TASK', rest))),
    line: (row) => {
      const cells = shown.map((column, index) => {
        const cell = fit(column.text(row), widths[index] ?? 0, column.align);
        return column.heading === commonColumns.state.heading ? colourOf(row, style)(cell) : cell;
      });
      return join(cells, taskCell(row, rest, style));
    },
  };
}

/** Columns that fit beside the task, their widths, and what the task gets. */
function layOut<Row extends AgentRow>({
  columns,
  rows,
  width: total,
  leastTaskWidth,
}: AgentTable<Row>): { shown: readonly Column<Row>[]; widths: readonly number[]; rest: number } {
  const widthOf = ({ heading, text }: Column<Row>): number =>
    Math.max(displayWidth(heading), ...rows.map((row) => displayWidth(text(row))));
  let shown = columns;
  for (;;) {
    const widths = shown.map(widthOf);
    const rest = total - widths.reduce((sum, width) => sum + width + gap, 0);
    if (rest >= leastTaskWidth || shown.length <= 1) return { shown, widths, rest: Math.max(0, rest) };
    const least = Math.min(...shown.map(({ rank }) => rank));
    const dropped = shown.find(({ rank }) => rank === least);
    shown = shown.filter((column) => column !== dropped);
  }
}

/** The reason, when there is one, is what a person wants to know: it keeps up to two thirds of the cell. */
function taskCell(row: AgentRow, width: number, style: Style): string {
  const task = escapeForDisplay(row.task.trim());
  if (row.reason === '') return truncate(task, width);
  const reason = truncate(escapeForDisplay(row.reason), Math.floor((width * 2) / 3));
  const taskWidth = width - displayWidth(reason) - gap;
  const shownTask = truncate(task, taskWidth);
  const colour = row.state === 'blocked' ? style.yellow : style.dim;
  return shownTask === '' ? colour(reason) : `${shownTask}${' '.repeat(gap)}${colour(reason)}`;
}

/** How an agent ended says more than that it ended. */
export function stateOf(row: AgentRow): string {
  return row.state === 'exited' ? (row.outcome ?? 'exited') : row.state;
}

function colourOf(row: AgentRow, style: Style): Paint {
  switch (stateOf(row)) {
    case 'answered':
      return style.green;
    case 'failed':
      return style.red;
    case 'blocked':
    case 'stopped':
      return style.yellow;
    case 'running':
      return style.cyan;
    default:
      return (text) => text;
  }
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  // 999.5 would be rounded to 1000.
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit] ?? ''}`;
}

export function formatSeconds(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 99.95) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
