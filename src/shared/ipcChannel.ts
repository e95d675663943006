/**
 * A Channel over the IPC pipe between a Node process and the child it forked. Both ends use it: the client on the
 * child it forked, the kernel on its own `process`. It promises that a frame is either handed to the pipe or the
 * send throws, that `onClose` fires once, and that what waits in memory for a reader is bounded.
 * It must not need the types of Node: `shared` is compiled without them.
 */

import { KernelError } from './errors.js';
import type { Channel, Frame } from './peer.js';

/** What a forked child and the `process` of a child have in common. */
export interface IpcEndpoint {
  readonly connected: boolean;
  /** Missing on the `process` of a program that nobody forked. */
  send?(
    message: Frame,
    handle: undefined,
    options: undefined,
    callback: (error: Error | null) => void,
  ): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
  on(event: 'disconnect', listener: () => void): unknown;
  disconnect?(): void;
}

/**
 * Frames that may wait for a reader. Reading stops when the other process hangs or stands at a breakpoint; at
 * twenty events a second this is more than an hour of it, and about 100 MB.
 */
const maxUnreadFrames = 100_000;

export function ipcChannel(endpoint: IpcEndpoint, unreadLimit = maxUnreadFrames): Channel {
  const closeListeners = new Set<() => void>();
  let closed = false;
  let unread = 0;

  const closeNow = (): void => {
    if (closed) return;
    closed = true;
    if (endpoint.connected) endpoint.disconnect?.();
    for (const listener of closeListeners) listener();
  };
  const onSent = (error: Error | null): void => {
    unread--;
    if (error !== null) closeNow();
  };
  endpoint.on('disconnect', closeNow);

  return {
    send(frame) {
      if (closed || !endpoint.connected || endpoint.send === undefined) {
        throw new KernelError('peerGone', 'the channel is closed');
      }
      if (unread >= unreadLimit) {
        closeNow();
        throw new KernelError('peerGone', `the other process left ${unreadLimit} frames unread`);
      }
      // Counted before the send, since a failing pipe may call back at once.
      unread++;
      endpoint.send(frame, undefined, undefined, onSent);
    },
    onFrame(listener) {
      endpoint.on('message', listener);
    },
    onClose(listener) {
      if (closed) listener();
      else closeListeners.add(listener);
    },
    close: closeNow,
  };
}
