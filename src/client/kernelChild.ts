/**
 * One life of one kernel process: fork, greeting, boot, calls, heartbeat, end. It ends in exactly one `Death`,
 * which says how; every call open at that time rejects with `kernelStopped`.
 * It must never leave a process behind: not when the greeting fails, not when the kernel hangs, not when this
 * process exits. (When this process is killed, the kernel sees its channel close and exits by itself.)
 */

import { fork, type ChildProcess } from 'node:child_process';
import { z } from 'zod';
import { KernelError, messageOf } from '../shared/errors.js';
import { ipcChannel } from '../shared/ipcChannel.js';
import type { Disposable } from '../shared/lifecycle.js';
import { Peer, type Handlers } from '../shared/peer.js';
import {
  protocolVersion,
  type BootRequest,
  type ClientCalls,
  type ClientEvents,
  type KernelCalls,
  type KernelEvents,
  type KernelInfo,
  type KernelUsage,
} from '../shared/protocol.js';
import type { EngineSettings } from '../shared/settings.js';
import { outputTail } from './outputTail.js';

export interface KernelLimits {
  readonly bootTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly heartbeatTimeoutMs: number;
  readonly shutdownGraceMs: number;
}

export interface KernelChildOptions {
  readonly kernelPath: string;
  /** Flags of the runtime itself. Those of this process are not inherited: two debuggers cannot share a port. */
  readonly execArgv: readonly string[];
  readonly handlers: Handlers<ClientCalls>;
  readonly limits: KernelLimits;
  /** Whether a debugger may hold the kernel, which then does not answer although it is well. */
  readonly isDebugged: boolean;
  readonly onMalformed: (reason: string) => void;
  readonly onOutputLine: (line: string) => void;
}

/** Folders that a kernel shares with others: those who look for it, and the kernel after it. */
export type BootPlaces = Pick<BootRequest, 'control' | 'state' | 'workspaceGrants' | 'storeKey'>;

/** How a kernel process ended, as a sentence. */
export interface Death {
  readonly message: string;
}

/** After the process is gone its last words may still be in the pipe; its own children may hold that pipe open. */
const lastWordsMs = 250;

/** A greeting of another protocol version may look like anything, so only this much of it is relied on. */
const helloSchema = z.object({ protocol: z.int() });

export class KernelChild {
  /** Resolves once, when the process is gone. Never rejects. */
  readonly ended: Promise<Death>;
  readonly #process: ChildProcess;
  readonly #peer: Peer<ClientCalls, KernelCalls, KernelEvents, ClientEvents>;
  readonly #hello: Promise<unknown>;
  readonly #limits: KernelLimits;
  readonly #isDebugged: boolean;
  #killedBecause: string | undefined;
  #hasEnded = false;
  #peakRssBytes = 0;

