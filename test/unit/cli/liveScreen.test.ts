// What is written to a terminal, byte for byte; `^` stands for the escape character.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { LiveScreen, type ScreenLine } from '../../../src/cli/liveScreen.js';

class Terminal extends EventEmitter {
  columns = 20;
  rows = 5;
  readonly written: string[] = [];
  write(text: string): void {
    this.written.push(text.replaceAll('\u001b', '^'));
  }
}

const line = (text: string): ScreenLine => ({ text, width: text.length });

suite('live lines in a terminal', () => {
  let terminal: Terminal;
  let lines: ScreenLine[];
  let screen: LiveScreen;

  setup(() => {
    terminal = new Terminal();
    lines = [line('one'), line('two')];
    screen = new LiveScreen(terminal, () => lines);
  });
  teardown(() => screen.dispose());

  test('hides the cursor and brings it back, below the lines', () => {
    screen.dispose();
    screen.dispose();
    assert.deepEqual(terminal.written, ['^[?25l', '\rone^[K\ntwo^[K^[J', '\n^[?25h']);
    assert.equal(terminal.listenerCount('resize'), 0);
  });

  test('draws changes together, in one write, over what it drew before', async () => {
    screen.print('first');
    screen.changed();
    lines = [line('uno')];
    screen.changed();
    await new Promise((resolve) => setTimeout(resolve, 80));
    assert.deepEqual(terminal.written.slice(1), ['\r^[Jfirst\none^[K\ntwo^[K^[J', '\r^[1Auno^[K^[J']);
  });

  test('finds the top again when a narrower terminal has broken its lines', () => {
    lines = [line('x'.repeat(18)), line('y')];
    screen.print('');
    terminal.columns = 6;
    screen.print('');
    assert.match(terminal.written.at(-1) ?? '', /^\r\^\[3A/);
  });

  test('draws no more lines than there are', () => {
    lines = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map(line);
    screen.print('x');
    assert.equal(terminal.written.at(-1), '\r^[Jx\nc^[K\nd^[K\ne^[K\nf^[K\ng^[K^[J');
  });

  test('writes nothing after its end', () => {
    screen.dispose();
    const { length } = terminal.written;
    screen.print('late');
    screen.changed();
    terminal.emit('resize');
    assert.equal(terminal.written.length, length);
  });
});
