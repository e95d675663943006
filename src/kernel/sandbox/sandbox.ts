/**
 * One tool module in a worker thread of its own. A call ends by its result, by a limit, by its deadline or by its
 * signal; in the last two cases the thread is ended, since what runs inside cannot be asked to stop. The deadline is
 * a budget of computing time: its clock stands while a host call is open, because a person may be thinking.
 * A sandbox never outlives its owner's `end`, and an idle one never keeps the process alive.
 */

import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { invariant, KernelError, messageOf } from '../../shared/errors.js';
import type {
  CallLimits,
  HostFunctionName,
  HostRequest,
  WorkerMessage,
  WorkerStart,
} from './workerProtocol.js';

export interface SandboxLimits extends CallLimits {
  /** Computing time of one call. */
  readonly deadlineMs: number;
  /** Time to make an instance; a looping `start` section ends here. */
  readonly startMs: number;
}

export interface SandboxOptions {
  /** Bundle of `worker.ts`. */
  readonly workerUrl: URL;
  /** Shown by debuggers. */
  readonly name: string;
  readonly module: WebAssembly.Module;
  readonly hostFunctions: readonly HostFunctionName[];
  readonly limits: SandboxLimits;
}

/** Answers a module's host calls. What goes wrong is part of the reply; a rejection is a bug and ends the sandbox. */
export type HostCalls = (request: HostRequest) => Promise<Uint8Array>;

export interface CallResult {
  /** What the module says of itself. */
  readonly ok: boolean;
  readonly output: Uint8Array;
}

interface OpenCall {
  readonly host: HostCalls;
  readonly settle: (outcome: CallResult | KernelError) => void;
  budgetMs: number;
  computingSince: number;
}

interface Readiness {
  readonly promise: Promise<void>;
  readonly settle: (failure?: KernelError) => void;
}

function createReadiness(): Readiness {
  let settle: Readiness['settle'] = () => undefined;
  const promise = new Promise<void>((resolve, reject) => {
    settle = (failure) => {
      if (failure === undefined) resolve();
      else reject(failure);
    };
  });
  // A sandbox may be ended while nobody waits for it.
  promise.catch(() => undefined);
  return { promise, settle };
}