  constructor(options: KernelChildOptions) {
    this.#limits = options.limits;
    this.#isDebugged = options.isDebugged;
    this.#process = fork(options.kernelPath, [], {
      execArgv: [...options.execArgv],
      // Electron's binary runs as plain Node only when it is told to; Node itself does not read the variable.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      serialization: 'json',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.ended = this.#watchEnd(options.onOutputLine);
    this.#peer = new Peer<ClientCalls, KernelCalls, KernelEvents, ClientEvents>({
      channel: ipcChannel(this.#process),
      handlers: options.handlers,
      onMalformed: options.onMalformed,
    });
    this.#hello = new Promise((resolve) => this.#peer.on('hello', resolve));
    this.#peer.onClose(() => this.#endAfterClose());
  }

  /** The most memory the kernel had, as far as its heartbeat told. */
  get peakRssBytes(): number {
    return this.#peakRssBytes;
  }

  on<K extends keyof KernelEvents>(name: K, listener: (payload: KernelEvents[K]) => void): Disposable {
    return this.#peer.on(name, listener);
  }

  /**
   * Waits for the greeting, then boots the engine.
   * @throws KernelError `protocolMismatch`, `kernelStopped`, or what the kernel answered to `boot`.
   */
  async boot(engine: EngineSettings, places: BootPlaces = {}): Promise<KernelInfo> {
    const { bootTimeoutMs } = this.#limits;
    const timer = setTimeout(
      () => this.kill(`it did not boot within ${bootTimeoutMs / 1000} s`),
      bootTimeoutMs,
    );
    try {
      await this.#greeting();
      const info = await this.call('boot', { protocol: protocolVersion, engine, ...places });
      this.#startHeartbeat();
      return info;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Calls the kernel. A call that the kernel's death leaves open rejects with `kernelStopped` and says how it died. */
  async call<K extends keyof KernelCalls>(
    name: K,
    input: KernelCalls[K]['in'],
    signal?: AbortSignal,
  ): Promise<KernelCalls[K]['out']> {
    try {
      const output = await this.#peer.call(name, input, signal);
      if (name === 'ping') this.#noteUsage(output as KernelUsage);
      return output;
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'peerGone') throw error;
      const death = await this.ended;
      throw new KernelError('kernelStopped', death.message, { cause: error });
    }
  }

  /** Asks the kernel to end; after the grace time it is killed. Resolves when the process is gone. */
  async shutdown(): Promise<void> {
    this.#killedBecause ??= 'it was shut down';
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), this.#limits.shutdownGraceMs);
    try {
      await this.#peer.call('shutdown', null).catch(() => undefined);
      this.#peer.close();
      await this.ended;
    } finally {
      clearTimeout(timer);
    }
  }

  kill(reason: string): void {
    this.#killedBecause ??= reason;
    this.#process.kill('SIGKILL');
  }

  async #greeting(): Promise<void> {
    const died = this.ended.then(({ message }) => {
      throw new KernelError('kernelStopped', message);
    });
    const hello = helloSchema.safeParse(await Promise.race([this.#hello, died]));
    const theirs = hello.success ? `protocol ${hello.data.protocol}` : 'an unknown protocol';
    if (!hello.success || hello.data.protocol !== protocolVersion) {
      throw new KernelError(
        'protocolMismatch',
        `the kernel speaks ${theirs}, this program speaks protocol ${protocolVersion}`,
      );
    }
  }

  /**
   * Counts intervals without an answer instead of reading a clock: when the laptop slept or a debugger held this
   * process, nothing was counted, and a kernel that slept as well is not taken for a hung one.
   */
  #startHeartbeat(): void {
    if (this.#isDebugged) return;
    const { heartbeatIntervalMs, heartbeatTimeoutMs } = this.#limits;
    const allowed = Math.max(1, Math.ceil(heartbeatTimeoutMs / heartbeatIntervalMs));
    let unanswered = 0;
    // An error is an answer as well: who can refuse is alive.
    const answered = (): void => {
      unanswered = 0;
    };
    const beat = (): void => {
      if (unanswered >= allowed) {
        this.kill(`it did not answer for ${(unanswered * heartbeatIntervalMs) / 1000} s`);
        return;
      }
      // A ping that is still open stands for the next one: a hung kernel gets one, not a pile.
      if (unanswered++ === 0) this.call('ping', null).then(answered, answered);
    };
    beat();
    const timer = setInterval(beat, heartbeatIntervalMs);
    void this.ended.then(() => clearInterval(timer));
  }

  #noteUsage(usage: KernelUsage): void {
    this.#peakRssBytes = Math.max(this.#peakRssBytes, usage.peakRssBytes, usage.rssBytes);
  }

  /** A kernel whose channel is closed is about to exit. One that still runs after the grace time has lost its way. */
  #endAfterClose(): void {
    const timer = setTimeout(() => this.kill('it closed its channel'), this.#limits.shutdownGraceMs);
    void this.ended.then(() => clearTimeout(timer));
  }

  #watchEnd(onOutputLine: (line: string) => void): Promise<Death> {
    const child = this.#process;
    const tail = outputTail(onOutputLine);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (piece: string) => tail.add(piece));
    }
    const killWithParent = (): void => void child.kill('SIGKILL');
    process.once('exit', killWithParent);
    return new Promise<Death>((resolve) => {
      const end = (how: string): void => {
        if (this.#hasEnded) return;
        this.#hasEnded = true;
        process.off('exit', killWithParent);
        const line = tail.tellingLine();
        resolve({ message: `the kernel process ${how}${line === '' ? '' : `: ${line}`}` });
      };
      child.once('exit', (code, signal) => {
        const how = this.#describeEnd(code, signal);
        const timer = setTimeout(() => end(how), lastWordsMs);
        child.once('close', () => {
          clearTimeout(timer);
          end(how);
        });
      });
      // Emitted when it could not be started, but also when a signal could not be sent.
      child.on('error', (error) => {
        if (child.pid === undefined) end(`could not be started: ${messageOf(error)}`);
      });
    });
  }

  #describeEnd(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.#killedBecause !== undefined) return `was stopped because ${this.#killedBecause}`;
    return signal === null ? `exited with code ${code ?? 'unknown'}` : `was killed by ${signal}`;
  }
}
