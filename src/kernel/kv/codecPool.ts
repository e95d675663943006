/**
 * The snapshot codec on worker threads, which start when there is work and are kept. Requests are served in order, one
 * a thread; a thread that crashes or takes too long fails its one request, and the next gets a fresh thread. An idle
 * pool never keeps the process alive; one that is disposed has ended its threads and answered everybody.
 */

import { Worker } from 'node:worker_threads';
import type { StateFacts } from '../../hal/driver.js';
import { fromErrorData, KernelError, messageOf } from '../../shared/errors.js';
import type { AttentionInput, AttentionInputOptions } from './attentionInput.js';
import type { CodecCalls, CodecReply, CodecRequest } from './codecProtocol.js';
import type { EncodeOptions, SnapshotInfo } from './snapshot.js';

export interface CodecPoolOptions {
  /** Bundle of `codecWorker.ts`. */
  readonly workerUrl: URL;
  /** Requests worked on at once. */
  readonly threads: number;
  /** Time for one request, the start of a thread included. */
  readonly timeoutMs: number;
}

interface Work {
  readonly request: CodecRequest;
  readonly settle: (outcome: CodecReply | KernelError) => void;
}

export class CodecPool implements AsyncDisposable {
  readonly #options: CodecPoolOptions;
  readonly #idle: Worker[] = [];
  readonly #waiting: Work[] = [];
  /** Busy threads, and how each is stopped. */
  readonly #busy = new Map<Worker, (reason: KernelError) => void>();
  readonly #ending = new Set<Promise<unknown>>();
  #disposed = false;

  constructor(options: CodecPoolOptions) {
    this.#options = options;
  }

  /**
   * `encodeSnapshot`. The state file's bytes are moved away where they fill their buffer.
   * @throws KernelError as `encodeSnapshot`, and as every call here: `limitReached` when it took too long, `bug` when
   * the thread crashed, `cancelled` when the pool was closed
   */
  encode(stateFile: Uint8Array, options: EncodeOptions): Promise<Uint8Array> {
    return this.#call<'encode'>({ kind: 'encode', stateFile: movable(stateFile), ...options });
  }

  /** `decodeSnapshot`. The snapshot's bytes are moved away where they fill their buffer. */
  decode(snapshot: Uint8Array, facts: StateFacts): Promise<Uint8Array> {
    return this.#call<'decode'>({ kind: 'decode', snapshot: movable(snapshot), facts });
  }

  /** `inspectSnapshot`. The snapshot's bytes are moved away where they fill their buffer. */
  inspect(snapshot: Uint8Array): Promise<SnapshotInfo> {
    return this.#call<'inspect'>({ kind: 'inspect', snapshot: movable(snapshot) });
  }

  /** `attentionInput`. The state file's bytes are moved away where they fill their buffer. */
  forAttention(stateFile: Uint8Array, options: AttentionInputOptions): Promise<AttentionInput> {
    return this.#call<'forAttention'>({ kind: 'forAttention', stateFile: movable(stateFile), ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const closed = new KernelError('cancelled', 'the codec was closed');
    for (const { settle } of this.#waiting.splice(0)) settle(closed);
    for (const stop of this.#busy.values()) stop(closed);
    for (const worker of this.#idle.splice(0)) this.#end(worker);
    await Promise.all(this.#ending);
  }

  #call<Name extends keyof CodecCalls>(
    request: Extract<CodecRequest, { kind: Name }>,
  ): Promise<CodecCalls[Name]['out']> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: CodecReply | KernelError): void => {
        if (outcome instanceof KernelError) reject(outcome);
        else if (outcome.ok) resolve(outcome.value);
        else reject(fromErrorData(outcome.error));
      };
      if (this.#disposed) {
        settle(new KernelError('cancelled', 'the codec was closed'));
        return;
      }
      this.#waiting.push({ request, settle });
      this.#next();
    });
  }

  #next(): void {
    if (this.#busy.size >= this.#options.threads) return;
    const work = this.#waiting.shift();
    if (work !== undefined) this.#start(this.#idle.pop() ?? this.#createWorker(), work);
  }

  #createWorker(): Worker {
    return new Worker(this.#options.workerUrl, {
      name: 'kv codec',
      env: {},
      argv: [],
      execArgv: [],
      // Streams of its own, since the kernel's may be a protocol.
      stdout: true,
      stderr: true,
    });
  }

  /** Gives one thread one request; exactly one of reply, crash, timeout and closing ends it. */
  #start(worker: Worker, { request, settle }: Work): void {
    const { timeoutMs } = this.#options;
    const finish = (outcome: CodecReply | KernelError): void => {
      clearTimeout(timer);
      worker.removeAllListeners();
      this.#busy.delete(worker);
      if (outcome instanceof KernelError) this.#end(worker);
      else {
        worker.unref();
        // A thread that dies with nothing to do is missed by nobody.
        worker.on('error', () => undefined);
        worker.once('exit', () => this.#forget(worker));
        this.#idle.push(worker);
      }
      settle(outcome);
      this.#next();
    };
    const timer = setTimeout(() => {
      finish(new KernelError('limitReached', `the codec took more than ${timeoutMs} ms`));
    }, timeoutMs);
    this.#busy.set(worker, finish);
    worker.removeAllListeners();
    worker.once('message', (reply: CodecReply) => finish(reply));
    worker.once('error', (error) => finish(crashed(messageOf(error), error)));
    worker.once('exit', (code) => finish(crashed(`it ended with ${code}`)));
    worker.ref();
    worker.postMessage(request, [bytesOf(request).buffer as ArrayBuffer]);
  }

  #forget(worker: Worker): void {
    const index = this.#idle.indexOf(worker);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  #end(worker: Worker): void {
    worker.removeAllListeners();
    worker.on('error', () => undefined);
    const ended = worker.terminate().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }
}

const crashed = (how: string, cause?: unknown): KernelError =>
  new KernelError('bug', `the codec's thread crashed: ${how}`, { cause });

const bytesOf = (request: CodecRequest): Uint8Array =>
  'stateFile' in request ? request.stateFile : request.snapshot;

/** Bytes that lie in a buffer with others, as small Buffers do, cannot leave it. */
const movable = (bytes: Uint8Array): Uint8Array =>
  bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength
    ? bytes
    : Uint8Array.from(bytes);
