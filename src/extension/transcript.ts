/**
 * What the agents say, as one readable text although many speak at once: a line belongs to one agent, who is named
 * at its beginning, and text streams into the line that is open while the others' waits for the line to end.
 * Nothing is dropped; an open line is broken by its agent's pause, or between sentences when somebody waits. Text of models and tools is data: it is
 * escaped, so that it can neither forge another agent's line nor hide.
 */

import { escapeForDisplay, escapeLines } from '../shared/escape.js';
import type { AgentReport, Decision, KernelInfo, Pid, ToolCallReport } from '../shared/protocol.js';

interface Speaker {
  label: string;
  /** Lines, and the beginning of one, that are not written yet. */
  unwritten: string;
  /** White space at the end of what has come: written when more comes, dropped when the turn is over. */
  heldBack: string;
  isAtLineStart: boolean;
  lastWritten: string;
  /** What the model said since its last tool call. */
  turn: string;
}

const maxArgumentLength = 80;

const decisionWords: Readonly<Record<Decision, string>> = {
  granted: 'granted',
  'allowed-once': 'allowed once',
  'allowed-run': 'allowed for this run',
  'allowed-session': 'allowed for this session',
  'allowed-workspace': 'allowed in this workspace',
  denied: 'denied',
  none: '',
};

export class Transcript {
  readonly #append: (text: string) => void;
  readonly #speakers = new Map<Pid, Speaker>();
  /** Agents that are gone and have not been written out; their numbers may come again. */
  #leaving: Speaker[] = [];
  /** Whose line is open. */
  #owner: Speaker | undefined;

  constructor(append: (text: string) => void) {
    this.#append = append;
  }

  begin(pid: Pid, name: string, task: string): void {
    const speaker = this.#speakerOf(pid);
    speaker.label = `${name} ${pid}`;
    speaker.unwritten = `● ${escapeForDisplay(task)}\n${speaker.unwritten}`;
    this.#write();
  }

  text(pid: Pid, text: string): void {
    const speaker = this.#speakerOf(pid);
    const escaped = escapeLines(text.replaceAll('\r\n', '\n'));
    speaker.unwritten += withoutEdges(speaker, escaped);
    if (speaker.turn !== '' || escaped.trim() !== '') speaker.turn += escaped;
    this.#write();
  }

  toolCalled(pid: Pid, call: ToolCallReport, result: string): void {
    const speaker = this.#speakerOf(pid);
    speaker.turn = '';
    this.#addLine(speaker, describeCall(call, result));
  }

  /** Something left the agent's window, or came back. */
  contextChanged(pid: Pid, text: string): void {
    this.#addLine(this.#speakerOf(pid), `· ${escapeForDisplay(text)}`);
  }

  /** An agent that will say nothing for a while does not keep the line. */
  rest(pid: Pid): void {
    const speaker = this.#speakers.get(pid);
    if (speaker !== undefined) this.#endLine(speaker);
  }

  end(report: AgentReport): void {
    const speaker = this.#speakerOf(report.pid);
    const answer = escapeLines(report.answer).trim();
    if (answer !== '' && speaker.turn.trim() !== answer) this.#addLine(speaker, answer);
    this.#addLine(speaker, describeEnd(report));
    this.#forget(report.pid, speaker);
  }

  /** The agent ended without a report. */
  lose(pid: Pid, reason: string): void {
    const speaker = this.#speakers.get(pid);
    if (speaker === undefined) return;
    this.#addLine(speaker, `✗ ${escapeForDisplay(reason)}`);
    this.#forget(pid, speaker);
  }

  /** A line that no agent said. */
  note(line: string): void {
    if (this.#owner !== undefined) this.#endLine(this.#owner);
    this.#append(`${escapeForDisplay(line)}\n`);
  }

  #speakerOf(pid: Pid): Speaker {
    const known = this.#speakers.get(pid);
    if (known !== undefined) return known;
    const speaker = {
      label: `agent ${pid}`,
      unwritten: '',
      heldBack: '',
      isAtLineStart: true,
      lastWritten: '',
      turn: '',
    };
    this.#speakers.set(pid, speaker);
    return speaker;
  }