export class Sandbox {
  readonly #options: SandboxOptions;
  readonly #worker: Worker;
  readonly #hostPort: MessagePort;
  readonly #replied: Int32Array;
  readonly #exited: Promise<unknown>;
  #state: 'starting' | 'ready' | 'calling' | 'ended' = 'starting';
  #readiness = createReadiness();
  #call: OpenCall | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SandboxOptions) {
    this.#options = options;
    const { port1, port2 } = new MessageChannel();
    const replied = new SharedArrayBuffer(4);
    const { module, hostFunctions, limits } = options;
    this.#replied = new Int32Array(replied);
    this.#hostPort = port1;
    this.#worker = new Worker(options.workerUrl, {
      name: options.name,
      workerData: { module, hostFunctions, limits, hostPort: port2, replied } satisfies WorkerStart,
      transferList: [port2],
      env: {},
      argv: [],
      // Extism imports Node's WASI, which warns of itself, and never uses it.
      execArgv: ['--no-warnings'],
      // Streams of its own, since the kernel's may be a protocol. Nothing writes to them: reading them, or leaving
      // something unread in them, would keep the process alive.
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8, stackSizeMb: 4 },
    });
    this.#exited = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.on('message', (message: WorkerMessage) => this.#receive(message));
    this.#worker.on('error', (error) => this.#end(new KernelError('sandboxStopped', messageOf(error))));
    this.#worker.once('exit', () => this.#end(new KernelError('sandboxStopped', 'its thread ended')));
    this.#hostPort.on('message', (request: HostRequest) => void this.#answer(request));
    this.#hostPort.unref();
    this.#startDeadline();
  }

  get hasEnded(): boolean {
    return this.#state === 'ended';
  }

  /**
   * Resolves when a fresh instance waits for a call.
   * @throws KernelError `sandboxStopped` when there is none to be had from this module.
   */
  ready(): Promise<void> {
    return this.#readiness.promise;
  }

  /**
   * Calls the module once.
   * @throws KernelError `sandboxStopped` when a limit or a trap ended the call, `cancelled` when the signal did.
   */
  call(input: Uint8Array, host: HostCalls, signal: AbortSignal): Promise<CallResult> {
    invariant(this.#state === 'ready', `a sandbox that is ${this.#state} is called`);
    if (signal.aborted) return Promise.reject(new KernelError('cancelled', 'the call was taken back'));
    return new Promise((resolve, reject) => {
      const stop = (): void => this.#end(new KernelError('cancelled', 'the call was taken back'));
      signal.addEventListener('abort', stop, { once: true });
      const settle = (outcome: CallResult | KernelError): void => {
        signal.removeEventListener('abort', stop);
        clearTimeout(this.#timer);
        this.#call = undefined;
        if (outcome instanceof KernelError) reject(outcome);
        else resolve(outcome);
      };
      this.#state = 'calling';
      this.#call = { host, settle, budgetMs: this.#options.limits.deadlineMs, computingSince: 0 };
      this.#worker.ref();
      this.#startClock(this.#call);
      this.#worker.postMessage(input);
    });
  }

  /** Ends the thread, whatever it does. */
  async end(): Promise<void> {
    this.#end(new KernelError('sandboxStopped', 'the toolbox was closed'));
    await this.#exited;
  }

  #receive(message: WorkerMessage): void {
    if (this.#state === 'ended') return;
    switch (message.kind) {
      case 'ready':
        clearTimeout(this.#timer);
        this.#state = 'ready';
        this.#worker.unref();
        this.#readiness.settle();
        return;
      case 'done':
        this.#finish({ ok: message.ok, output: message.output });
        return;
      case 'stopped':
        this.#finish(new KernelError('sandboxStopped', message.reason));
        return;
      case 'failed':
        this.#finish(new KernelError('sandboxStopped', `it failed: ${message.reason}`));
        return;
      default:
        message satisfies never;
    }
  }

  /** The worker goes on to its next instance by itself, unless it could not make this one. */
  #finish(outcome: CallResult | KernelError): void {
    const call = this.#call;
    if (call === undefined) {
      this.#end(outcome instanceof KernelError ? outcome : new KernelError('bug', 'a result without a call'));
      return;
    }
    this.#state = 'starting';
    this.#readiness = createReadiness();
    call.settle(outcome);
    this.#startDeadline();
  }

  async #answer(request: HostRequest): Promise<void> {
    const call = this.#call;
    if (call === undefined) return;
    this.#stopClock(call);
    try {
      const reply = await call.host(request);
      if (this.#call !== call) return;
      this.#startClock(call);
      this.#hostPort.postMessage(reply);
      Atomics.store(this.#replied, 0, 1);
      Atomics.notify(this.#replied, 0);
    } catch (error) {
      if (this.#call === call) this.#end(new KernelError('bug', messageOf(error), { cause: error }));
    }
  }

  #startClock(call: OpenCall): void {
    call.computingSince = performance.now();
    this.#timer = setTimeout(
      () => {
        const { deadlineMs } = this.#options.limits;
        this.#end(new KernelError('sandboxStopped', `it computed for more than ${deadlineMs} ms`));
      },
      Math.max(0, call.budgetMs),
    );
  }

  #stopClock(call: OpenCall): void {
    clearTimeout(this.#timer);
    call.budgetMs -= performance.now() - call.computingSince;
  }

  #startDeadline(): void {
    const { startMs } = this.#options.limits;
    this.#timer = setTimeout(() => {
      this.#end(new KernelError('sandboxStopped', `it did not start within ${startMs} ms`));
    }, startMs);
  }

  #end(reason: KernelError): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    clearTimeout(this.#timer);
    this.#hostPort.close();
    void this.#worker.terminate();
    this.#call?.settle(reason);
    this.#readiness.settle(reason);
  }
}
