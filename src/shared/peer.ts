/**
 * The one typed RPC endpoint of this project, over any channel that carries plain data both ways.
 *
 * Frames: call, cancel, result, event. Every call gets exactly one answer: a result or a KernelError. An unknown
 * name, a handler that throws, a dead peer and a closed channel all reject; a malformed frame is answered when it
 * names a call and reported to `onMalformed` in any case. It must never drop a pending promise.
 */

import { KernelError, fromErrorData, messageOf, toErrorData, type ErrorData } from './errors.js';
import type { Disposable } from './lifecycle.js';

/** A line per call: name → what goes in, what comes out. Only plain data crosses. */
export type CallTable<T> = { [K in keyof T]: { in: unknown; out: unknown } };

/** The functions that answer one table; a missing one is a compile error. */
export type Handlers<T extends CallTable<T>> = {
  [K in keyof T]: (input: T[K]['in'], signal: AbortSignal) => Promise<T[K]['out']> | T[K]['out'];
};

/** Carries frames. `onClose` fires once, whoever closed it. Sending on a closed channel must throw. */
export interface Channel {
  send(frame: Frame): void;
  onFrame(listener: (frame: unknown) => void): void;
  onClose(listener: () => void): void;
  close(): void;
}

export type Frame =
  | { readonly type: 'call'; readonly id: number; readonly name: string; readonly input: unknown }
  | { readonly type: 'cancel'; readonly id: number }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'error'; readonly id: number; readonly error: ErrorData }
  | { readonly type: 'event'; readonly name: string; readonly payload: unknown };

export interface PeerOptions<Local extends CallTable<Local>> {
  readonly channel: Channel;
  readonly handlers: Handlers<Local>;
  /** Told about every frame that is not one, with the reason. */
  readonly onMalformed?: (reason: string) => void;
}

interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: KernelError) => void;
}

type AnyHandler = (input: unknown, signal: AbortSignal) => unknown;

/**
 * @typeParam Local calls that this side answers
 * @typeParam Remote calls that the other side answers
 * @typeParam Incoming events that the other side emits
 * @typeParam Outgoing events that this side emits
 */
export class Peer<Local extends CallTable<Local>, Remote extends CallTable<Remote>, Incoming, Outgoing> {
  readonly #channel: Channel;
  readonly #handlers: ReadonlyMap<string, AnyHandler>;
  readonly #onMalformed: (reason: string) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #serving = new Map<number, AbortController>();
  readonly #listeners = new Map<keyof Incoming, Set<(payload: never) => void>>();
  readonly #closeListeners = new Set<() => void>();
  #nextId = 1;
  #closed = false;

