/**
 * A Channel over a stream socket: one JSON frame a line. It promises that a line of any length or content does no
 * harm: one that grows beyond the limit closes the channel, one that is not JSON is handed on as text, which no frame
 * is. What waits for a slow reader is bounded, and `onClose` fires once.
 * It must not need the types of Node: `shared` is compiled without them.
 */

import { KernelError } from './errors.js';
import type { Channel } from './peer.js';

/** What a socket needs to have. */
export interface LineEndpoint {
  readonly destroyed: boolean;
  /** Bytes that were written and have not left yet. */
  readonly writableLength: number;
  setEncoding(encoding: 'utf8'): unknown;
  write(text: string): boolean;
  /** Closes after what was written has left. */
  destroySoon(): void;
  destroy(): unknown;
  on(event: 'data', listener: (piece: string) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface LineLimits {
  /** Characters of one line that comes in, and of one that goes out. */
  readonly incomingLength: number;
  readonly outgoingLength: number;
  readonly unsentBytes: number;
}

/** @param onFault told why the channel closed itself, when the other side broke a limit */
export function lineChannel(
  endpoint: LineEndpoint,
  limits: LineLimits,
  onFault: (reason: string) => void = () => undefined,
): Channel {
  const closeListeners = new Set<() => void>();
  let frameListener: (frame: unknown) => void = () => undefined;
  let closed = false;

  const closeNow = (end: () => void): void => {
    if (closed) return;
    closed = true;
    end();
    for (const listener of closeListeners) listener();
  };
  const fail = (reason: string): void => {
    if (closed) return;
    onFault(reason);
    closeNow(() => endpoint.destroy());
  };
  endpoint.setEncoding('utf8');
  endpoint.on(
    'data',
    lineReader(limits.incomingLength, (line) => {
      if (closed) return;
      if (line.length <= limits.incomingLength) frameListener(fromJson(line));
      else fail(`a line is longer than ${limits.incomingLength} characters`);
    }),
  );
  // An error is always followed by `close`.
  endpoint.on('error', () => undefined);
  endpoint.on('close', () => closeNow(() => undefined));

  return {
    send(frame) {
      if (closed || endpoint.destroyed) throw new KernelError('peerGone', 'the channel is closed');
      const line = JSON.stringify(frame);
      if (line.length > limits.outgoingLength) {
        throw new KernelError('limitReached', `a frame is longer than ${limits.outgoingLength} characters`);
      }
      if (endpoint.writableLength > limits.unsentBytes) {
        const reason = `the other process left ${endpoint.writableLength} bytes unread`;
        fail(reason);
        throw new KernelError('peerGone', reason);
      }
      endpoint.write(`${line}\n`);
    },
    onFrame(listener) {
      frameListener = listener;
    },
    onClose(listener) {
      if (closed) listener();
      else closeListeners.add(listener);
    },
    close: () => closeNow(() => endpoint.destroySoon()),
  };
}

/** Cuts text into lines, however it came in pieces. What is too long already is not waited for until it ends. */
function lineReader(maxLength: number, onLine: (line: string) => void): (piece: string) => void {
  let unfinished = '';
  return (piece) => {
    const [first = '', ...others] = piece.split('\n');
    unfinished += first;
    for (const next of others) {
      onLine(unfinished);
      unfinished = next;
    }
    if (unfinished.length <= maxLength) return;
    onLine(unfinished);
    unfinished = '';
  };
}

/** The value that the line says, or the line itself. */
function fromJson(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return line;
  }
}
