/**
 * `amk top` as lines of text or as JSON: pure functions of a view and the size of the terminal. Every line fits, and
 * there are never more lines than the terminal has. What a model, an agent or a file name brought in is escaped here.
 */

import { escapeForDisplay } from '../shared/escape.js';
import type { AgentRow, KernelDescriptor } from '../shared/protocol.js';
import { agentTable, commonColumns, formatBytes, type Column, type TableSize } from './agentRows.js';
import { displayWidth, truncate } from './displayWidth.js';
import type { Style } from './style.js';
import type { TopLine, TopRow, TopView } from './topModel.js';

const { pid, agent, state, tokens, kv, wait } = commonColumns;
const unknown = '–';

/** In a terminal that is too narrow the lowest rank goes first. */
const steeringColumns: readonly Column<AgentRow>[] = [
  { ...pid, rank: 10 },
  { ...agent, rank: 8 },
  { ...state, rank: 9 },
  { heading: 'CLASS', align: 'left', rank: 5, text: (row) => row.class },
  { heading: 'NI', align: 'right', rank: 6, text: ({ nice }) => String(nice) },
];
const usageColumns: readonly Column<AgentRow>[] = [
  { ...tokens, rank: 2 },
  { ...kv, rank: 3 },
  { ...wait, rank: 1 },
];
const columns: readonly Column<TopRow>[] = [
  ...steeringColumns,
  {
    heading: 'DEV%',
    align: 'right',
    rank: 7,
    text: ({ rates }) => (rates === undefined ? unknown : percent(rates.deviceShare)),
  },
  {
    heading: 'TOK/S',
    align: 'right',
    rank: 4,
    text: ({ rates }) => (rates === undefined ? unknown : rates.generatedPerSecond.toFixed(1)),
  },
  ...usageColumns,
];

const keyHints = ['↑↓ select', 'p pause', '+/- nice', 'c class', 'k stop', 'q quit'];
/** Before a row: which one the keys are for, also where there is no colour. */
const [marked, unmarked] = ['>', ' '];

/** The whole screen of a terminal. */
export function renderTop(view: TopView, size: TableSize, style: Style, nowMs: number): string[] {
  const { columns: width, lines } = size;
  const header = headerLines(view, nowMs).map((segments) => fitSegments(segments, width));
  const [first = '', ...others] = header;
  const last = lastLine(view.line, width, style);
  const heads = [style.bold(first), ...others];
  // Heading and one row at the least; what is above and below gives way to them.
  const spaced = lines >= 10 ? [...heads, ''] : lines >= 6 ? heads : heads.slice(0, Math.max(0, lines - 3));
  const room = Math.max(1, lines - spaced.length - 2);
  return [...spaced, ...tableLines(view, width, room, style), last].slice(0, Math.max(1, lines));
}

/** Figures are what is looked for here, so in a narrow terminal the task gives way first. */
const tableOf = <Row extends AgentRow>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
  style: Style,
): ReturnType<typeof agentTable<Row>> =>
  agentTable({ columns, rows, width, leastTaskWidth: Math.min(24, Math.floor(width / 4)), style });

/** Heading and as many rows around the selected one as there is room for, always as many lines as that. */
function tableLines(view: TopView, width: number, room: number, style: Style): string[] {
  const { rows, selected } = view;
  const table = tableOf(columns, rows, width - marked.length, style);
  const index = rows.findIndex((row) => row.pid === selected);
  const start = Math.max(0, Math.min(index - Math.floor(room / 2), rows.length - room));
  const shown = rows.slice(start, start + room).map((row) => {
    const line = table.line(row);
    if (row.pid === selected) return style.inverse(`${marked}${line}`);
    return row.state === 'exited' ? style.dim(`${unmarked}${line}`) : `${unmarked}${line}`;
  });
  if (rows.length === 0) shown.push(style.dim(truncate(' no agents yet', width)));
  const blank = Array.from({ length: Math.max(0, room - shown.length) }, () => '');
  return [`${unmarked}${table.heading}`, ...shown, ...blank];
}

/** Once, as plain lines, for a log or a pipe. */
export function plainTop(view: TopView, width: number, style: Style, nowMs: number): string {
  const table = tableOf(columns, view.rows, width, style);
  const lines = [...headerLines(view, nowMs).map((segments) => fitSegments(segments, width)), table.heading];
  return `${[...lines, ...view.rows.map(table.line)].join('\n')}\n`;
}