  #addLine(speaker: Speaker, line: string): void {
    this.#endLine(speaker);
    speaker.unwritten += `${line}\n`;
    this.#write();
  }

  #endLine(speaker: Speaker): void {
    speaker.heldBack = '';
    speaker.isAtLineStart = true;
    const isOpen = this.#owner === speaker || (speaker.unwritten !== '' && !speaker.unwritten.endsWith('\n'));
    if (!isOpen) return;
    speaker.unwritten += '\n';
    this.#write();
  }

  #forget(pid: Pid, speaker: Speaker): void {
    this.#speakers.delete(pid);
    this.#leaving = [...this.#leaving, speaker].filter(({ unwritten }) => unwritten !== '');
  }

  /** Writes the open line on, then whoever waits, in the order in which they began. */
  #write(): void {
    for (;;) {
      const speaker = this.#owner ?? this.#everyone().find(({ unwritten }) => unwritten !== '');
      if (speaker === undefined) return;
      if (speaker.unwritten === '') {
        if (!isBetweenSentences(speaker) || !this.#hasWholeLine()) return;
        speaker.heldBack = '';
        speaker.isAtLineStart = true;
        speaker.unwritten = '\n';
      }
      const end = speaker.unwritten.indexOf('\n');
      const piece = end < 0 ? speaker.unwritten : speaker.unwritten.slice(0, end);
      speaker.unwritten = end < 0 ? '' : speaker.unwritten.slice(end + 1);
      this.#writePiece(speaker, piece, end >= 0);
    }
  }

  #everyone(): Speaker[] {
    return [...this.#leaving, ...this.#speakers.values()];
  }

  #hasWholeLine(): boolean {
    return this.#everyone().some(({ unwritten }) => unwritten.includes('\n'));
  }

  #writePiece(speaker: Speaker, piece: string, endsLine: boolean): void {
    if (this.#owner === undefined) this.#append(`${speaker.label} │ `);
    this.#append(endsLine ? `${piece}\n` : piece);
    if (piece !== '') speaker.lastWritten = piece;
    this.#owner = endsLine ? undefined : speaker;
  }
}

/** Where a line can be broken without tearing a word or a place in a file apart. */
function isBetweenSentences({ lastWritten, heldBack }: Speaker): boolean {
  return heldBack !== '' && /[.!?]$/.test(lastWritten);
}

/** Blank lines between paragraphs are text; those at the edges of a turn are noise of the chat template. */
function withoutEdges(speaker: Speaker, text: string): string {
  const all = speaker.heldBack + text;
  const fresh = speaker.turn === '' ? all.replace(/^\s*\n/, '') : all;
  const body = fresh.trimEnd();
  const tail = fresh.slice(body.length);
  const lineEnd = body === '' && speaker.isAtLineStart ? -1 : tail.indexOf('\n');
  speaker.heldBack = tail.slice(lineEnd + 1);
  if (body !== '' || lineEnd >= 0) speaker.isAtLineStart = lineEnd >= 0;
  return lineEnd >= 0 ? `${body}\n` : body;
}

export function describeCall(call: ToolCallReport, result: string): string {
  const list = Object.entries(call.arguments).map(([name, value]) => `${name}: ${clip(value)}`);
  const right = call.capability === null ? '' : ` · ${call.capability} ${decisionWords[call.decision]}`;
  const fault = call.ok ? '' : ` · failed: ${clip(result.split('\n', 1)[0] ?? '')}`;
  return escapeForDisplay(
    `→ ${call.tool}(${list.join(', ')})${right.trimEnd()} · ${formatMs(call.ms)}${fault}`,
  );
}

function describeEnd(report: AgentReport): string {
  const { state, error, tokens, toolCalls, ms } = report;
  const calls = toolCalls.length === 1 ? '1 tool call' : `${toolCalls.length} tool calls`;
  const figures = `${tokens.prompt} + ${tokens.generated} tokens · ${calls} · ${formatMs(ms.total)}`;
  const fault = error === null || state !== 'failed' ? '' : `: ${escapeForDisplay(error.message)}`;
  return `${state === 'answered' ? '✓' : '✗'} ${state}${fault} · ${figures}`;
}

/** The line that says who answers, where nobody chose a model. */
export function embeddedModelNote(info: KernelInfo): string {
  const size = `${Math.round(info.modelBytes / 1_000_000)} MB`;
  return `Answers come from ${info.model}, the small embedded model (${size}, ${info.device}). For harder work choose a larger one: command “Agents: Choose Model File…”.`;
}

function clip(text: string): string {
  return text.length <= maxArgumentLength ? text : `${text.slice(0, maxArgumentLength)}…`;
}

function formatMs(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