  constructor(options: PeerOptions<Local>) {
    this.#channel = options.channel;
    this.#handlers = new Map(Object.entries<AnyHandler>(options.handlers as Record<string, AnyHandler>));
    this.#onMalformed = options.onMalformed ?? (() => undefined);
    this.#channel.onFrame((frame) => this.#receive(frame));
    this.#channel.onClose(() => this.#closeNow());
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Calls the other side. Rejects with a KernelError: the other side's, `cancelled`, or `peerGone`. */
  call<K extends keyof Remote & string>(
    name: K,
    input: Remote[K]['in'],
    signal?: AbortSignal,
  ): Promise<Remote[K]['out']> {
    if (signal?.aborted) return Promise.reject(new KernelError('cancelled', `${name} was cancelled`));
    if (this.#closed) return Promise.reject(new KernelError('peerGone', `${name}: the channel is closed`));
    const id = this.#nextId++;
    return new Promise<unknown>((resolve, reject) => {
      const onAbort = (): void => {
        if (this.#settle(id)) {
          this.#trySend({ type: 'cancel', id });
          reject(new KernelError('cancelled', `${name} was cancelled`));
        }
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const done = (): void => signal?.removeEventListener('abort', onAbort);
      this.#pending.set(id, {
        resolve: (value) => {
          done();
          resolve(value);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      });
      try {
        this.#channel.send({ type: 'call', id, name, input });
      } catch (error) {
        this.#settle(id)?.reject(
          new KernelError('peerGone', `${name}: ${messageOf(error)}`, { cause: error }),
        );
      }
    });
  }

  /** Emits an event; on a closed channel nobody listens, so it goes nowhere. */
  emit<K extends keyof Outgoing & string>(name: K, payload: Outgoing[K]): void {
    this.#trySend({ type: 'event', name, payload });
  }

  on<K extends keyof Incoming & string>(name: K, listener: (payload: Incoming[K]) => void): Disposable {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return { dispose: () => void listeners.delete(listener) };
  }

  /** Runs once when the channel closes, or at once when it is closed already. */
  onClose(listener: () => void): void {
    if (this.#closed) listener();
    else this.#closeListeners.add(listener);
  }

  close(): void {
    this.#channel.close();
    this.#closeNow();
  }

  #receive(frame: unknown): void {
    const fault = faultOf(frame);
    if (fault !== undefined) {
      this.#onMalformed(fault);
      const id = idOfCall(frame);
      if (id !== undefined) this.#answerError(id, new KernelError('badRequest', `malformed frame: ${fault}`));
      return;
    }
    this.#dispatch(frame as Frame);
  }

  #dispatch(frame: Frame): void {
    switch (frame.type) {
      case 'call':
        void this.#serve(frame.id, frame.name, frame.input);
        break;
      case 'cancel':
        this.#serving.get(frame.id)?.abort();
        break;
      case 'result':
        this.#settle(frame.id)?.resolve(frame.value);
        break;
      case 'error':
        this.#settle(frame.id)?.reject(fromErrorData(frame.error));
        break;
      case 'event':
        for (const listener of this.#listeners.get(frame.name as keyof Incoming) ?? [])
          listener(frame.payload as never);
        break;
      default:
        frame satisfies never;
    }
  }

  async #serve(id: number, name: string, input: unknown): Promise<void> {
    const handler = this.#handlers.get(name);
    if (handler === undefined) {
      this.#answerError(id, new KernelError('unknownCall', `there is no call "${name}"`));
      return;
    }
    if (this.#serving.has(id)) {
      this.#onMalformed(`call ${id} is open already`);
      return;
    }
    const controller = new AbortController();
    this.#serving.set(id, controller);
    try {
      const value = await handler(input, controller.signal);
      this.#trySend({ type: 'result', id, value: value ?? null });
    } catch (error) {
      this.#answerError(id, error);
    } finally {
      this.#serving.delete(id);
    }
  }

  #answerError(id: number, error: unknown): void {
    this.#trySend({ type: 'error', id, error: toErrorData(error) });
  }

  /** An answer or event that cannot be sent has nobody left to read it. */
  #trySend(frame: Frame): void {
    if (this.#closed) return;
    try {
      this.#channel.send(frame);
    } catch {
      this.#closeNow();
    }
  }

  /** Takes a pending call out of the table; only whoever got it may settle it. */
  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #closeNow(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id)?.reject(new KernelError('peerGone', 'the other process closed the channel'));
    }
    for (const controller of this.#serving.values()) controller.abort();
    for (const listener of this.#closeListeners) listener();
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

const idOfCall = (frame: unknown): number | undefined =>
  isObject(frame) && frame['type'] === 'call' && typeof frame['id'] === 'number' ? frame['id'] : undefined;

/** Why `frame` is not a Frame, or undefined when it is one. */
function faultOf(frame: unknown): string | undefined {
  if (!isObject(frame)) return 'not an object';
  const { type, id, name, error } = frame;
  switch (type) {
    case 'event':
      return typeof name === 'string' ? undefined : 'an event needs a name';
    case 'call':
      if (typeof name !== 'string') return 'a call needs a name';
      break;
    case 'error':
      if (!isObject(error) || typeof error['code'] !== 'string') return 'an error needs a code';
      break;
    case 'cancel':
    case 'result':
      break;
    default:
      return `unknown frame type ${JSON.stringify(type)}`;
  }
  return typeof id === 'number' ? undefined : `a ${type} needs a number as id`;
}
