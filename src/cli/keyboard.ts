/**
 * Single keys from a terminal. In this mode the terminal neither echoes what is typed into the live lines nor turns
 * ctrl-c into a signal, so ctrl-c is a key here. `dispose` and the end of the process bring its usual mode back.
 */

import type { Disposable } from '../shared/lifecycle.js';

export interface KeyInput {
  setRawMode(isRaw: boolean): unknown;
  on(event: 'data', listener: (data: Buffer | string) => void): unknown;
  off(event: 'data', listener: (data: Buffer | string) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

const ctrlC = '\u0003';

export interface KeyListeners {
  readonly onKey: (key: string) => void;
  readonly onInterrupt: () => void;
  /** An arrow or function key, as the escape sequence that the terminal sends for it. */
  readonly onSequence?: (sequence: string) => void;
}

// eslint-disable-next-line no-control-regex -- the escape character is what a sequence begins with
const sequences = /\u001b(?:\[[\d;]*[A-Za-z~]|O[A-Z])/g;

export function openKeyboard(
  input: KeyInput,
  { onKey, onInterrupt, onSequence = () => undefined }: KeyListeners,
): Disposable {
  const onData = (data: Buffer | string): void => {
    const typed = data.toString();
    if (typed.includes(ctrlC)) {
      onInterrupt();
      return;
    }
    for (const [sequence] of typed.matchAll(sequences)) onSequence(sequence);
    // An arrow key or a paste arrives as several characters: neither is an answer. A line feed may follow a key.
    const key = typed.length > 1 ? typed.replace(/[\r\n]+$/, '') : typed;
    if (/^.$/su.test(key)) onKey(key);
  };
  const close = (): void => {
    process.off('exit', close);
    input.off('data', onData);
    input.setRawMode(false);
    input.pause();
  };
  input.setRawMode(true);
  input.on('data', onData);
  input.resume();
  process.once('exit', close);
  return { dispose: close };
}
