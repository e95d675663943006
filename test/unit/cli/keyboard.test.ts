// What counts as a key.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { openKeyboard } from '../../../src/cli/keyboard.js';

class Input extends EventEmitter {
  readonly modes: (boolean | 'resumed' | 'paused')[] = [];
  setRawMode(isRaw: boolean): void {
    this.modes.push(isRaw);
  }
  resume(): void {
    this.modes.push('resumed');
  }
  pause(): void {
    this.modes.push('paused');
  }
}

suite('keys from a terminal', () => {
  test('are single: no escape sequence and no paste is a key, ctrl-c interrupts', () => {
    const input = new Input();
    const heard: string[] = [];
    const keyboard = openKeyboard(input, {
      onKey: (key) => heard.push(key),
      onInterrupt: () => heard.push('interrupt'),
    });
    for (const typed of [
      'o',
      'r\r',
      '\u001b',
      '\u001b[A',
      'ooo',
      '\r',
      '\u0003',
      'x\u0003',
      '日',
      '🚀',
      '',
    ]) {
      input.emit('data', Buffer.from(typed));
    }
    keyboard.dispose();
    input.emit('data', 'o');
    assert.deepEqual(heard, ['o', 'r', '\u001b', '\r', 'interrupt', 'interrupt', '日', '🚀']);
    assert.deepEqual(input.modes, [true, 'resumed', false, 'paused']);
  });

  test('arrows and function keys are told apart from keys, also when several arrive at once', () => {
    const input = new Input();
    const heard: string[] = [];
    const keyboard = openKeyboard(input, {
      onKey: (key) => heard.push(key),
      onInterrupt: () => undefined,
      onSequence: (sequence) => heard.push(sequence.replace('\u001b', '^')),
    });
    for (const typed of ['\u001b[A', '\u001b[B\u001b[B', '\u001bOA', '\u001b[19~', '\u001b', 'k', 'ky']) {
      input.emit('data', typed);
    }
    keyboard.dispose();
    assert.deepEqual(heard, ['^[A', '^[B', '^[B', '^OA', '^[19~', '\u001b', 'k']);
  });
});
