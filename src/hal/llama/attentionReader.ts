/**
 * Reads attention in a process of its own, so that nothing that happens to the engine there happens here. The process
 * starts when it is wanted, is kept for a while, and is ended when it takes far longer than it may; one that died is
 * started again only after a while, longer each time. Where no reading can succeed, none is tried again.
 */

import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AttentionReader, ReadableState, ReaderAnswer } from '../attention.js';
import { systemClock, type Clock } from '../clock.js';
import type { ReaderReport, ReaderRequest, ReaderSetup } from './attentionProtocol.js';

export interface AttentionReaderOptions extends ReaderSetup {
  /** Bundle of `attentionWorker.ts`. */
  readonly workerUrl: URL;
  readonly clock?: Clock;
  /** An unused process is ended after this time. */
  readonly idleMs?: number;
  /** Weights may come from a slow disk. */
  readonly openTimeoutMs?: number;
}

const usualIdleMs = 60_000;
const usualOpenTimeoutMs = 60_000;
/** How much longer than its budget a reading may take before its process is ended: its answer still teaches. */
const lateFactor = 4;
const leastLateMs = 1_000;
const firstBackOffMs = 1_000;
const longestBackOffMs = 60_000;
/** Of what the engine prints before it dies, which is often the reason. */
const lastWordsLength = 2_000;

interface Reading {
  readonly settle: (answer: ReaderAnswer) => void;
}

/** One process. */
interface Life {
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  isReady: boolean;
  lastWords: string;
  reading: Reading | undefined;
  /** Ends it where it takes too long. */
  patience: NodeJS.Timeout | undefined;
}

export function createAttentionReader(options: AttentionReaderOptions): AttentionReader {
  return new ProcessReader(options);
}

class ProcessReader implements AttentionReader {
  readonly #options: AttentionReaderOptions;
  readonly #clock: Clock;
  #life: Life | undefined;
  #idle: NodeJS.Timeout | undefined;
  #unavailable: string | undefined;
  #isClosed = false;
  #deaths = 0;
  #notBefore = -Infinity;

  constructor(options: AttentionReaderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get unavailable(): string | undefined {
    return this.#unavailable;
  }

  prepare(): void {
    if (this.#whyNot() !== undefined) return;
    this.#start();
    this.#rest();
  }

  read(state: ReadableState, budgetMs: number): Promise<ReaderAnswer> {
    const reason = this.#whyNot();
    if (reason !== undefined) return Promise.resolve({ kind: 'failed', reason });
    const life = this.#start();
    clearTimeout(this.#idle);
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        resolve(life.isReady ? { kind: 'late' } : { kind: 'failed', reason: 'its engine is not ready yet' });
      }, budgetMs);
      const settle = (answer: ReaderAnswer): void => {
        clearTimeout(late);
        resolve(answer);
      };
      life.reading = { settle };
      if (life.isReady) this.#expect(life, Math.max(budgetMs * lateFactor, leastLateMs));
      send(life, { kind: 'read', state });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#idle);
    const life = this.#life;
    if (life === undefined) return;
    life.child.ref();
    life.child.kill('SIGKILL');
    await life.exited;
  }

  #whyNot(): string | undefined {
    if (this.#unavailable !== undefined) return this.#unavailable;
    if (this.#isClosed) return 'it was closed';
    if (this.#life?.reading !== undefined) return 'another reading is not over yet';
    const isBackingOff = this.#life === undefined && this.#clock.now() < this.#notBefore;
    return isBackingOff ? 'its process died and is not started again yet' : undefined;
  }

  #start(): Life {
    if (this.#life !== undefined) return this.#life;
    const { workerUrl, modelPath, keyType, valueType, threads, openTimeoutMs } = this.#options;
    const { NODE_OPTIONS: _, ...own } = process.env;
    const child = fork(fileURLToPath(workerUrl), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // An Electron binary is a Node only while this variable says so.
      env: { ...own, ELECTRON_RUN_AS_NODE: '1' },
    });
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      // It could not be started: there is no exit then.
      child.once('error', () => resolve());
    });
    const life: Life = {
      ...{ child, exited, isReady: false, lastWords: '', reading: undefined, patience: undefined },
    };
    this.#life = life;
    child.stderr?.on('data', (chunk: Buffer) => {
      life.lastWords = (life.lastWords + chunk.toString()).slice(-lastWordsLength);
    });
    child.on('message', (report: ReaderReport) => this.#onReport(life, report));
    child.once('error', (error) => this.#onEnd(life, error.message));
    child.once('exit', (code, signal) => this.#onEnd(life, signal ?? `code ${code}`));
    // It never keeps this process alive.
    child.unref();
    child.channel?.unref();
    (child.stderr as unknown as { unref?(): void } | null)?.unref?.();
    this.#expect(life, openTimeoutMs ?? usualOpenTimeoutMs);
    send(life, { kind: 'open', setup: { modelPath, keyType, valueType, threads } });
    return life;
  }

  #onReport(life: Life, report: ReaderReport): void {
    const { reading } = life;
    switch (report.kind) {
      case 'ready':
        life.isReady = true;
        clearTimeout(life.patience);
        // The budget of the reading that waited for this says nothing about how long it takes.
        if (reading !== undefined) this.#expect(life, this.#options.openTimeoutMs ?? usualOpenTimeoutMs);
        return;
      case 'unavailable':
        this.#unavailable = report.reason;
        this.#finish(life, { kind: 'failed', reason: report.reason });
        this.#end(life);
        return;
      case 'reading':
      case 'failed':
        this.#deaths = 0;
        this.#finish(life, report);
        return;
      default:
        report satisfies never;
    }
  }

  /** A process that ends because it is told to has been forgotten before. */
  #onEnd(life: Life, how: string): void {
    clearTimeout(life.patience);
    if (this.#life !== life) return;
    this.#life = undefined;
    clearTimeout(this.#idle);
    this.#notBefore = this.#clock.now() + Math.min(firstBackOffMs * 2 ** this.#deaths++, longestBackOffMs);
    const words = life.lastWords.trim().split('\n').at(-1) ?? '';
    life.reading?.settle({
      kind: 'failed',
      reason: `its process ended (${how})${words === '' ? '' : `: ${words}`}`,
    });
  }

  #finish(life: Life, answer: ReaderAnswer): void {
    clearTimeout(life.patience);
    life.reading?.settle(answer);
    life.reading = undefined;
    this.#rest();
  }

  #expect(life: Life, ms: number): void {
    clearTimeout(life.patience);
    life.patience = setTimeout(() => life.child.kill('SIGKILL'), ms);
    life.patience.unref();
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      if (this.#life?.reading === undefined && this.#life !== undefined) this.#end(this.#life);
    }, this.#options.idleMs ?? usualIdleMs);
    this.#idle.unref();
  }

  #end(life: Life): void {
    if (this.#life === life) this.#life = undefined;
    clearTimeout(this.#idle);
    life.child.kill('SIGKILL');
  }
}

/** What cannot be sent is answered by the end of the process. */
function send({ child }: Life, request: ReaderRequest): void {
  if (child.connected) child.send(request, () => undefined);
}
