/**
 * How a run is shown while it goes on, always on stderr: stdout is for the result. Two ways: a live table with
 * questions in a terminal, and plain lines without any control character elsewhere.
 */

import { scopeOf } from '../shared/capability.js';
import { escapeForDisplay, escapeLines } from '../shared/escape.js';
import type { Disposable } from '../shared/lifecycle.js';
import type {
  AgentRow,
  LogLevel,
  PermissionAnswer,
  PermissionRequest,
  Pid,
  ToolCallReport,
} from '../shared/protocol.js';
import { renderAgents, stateOf } from './agentRows.js';
import { displayWidth } from './displayWidth.js';
import { openKeyboard, type KeyInput } from './keyboard.js';
import { LiveScreen, type ScreenLine, type TerminalOutput } from './liveScreen.js';
import { PermissionDialog, describeWish } from './permissionDialog.js';
import type { Style } from './style.js';

export interface Presentation extends Disposable {
  rowsChanged(rows: readonly AgentRow[]): void;
  toolCalled(pid: Pid, call: ToolCallReport): void;
  /** Something left an agent's window, or came back. */
  contextChanged(pid: Pid, text: string): void;
  log(level: LogLevel, message: string): void;
  /** A line from `amk` itself. */
  note(text: string): void;
  askPermission(request: PermissionRequest, signal: AbortSignal): Promise<PermissionAnswer>;
}

/** `[2] search(query: "parse"): granted fs.read, 12 ms` */
function describeCall(pid: Pid, call: ToolCallReport): string {
  const inputs = Object.entries(call.arguments).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
  const what = call.capability === null ? call.decision : `${call.decision} ${call.capability}`;
  const outcome = call.ok ? '' : ', failed';
  return escapeForDisplay(
    `[${pid}] ${call.tool}(${inputs.join(', ')}): ${what}, ${Math.round(call.ms)} ms${outcome}`,
  );
}

const describeChange = (pid: Pid, text: string): string => escapeForDisplay(`[${pid}] ${text}`);

const describeLog = (level: LogLevel, message: string): string => `kernel ${level}: ${escapeLines(message)}`;

const isShown = (level: LogLevel, isVerbose: boolean): boolean => isVerbose || level !== 'info';

export interface PlainOptions {
  readonly write: (text: string) => void;
  readonly isVerbose: boolean;
}

/** Lines that can be read in a log file. A question has nobody to answer it and is refused with what to do. */
export function plainPresentation({ write, isVerbose }: PlainOptions): Presentation {
  const shown = new Map<Pid, string>();
  const note = (text: string): void => write(`${text}\n`);
  return {
    rowsChanged(rows) {
      for (const row of rows) {
        // Ready and running alternate with every quantum: that is the scheduler's business, not news.
        const state = row.state === 'ready' ? 'running' : stateOf(row);
        if (shown.get(row.pid) === state) continue;
        const isNew = !shown.has(row.pid);
        shown.set(row.pid, state);
        const detail = isNew ? row.task.trim() : row.reason;
        note(escapeForDisplay(`[${row.pid}] ${row.name} ${state}${detail === '' ? '' : `: ${detail}`}`));
      }
    },
    toolCalled: (pid, call) => note(describeCall(pid, call)),
    contextChanged: (pid, text) => note(describeChange(pid, text)),
    log(level, message) {
      if (isShown(level, isVerbose)) note(describeLog(level, message));
    },
    note,
    askPermission(request) {
      const { capability } = request.access;
      const grant = quoteForShell(`${capability}:${scopeOf(request.access)}`);
      note(`${describeWish(request)}: denied, no terminal to ask; give --grant ${grant}`);
      // What to do about it is for the person: to the agent a refusal without a reason says all there is.
      return Promise.resolve({ kind: 'deny', reason: '' });
    },
    dispose: () => undefined,
  };
}

/** One word of a POSIX shell, to be pasted; what a terminal would not show as it is cannot be. */
function quoteForShell(word: string): string {
  const shown = escapeForDisplay(word);
  return /^[\w@%+=:,./-]+$/.test(shown) ? shown : `'${shown.replaceAll("'", "'\\''")}'`;
}

/** The heading, one agent, and how many more there are: so much of the table stays beside a long question. */
const leastTableLines = 4;

export interface LiveOptions {
  readonly output: TerminalOutput;
  readonly input: KeyInput;
  readonly style: Style;
  readonly isVerbose: boolean;
  readonly onInterrupt: () => void;
}

export function livePresentation(options: LiveOptions): Presentation {
  const { output, input, style, isVerbose, onInterrupt } = options;
  const rows = new Map<Pid, AgentRow>();
  const dialog = new PermissionDialog({
    now: () => performance.now(),
    onChange: () => screen.changed(),
  });
  const screen = new LiveScreen(output, (columns, lines) => {
    const question = dialog.draw(columns - 1, Math.max(1, lines - leastTableLines));
    const size = { columns: columns - 1, lines: lines - question.length - 1 };
    const table = rows.size === 0 ? [] : renderAgents([...rows.values()], size, style);
    return [...table.map(measure), ...question.map((text) => measureAs(style.bold(text), text))];
  });
  const keyboard = openKeyboard(input, { onKey: (key) => dialog.press(key), onInterrupt });
  return {
    rowsChanged(changed) {
      for (const row of changed) rows.set(row.pid, row);
      screen.changed();
    },
    toolCalled(pid, call) {
      if (isVerbose || !call.ok) screen.print(style.dim(describeCall(pid, call)));
    },
    contextChanged: (pid, text) => screen.print(style.dim(describeChange(pid, text))),
    log(level, message) {
      if (isShown(level, isVerbose)) screen.print(describeLog(level, message));
    },
    note: (text) => screen.print(text),
    askPermission: (request, signal) => dialog.ask(request, signal),
    dispose() {
      keyboard.dispose();
      screen.dispose();
    },
  };
}

// eslint-disable-next-line no-control-regex -- the escape character is what a style sequence begins with
const styleSequence = /\u001b\[\d+m/g;

const measureAs = (text: string, shown: string): ScreenLine => ({ text, width: displayWidth(shown) });
/** A styled line and its width. */
export const measure = (text: string): ScreenLine => measureAs(text, text.replace(styleSequence, ''));
