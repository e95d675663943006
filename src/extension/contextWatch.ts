/**
 * Follows the context maps that are open in the task manager: asks the kernel for one when it is opened, when blocks
 * left or came back, and when its agent's counters moved; never more often than people can follow, and for a map that
 * is closed never. A map that is as it was is not sent again.
 */

import type { KernelProcess } from '../client/kernelProcess.js';
import { KernelError, messageOf } from '../shared/errors.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import type { AgentRow } from '../shared/protocol.js';
import type { AgentKey, ContextView } from '../shared/taskManagerMessages.js';
import { contextViewOf, lostContext } from './contextView.js';
import type { Fleet } from './fleet.js';

const lookIntervalMs = 400;

export interface ContextWatchOptions {
  readonly kernel: Pick<KernelProcess, 'on' | 'call'>;
  readonly fleet: Pick<Fleet, 'findKnown' | 'keyOf' | 'onDidChange'>;
  readonly send: (key: AgentKey, context: ContextView) => void;
}

interface Watched {
  /** What was sent last, to compare with. */
  sent: string;
  counters: string;
  /** Set while it is too soon to look again. */
  timer: NodeJS.Timeout | undefined;
  isDue: boolean;
}

export class ContextWatch implements Disposable {
  readonly #options: ContextWatchOptions;
  readonly #watched = new Map<AgentKey, Watched>();
  readonly #store = new DisposableStore();

  constructor(options: ContextWatchOptions) {
    this.#options = options;
    const { kernel, fleet } = options;
    this.#store.add(kernel.on('contextChanged', ({ pid }) => this.look(fleet.keyOf(pid))));
    this.#store.add(fleet.onDidChange(() => this.#followCounters()));
    this.#store.defer(() => this.clear());
  }

  dispose(): void {
    this.#store.dispose();
  }

  open(key: AgentKey): void {
    if (!this.#watched.has(key)) {
      this.#watched.set(key, { sent: '', counters: this.#countersOf(key), timer: undefined, isDue: false });
    }
    this.look(key);
  }

  close(key: AgentKey): void {
    clearTimeout(this.#watched.get(key)?.timer);
    this.#watched.delete(key);
  }

  /** Nobody sees any of them now. */
  clear(): void {
    for (const key of [...this.#watched.keys()]) this.close(key);
  }

  /** Brings an open map up to date: at once, or as soon as it is not too soon. */
  look(key: AgentKey): void {
    const watched = this.#watched.get(key);
    if (watched === undefined) return;
    if (watched.timer !== undefined) {
      watched.isDue = true;
      return;
    }
    watched.isDue = false;
    watched.timer = setTimeout(() => {
      watched.timer = undefined;
      if (watched.isDue) this.look(key);
    }, lookIntervalMs);
    void this.#tell(key, watched);
  }

  async #tell(key: AgentKey, watched: Watched): Promise<void> {
    const view = await this.#read(key);
    const next = JSON.stringify(view);
    // It may have been closed, and opened again, meanwhile.
    if (this.#watched.get(key) !== watched || watched.sent === next) return;
    watched.sent = next;
    this.#options.send(key, view);
  }

  async #read(key: AgentKey): Promise<ContextView> {
    const { kernel, fleet } = this.#options;
    const agent = fleet.findKnown(key);
    if (agent === undefined) return lostContext('Its context went with its kernel.');
    try {
      return contextViewOf(await kernel.call('contextMap', { pid: agent.row.pid }), agent.row);
    } catch (error) {
      const code = error instanceof KernelError ? error.code : 'bug';
      if (code === 'notFound') return lostContext('The kernel keeps no context of it.');
      return lostContext(code === 'kernelStopped' ? 'Its kernel does not run now.' : messageOf(error));
    }
  }

  #followCounters(): void {
    for (const [key, watched] of this.#watched) {
      const counters = this.#countersOf(key);
      if (counters === watched.counters) continue;
      watched.counters = counters;
      this.look(key);
    }
  }

  #countersOf(key: AgentKey): string {
    const row = this.#options.fleet.findKnown(key)?.row;
    return row === undefined ? '' : countersOf(row);
  }
}

/** What moves when its conversation grows. */
const countersOf = ({ state, promptTokens, generatedTokens }: AgentRow): string =>
  `${state} ${promptTokens} ${generatedTokens}`;