/** A table of one kernel for `amk ps`: what a single look can tell. */
export function plainRows(rows: readonly AgentRow[], width: number, style: Style): string[] {
  const table = tableOf([...steeringColumns, ...usageColumns], rows, width, style);
  return [table.heading, ...rows.map(table.line)];
}

/** `kernel 4711 (cli)`, and what else tells it from others. */
export function kernelSegments({ osPid, client, model, device, workspaces }: KernelDescriptor): string[] {
  return [`kernel ${osPid} (${client})`, model, device, workspaces.join(', ')]
    .filter((text) => text !== '')
    .map((text) => escapeForDisplay(text));
}

interface Totals {
  readonly slotsUsed: number;
  readonly live: number;
  readonly deviceShare: number;
  readonly generatedPerSecond: number;
}

function totalsOf({ rows }: TopView): Totals {
  const sum = (valueOf: (row: TopRow) => number): number =>
    rows.reduce((total, row) => total + valueOf(row), 0);
  return {
    slotsUsed: rows.filter(({ kvBytes }) => kvBytes > 0).length,
    live: rows.filter((row) => row.state !== 'exited').length,
    deviceShare: Math.min(
      1,
      sum(({ rates }) => rates?.deviceShare ?? 0),
    ),
    generatedPerSecond: sum(({ rates }) => rates?.generatedPerSecond ?? 0),
  };
}

function headerLines(view: TopView, nowMs: number): string[][] {
  const { kernel, info, usage, rows } = view;
  const { slotsUsed, live, deviceShare, generatedPerSecond } = totalsOf(view);
  const [name = '', ...others] = kernelSegments(kernel);
  const ended = rows.length - live;
  return [
    [name, ...others.slice(0, 2), `up ${formatAge(nowMs - kernel.startedAt)}`, ...others.slice(2)],
    [
      `${live} ${live === 1 ? 'agent' : 'agents'}${ended > 0 ? `, ${ended} ended` : ''}`,
      `slots ${slotsUsed}/${info.slots}`,
      `device ${percent(deviceShare)} %`,
      `${generatedPerSecond.toFixed(1)} tok/s`,
      `memory ${formatBytes(usage.rssBytes)}, at most ${formatBytes(usage.peakRssBytes)}`,
    ],
  ];
}

function lastLine(line: TopLine, width: number, style: Style): string {
  switch (line.kind) {
    case 'keys':
      return style.dim(fitSegments(keyHints, width));
    case 'question':
      return style.bold(truncate(line.text, width));
    case 'note':
      return truncate(line.text, width);
    case 'error':
      return style.red(truncate(escapeForDisplay(line.text), width));
    default:
      return line satisfies never;
  }
}

/** As many of the segments as fit; the first is cut rather than left out. */
function fitSegments(segments: readonly string[], width: number): string {
  const [first = '', ...others] = segments;
  let text = truncate(first, width);
  for (const segment of others) {
    const longer = `${text}  ${segment}`;
    if (displayWidth(longer) > width) break;
    text = longer;
  }
  return text;
}

/** What scripts read: the rows as they are, with the rates of the time that was looked at. */
export function topDocument(view: TopView): object {
  const { kernel, info, usage } = view;
  const { slotsUsed, deviceShare, generatedPerSecond } = totalsOf(view);
  return {
    kernel: {
      ...kernelDocument(kernel),
      slots: { used: slotsUsed, total: info.slots },
      deviceShare: rounded(deviceShare),
      generatedPerSecond: rounded(generatedPerSecond),
      ...usage,
    },
    agents: view.rows.map(({ rates, ...row }) => ({
      ...row,
      deviceShare: rounded(rates?.deviceShare ?? 0),
      generatedPerSecond: rounded(rates?.generatedPerSecond ?? 0),
    })),
  };
}

/** The descriptor without what opens the door. */
export function kernelDocument({
  osPid,
  client,
  model,
  device,
  workspaces,
  startedAt,
}: KernelDescriptor): object {
  return { pid: osPid, client, model, device, workspaces, startedAt };
}

const percent = (share: number): string => (share * 100).toFixed(0);
const rounded = (value: number): number => Math.round(value * 1000) / 1000;

function formatAge(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d`;
}
