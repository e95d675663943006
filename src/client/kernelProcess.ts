/**
 * The kernel process as its client sees it: one that is there, whatever happens to it. A kernel that dies unasked
 * is started again, later after each crash, until the schedule is used up; a start that failed through the user's
 * own settings is not repeated until somebody asks for it. Subscriptions outlive restarts; calls do not, and are told
 * so. Agents do where the kernel keeps them: the next one goes on with them, and `wait` follows them there.
 */

import { Emitter, type Listener } from '../shared/emitter.js';
import { KernelError, messageOf, type ErrorCode } from '../shared/errors.js';
import type { Disposable } from '../shared/lifecycle.js';
import {
  bootTimeoutMs,
  heartbeatIntervalMs,
  heartbeatTimeoutMs,
  restartBackoffMs,
  restartForgetMs,
  shutdownGraceMs,
} from '../shared/limits.js';
import type { Handlers } from '../shared/peer.js';
import type {
  AgentReport,
  AgentRow,
  ClientCalls,
  ControlPlace,
  KernelCalls,
  KernelEvents,
  KernelInfo,
  Pid,
  StatePlace,
  WorkspaceGrant,
} from '../shared/protocol.js';
import type { EngineSettings } from '../shared/settings.js';
import { delay } from './delay.js';
import { KernelChild, type BootPlaces, type Death, type KernelLimits } from './kernelChild.js';
import { Orphans } from './orphans.js';

export type KernelState =
  | { readonly name: 'stopped' }
  | { readonly name: 'starting' }
  | { readonly name: 'running'; readonly info: KernelInfo }
  | { readonly name: 'restarting'; readonly reason: string; readonly delayMs: number }
  | { readonly name: 'failed'; readonly reason: string; readonly error: KernelError };

/** What a client can listen to: the kernel's own events, and what happens to the kernel. */
export interface KernelProcessEvents extends Omit<KernelEvents, 'hello'> {
  stateChanged: KernelState;
  /** The kernel died with these agents alive. They are gone; their `wait` calls reject with `kernelStopped`. */
  agentsLost: { readonly rows: readonly AgentRow[]; readonly reason: string };
  /** The kernel ended with these agents alive, and the next one goes on with them. Told before it counts as running. */
  agentsResumed: { readonly rows: readonly AgentRow[]; readonly reason: string };
}

export interface SupervisionLimits extends KernelLimits {
  /** Delays before the restarts that follow one another; when they are used up, the kernel stays down. */
  readonly restartBackoffMs: readonly number[];
  /** A kernel that ran this long has put its earlier crashes behind it. */
  readonly restartForgetMs: number;
}

export interface KernelProcessOptions {
  readonly kernelPath: string;
  /** Read at every start, so that a changed setting counts from the next one on. */
  readonly engine: () => EngineSettings;
  readonly handlers: Handlers<ClientCalls>;
  /** Where other processes find the kernel, read at every start; without it none can look at it or steer it. */
  readonly control?: () => ControlPlace;
  /**
   * Where its agents outlive it, read at every start; without it they end with their kernel. How agents of an earlier
   * session come back is said here; those of this object's own kernels always go on at once.
   */
  readonly state?: () => StatePlace | undefined | Promise<StatePlace | undefined>;
  /** What a person granted to a workspace in earlier sessions, read at every start. */
  readonly workspaceGrants?: () => readonly WorkspaceGrant[];
  /** What an external vector store asks for, read at every start. */
  readonly storeKey?: () => string | undefined | Promise<string | undefined>;
  readonly execArgv?: readonly string[];
  /** Opens the kernel to a debugger on this port. Then no heartbeat judges it: a breakpoint stops its answers. */
  readonly inspectPort?: number;
  readonly limits?: Partial<SupervisionLimits>;
}

const defaultLimits: SupervisionLimits = {
  bootTimeoutMs,
  heartbeatIntervalMs,
  heartbeatTimeoutMs,
  restartBackoffMs,
  restartForgetMs,
  shutdownGraceMs,
};

/** What a start fails with that starting again cannot mend: the user's settings, or how the program was built. */
const lastingFaults: readonly ErrorCode[] = [
  'badRequest',
  'modelUnusable',
  'outOfMemory',
  'unsafeConfiguration',
  'protocolMismatch',
];

/** Events of the kernel that are passed on as they are. */
const forwarded = ['output', 'toolCalled', 'mcpSent', 'contextChanged', 'log', 'grantChanged'] as const;

type Emitters = { readonly [K in keyof KernelProcessEvents]: Emitter<KernelProcessEvents[K]> };

/** One stretch of keeping a kernel alive: from a start until a stop or a failure, over any number of restarts. */
interface Supervision {
  readonly stopping: AbortController;
  readonly over: Promise<void>;
}

