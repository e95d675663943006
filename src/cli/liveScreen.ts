/**
 * A few lines at the bottom of a terminal that are redrawn in place, with ordinary output scrolling above them.
 * Each redraw is one write, so nothing flickers. The cursor is hidden meanwhile; `close` (and the end of the
 * process) brings it back. It must never draw more lines than the terminal has: what scrolled away cannot be redrawn.
 */

import type { Disposable } from '../shared/lifecycle.js';

/** What a terminal stream needs to have. */
export interface TerminalOutput {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** A line and the columns it takes: styled text is longer than it is wide. */
export interface ScreenLine {
  readonly text: string;
  readonly width: number;
}

/** Changes within this time are drawn together: faster than people read. */
const redrawIntervalMs = 50;

const hideCursor = '\u001b[?25l';
const showCursor = '\u001b[?25h';
const clearToLineEnd = '\u001b[K';
const clearToScreenEnd = '\u001b[J';

export class LiveScreen implements Disposable {
  readonly #output: TerminalOutput;
  readonly #render: (columns: number, rows: number) => readonly ScreenLine[];
  #drawn: readonly ScreenLine[] = [];
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #onResize = (): void => this.changed();
  readonly #onExit = (): void => this.#leave();

  constructor(output: TerminalOutput, render: (columns: number, rows: number) => readonly ScreenLine[]) {
    this.#output = output;
    this.#render = render;
    output.on('resize', this.#onResize);
    process.once('exit', this.#onExit);
    output.write(hideCursor);
  }

  /** What is shown has changed; it is drawn soon. */
  changed(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => this.#draw(''), redrawIntervalMs);
  }

  /** Writes lines above the live ones; they stay. */
  print(text: string): void {
    if (!this.#closed) this.#draw(`${text}\n`);
  }

  /** Draws the last state, leaves it standing, and gives the cursor back. */
  dispose(): void {
    if (this.#closed) return;
    this.#draw('');
    this.#leave();
  }

  #leave(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#output.off('resize', this.#onResize);
    process.off('exit', this.#onExit);
    this.#output.write(`${this.#drawn.length > 0 ? '\n' : ''}${showCursor}`);
  }

  #draw(above: string): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { columns, rows } = this.#output;
    const back = toTop(this.#drawn, columns);
    this.#drawn = this.#render(columns, rows).slice(-rows);
    const printed = above === '' ? '' : `${clearToScreenEnd}${above}`;
    const lines = this.#drawn.map(({ text }) => text + clearToLineEnd).join('\n');
    this.#output.write(`${back}${printed}${lines}${clearToScreenEnd}`);
  }
}

/** Moves to the first of the lines drawn before; a narrower terminal has broken long ones into several. */
function toTop(drawn: readonly ScreenLine[], columns: number): string {
  const height = drawn.reduce((sum, { width }) => sum + Math.max(1, Math.ceil(width / columns)), 0);
  return height > 1 ? `\r\u001b[${height - 1}A` : '\r';
}
