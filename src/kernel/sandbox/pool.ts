/**
 * Sandboxes, ready or in use, by tool. A call has a sandbox to itself; afterwards the first ones are kept warm for
 * the next call and the rest are ended. The number of threads is bounded: beyond it calls wait in order. A pool that
 * is disposed has ended every thread it started.
 */

import { KernelError } from '../../shared/errors.js';
import { Sandbox, type SandboxOptions } from './sandbox.js';

export interface PoolLimits {
  /** Sandboxes kept ready per tool. */
  readonly warmWorkers: number;
  /** Sandboxes in use at once, over all tools. */
  readonly maxWorkers: number;
}

export class SandboxPool implements AsyncDisposable {
  readonly #limits: PoolLimits;
  readonly #idle = new Map<string, Sandbox[]>();
  readonly #live = new Set<Sandbox>();
  /** Calls that wait for a place, first come first served. */
  readonly #waiting: (() => void)[] = [];
  #places: number;
  #disposed = false;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
    this.#places = limits.maxWorkers;
  }

  /**
   * Lends a ready sandbox for one piece of work.
   * @throws KernelError `cancelled` while it waits for one, `sandboxStopped` when the module cannot be started.
   */
  async use<T>(
    options: SandboxOptions,
    signal: AbortSignal,
    work: (sandbox: Sandbox) => Promise<T>,
  ): Promise<T> {
    await this.#takePlace(signal);
    let sandbox: Sandbox | undefined;
    try {
      sandbox = await this.#obtain(options);
      return await work(sandbox);
    } finally {
      if (sandbox !== undefined) this.#putBack(options.name, sandbox);
      this.#places += 1;
      this.#waiting.shift()?.();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    for (const wake of this.#waiting.splice(0)) wake();
    await Promise.all([...this.#live].map((sandbox) => sandbox.end()));
    this.#live.clear();
    this.#idle.clear();
  }

  async #takePlace(signal: AbortSignal): Promise<void> {
    while (this.#places === 0 && !signal.aborted && !this.#disposed) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal.removeEventListener('abort', leave);
          resolve();
        };
        const leave = (): void => {
          this.#waiting.splice(this.#waiting.indexOf(wake), 1);
          resolve();
        };
        signal.addEventListener('abort', leave, { once: true });
        this.#waiting.push(wake);
      });
    }
    if (signal.aborted) throw new KernelError('cancelled', 'the call was taken back');
    if (this.#disposed) throw new KernelError('sandboxStopped', 'the toolbox was closed');
    this.#places -= 1;
  }

  /** A warm sandbox, unless it failed to make its next instance meanwhile; else a new one. */
  async #obtain(options: SandboxOptions): Promise<Sandbox> {
    const warm = this.#idle.get(options.name)?.pop();
    if (warm !== undefined) {
      const isReady = await warm.ready().then(
        () => !warm.hasEnded,
        () => false,
      );
      if (isReady) return warm;
      this.#discard(warm);
    }
    const fresh = new Sandbox(options);
    this.#live.add(fresh);
    try {
      await fresh.ready();
      return fresh;
    } catch (error) {
      this.#discard(fresh);
      throw error;
    }
  }

  #putBack(name: string, sandbox: Sandbox): void {
    const idle = this.#idle.get(name) ?? [];
    const isKept = !sandbox.hasEnded && !this.#disposed && idle.length < this.#limits.warmWorkers;
    if (isKept) this.#idle.set(name, [...idle, sandbox]);
    else this.#discard(sandbox);
  }

  #discard(sandbox: Sandbox): void {
    void sandbox.end().then(() => this.#live.delete(sandbox));
  }
}