export class KernelProcess {
  readonly #options: KernelProcessOptions;
  readonly #limits: SupervisionLimits;
  readonly #emitters: Emitters = {
    agentsChanged: new Emitter(),
    output: new Emitter(),
    toolCalled: new Emitter(),
    contextChanged: new Emitter(),
    log: new Emitter(),
    grantChanged: new Emitter(),
    mcpSent: new Emitter(),
    stateChanged: new Emitter(),
    agentsLost: new Emitter(),
    agentsResumed: new Emitter(),
  };
  readonly #rows = new Map<Pid, AgentRow>();
  #state: KernelState = { name: 'stopped' };
  #child: KernelChild | undefined;
  #supervision: Supervision | undefined;
  /** When the last process of earlier supervisions is gone: two kernels never hold the model at once. */
  #cleared: Promise<void> = Promise.resolve();
  #peakRssBytes = 0;
  #disposed = false;
  /** Whether the agents of the last kernel that ran outlive it; undefined until one has run. */
  #keepsAgents: boolean | undefined;
  readonly #orphans = new Orphans();

  constructor(options: KernelProcessOptions) {
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
  }

  get state(): KernelState {
    return this.#state;
  }

  /** The agents of the present kernel, as it told of them last. */
  get rows(): readonly AgentRow[] {
    return [...this.#rows.values()];
  }

  /** The most memory any kernel of this object had; a `ping` brings it up to date. */
  get peakRssBytes(): number {
    return Math.max(this.#peakRssBytes, this.#child?.peakRssBytes ?? 0);
  }

  on<K extends keyof KernelProcessEvents>(name: K, listener: Listener<KernelProcessEvents[K]>): Disposable {
    return this.#emitters[name].event(listener);
  }

  /**
   * Resolves when the kernel runs, and starts it where it does not. Any number of callers share one start.
   * @throws KernelError what the start failed with, or `kernelStopped` when it was stopped meanwhile.
   */
  start(): Promise<KernelInfo> {
    if (this.#disposed) {
      return Promise.reject(new KernelError('kernelStopped', 'the kernel was shut down for good'));
    }
    if (this.#supervision === undefined) {
      const stopping = new AbortController();
      const over = this.#supervise(stopping.signal, this.#cleared);
      this.#supervision = { stopping, over };
      this.#cleared = over;
      if (this.#state.name !== 'restarting') this.#setState({ name: 'starting' });
    }
    return this.#untilRunning();
  }

  /** Ends the present kernel and starts another; callers that wait for a start get the new one. */
  restart(): Promise<KernelInfo> {
    if (!this.#disposed) this.#halt({ name: 'restarting', reason: 'a restart was asked for', delayMs: 0 });
    return this.start();
  }

  /** Ends the kernel: asked first, killed after the grace time. Resolves when its process is gone. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#halt({ name: 'stopped' });
    await this.#cleared;
  }

  /** Calls the running kernel. A call never starts one: who asks about an agent means the kernel it lives in. */
  async call<K extends keyof KernelCalls>(
    name: K,
    input: KernelCalls[K]['in'],
    signal?: AbortSignal,
  ): Promise<KernelCalls[K]['out']> {
    if (this.#child === undefined || this.#state.name !== 'running') {
      throw new KernelError('kernelStopped', `${name}: the kernel is ${this.#state.name}`);
    }
    return this.#child.call(name, input, signal);
  }

  /**
   * Resolves when the agent has exited, over any number of kernels where they keep their agents.
   * @throws KernelError as `call`; `kernelStopped` when the agent ended with its kernel
   */
  async wait(pid: Pid, signal?: AbortSignal): Promise<AgentReport> {
    let stopped: KernelError | undefined;
    for (;;) {
      const child = this.#child;
      try {
        return await this.call('wait', { pid }, signal);
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        if (error.code === 'notFound' && stopped !== undefined) throw stopped;
        if (error.code !== 'kernelStopped' || !(await this.#comesBack(child))) throw error;
        stopped = error;
      }
    }
  }

  /** Whether another kernel runs that knows the agents of this one. */
  async #comesBack(child: KernelChild | undefined): Promise<boolean> {
    if (this.#keepsAgents !== true) return false;
    try {
      await this.#untilRunning(child);
      return this.#keepsAgents;
    } catch {
      return false;
    }
  }

  /** @param ended a kernel that does not count, although the state may not tell yet */
  #untilRunning(ended?: KernelChild): Promise<KernelInfo> {
    return new Promise((resolve, reject) => {
      const settle = (state: KernelState): boolean => {
        if (state.name === 'running' && this.#child !== ended) resolve(state.info);
        else if (state.name === 'failed') reject(state.error);
        else if (state.name === 'stopped') reject(new KernelError('kernelStopped', 'the kernel was stopped'));
        else return false;
        return true;
      };
      if (settle(this.#state)) return;
      const subscription = this.on('stateChanged', (state) => {
        if (settle(state)) subscription.dispose();
      });
    });
  }

  #halt(state: KernelState): void {
    const supervision = this.#supervision;
    this.#supervision = undefined;
    if (this.#state.name !== 'stopped' || state.name !== 'stopped') this.#setState(state);
    supervision?.stopping.abort();
  }

  /** The loop that keeps a kernel alive. Ends when it is stopped, or when starting again is of no use. */
  async #supervise(stopping: AbortSignal, cleared: Promise<void>): Promise<void> {
    await cleared;
    let crashes = 0;
    while (!stopping.aborted) {
      const end = await this.#liveOnce(stopping);
      if (end === undefined) return;
      const { fault, ranMs } = end;
      if (ranMs >= this.#limits.restartForgetMs) crashes = 0;
      const delayMs = lastingFaults.includes(fault.code)
        ? undefined
        : this.#limits.restartBackoffMs[crashes++];
      if (delayMs === undefined) {
        this.#supervision = undefined;
        this.#loseOrphans();
        this.#setState({ name: 'failed', reason: fault.message, error: fault });
        return;
      }
      this.#setState({ name: 'restarting', reason: fault.message, delayMs });
      await delay(delayMs, stopping);
    }
  }

  /** One kernel process from fork to end. Returns what it died of, or undefined when it was stopped. */
  async #liveOnce(stopping: AbortSignal): Promise<{ fault: KernelError; ranMs: number } | undefined> {
    let child: KernelChild | undefined;
    const shutDown = (): void => void child?.shutdown();
    stopping.addEventListener('abort', shutDown, { once: true });
    try {
      const engine = this.#options.engine();
      child = this.#fork();
      const info = await child.boot(engine, await this.#places());
      await this.#reclaim(child, info);
      const startedAt = performance.now();
      if (!stopping.aborted) this.#setState({ name: 'running', info });
      const { message } = await child.ended;
      if (stopping.aborted) return undefined;
      return { fault: new KernelError('kernelStopped', message), ranMs: performance.now() - startedAt };
    } catch (error) {
      child?.kill('it did not boot');
      return stopping.aborted ? undefined : { fault: asKernelError(error), ranMs: 0 };
    } finally {
      stopping.removeEventListener('abort', shutDown);
      await child?.ended.then((death) => this.#bury(death));
    }
  }

  async #places(): Promise<BootPlaces> {
    const control = this.#options.control?.();
    const state = await this.#options.state?.();
    const resume = this.#keepsAgents === undefined ? state?.resume : 'run';
    const workspaceGrants = this.#options.workspaceGrants?.();
    const storeKey = await this.#options.storeKey?.();
    return {
      ...(control && { control }),
      ...(state && resume && { state: { ...state, resume } }),
      ...(workspaceGrants && { workspaceGrants: [...workspaceGrants] }),
      ...(storeKey !== undefined && { storeKey }),
    };
  }

  /** Finds out which agents of the kernel before it a new one goes on with. */
  async #reclaim(child: KernelChild, { keepsAgents }: KernelInfo): Promise<void> {
    this.#keepsAgents = keepsAgents;
    if (!keepsAgents) {
      this.#loseOrphans();
      return;
    }
    const { rows, resumed, ended } = await this.#orphans.claim((name, input) => child.call(name, input));
    for (const row of rows) this.#rows.set(row.pid, row);
    this.#fire('agentsChanged', { rows: [...rows, ...ended] });
    if (resumed.length > 0) this.#fire('agentsResumed', { rows: resumed, reason: this.#orphans.reason });
    this.#loseOrphans();
  }

  #loseOrphans(): void {
    const rows = this.#orphans.take();
    if (rows.length > 0 && !this.#disposed) {
      this.#fire('agentsLost', { rows, reason: this.#orphans.reason });
    }
  }

  #fork(): KernelChild {
    const { kernelPath, handlers, execArgv = [], inspectPort } = this.#options;
    const child = new KernelChild({
      kernelPath,
      handlers,
      execArgv: inspectPort === undefined ? execArgv : [...execArgv, `--inspect=127.0.0.1:${inspectPort}`],
      isDebugged: inspectPort !== undefined,
      limits: this.#limits,
      onMalformed: (reason) =>
        this.#fire('log', { level: 'warn', message: `malformed frame from the kernel: ${reason}` }),
      onOutputLine: (message) => this.#fire('log', { level: 'info', message }),
    });
    child.on('agentsChanged', (payload) => {
      for (const row of payload.rows) this.#rows.set(row.pid, row);
      this.#fire('agentsChanged', payload);
    });
    for (const name of forwarded) child.on(name, (payload) => this.#fire(name, payload as never));
    this.#child = child;
    return child;
  }

  /** Nothing of a dead kernel stays but its peak memory, and its agents where it kept them. */
  #bury(death: Death): void {
    this.#peakRssBytes = this.peakRssBytes;
    this.#child = undefined;
    this.#orphans.add(this.rows, death.message);
    this.#rows.clear();
    if (this.#keepsAgents !== true) this.#loseOrphans();
  }

  #setState(state: KernelState): void {
    this.#state = state;
    this.#fire('stateChanged', state);
  }

  /** A listener's bug belongs to the top of the process; it must not end the supervision. */
  #fire<K extends keyof KernelProcessEvents>(name: K, event: KernelProcessEvents[K]): void {
    try {
      (this.#emitters[name] as Emitter<KernelProcessEvents[K]>).fire(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

function asKernelError(error: unknown): KernelError {
  if (error instanceof KernelError) return error;
  return new KernelError('bug', `the kernel was not started: ${messageOf(error)}`, { cause: error });
}
