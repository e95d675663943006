/**
 * One picture of kernel, agents and open questions for everything that shows them. It tells its listeners at a pace
 * that people can read, and once more when the fleet falls silent, so that a speed does not stand still. Pure
 * bookkeeping: it knows nothing of the editor.
 */

import type { KernelProcess } from '../client/kernelProcess.js';
import { AgentRates } from '../shared/agentRates.js';
import { Emitter } from '../shared/emitter.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import type { AgentKey, TaskManagerView } from '../shared/taskManagerMessages.js';
import type { Fleet } from './fleet.js';
import { statusOfKernel } from './kernelNews.js';
import type { LiveGrants } from './liveGrants.js';
import type { PermissionQueue } from './permissionQueue.js';
import type { StatusInput } from './statusText.js';
import { viewOf, type ViewInput } from './taskManagerView.js';
import { Throughput } from './throughput.js';

const refreshIntervalMs = 250;
/** While agents live, the picture is drawn anew this often even when no news came. */
const idleIntervalMs = 1_000;

export class FleetMonitor implements Disposable {
  readonly #kernel: KernelProcess;
  readonly #fleet: Fleet;
  readonly #queue: PermissionQueue;
  readonly #grants: LiveGrants;
  readonly #throughput = new Throughput();
  readonly #rates = new AgentRates<AgentKey>();
  readonly #changed = new Emitter<undefined>();
  readonly #store = new DisposableStore();
  #timer: NodeJS.Timeout | undefined;
  #isDue = false;
  #usage: ViewInput['usage'] = { rssBytes: 0, tiers: null };

  readonly onDidChange = this.#changed.event;

  constructor(kernel: KernelProcess, fleet: Fleet, queue: PermissionQueue, grants: LiveGrants) {
    this.#kernel = kernel;
    this.#fleet = fleet;
    this.#queue = queue;
    this.#grants = grants;
    this.#store.add(kernel.on('stateChanged', () => this.#noteChange()));
    this.#store.add(fleet.onDidChange(() => this.#noteChange()));
    this.#store.add(queue.onDidChange(() => this.#noteChange()));
    this.#store.add(grants.onDidChange(() => this.#noteChange()));
    this.#store.defer(() => clearTimeout(this.#timer));
  }

  dispose(): void {
    this.#store.dispose();
  }

  status(): StatusInput {
    const { state } = this.#kernel;
    return {
      kernel: statusOfKernel(state),
      info: state.name === 'running' ? state.info : undefined,
      live: this.#fleet.live.map(({ row }) => row),
      pending: this.#queue.pending.length,
      tokensPerSecond: this.#throughput.perSecond(performance.now()),
    };
  }

  view(): TaskManagerView {
    return viewOf({
      state: this.#kernel.state,
      agents: this.#fleet.agents,
      pending: this.#queue.pending,
      grants: this.#grants.all.map((live) => ({ key: this.#grants.keyOf(live.grant), live })),
      revoked: this.#grants.revokedSince(performance.now()),
      nameOf: (pid) => this.#fleet.rowOf(pid)?.name,
      shareOf: (key) => this.#rates.of(key)?.deviceShare,
      tokensPerSecond: this.#throughput.perSecond(performance.now()),
      usage: this.#usage,
    });
  }

  /** Brings the kernel's memory and its tiers up to date; quietly, since a kernel that is gone is told of elsewhere. */
  async measure(): Promise<void> {
    if (this.#kernel.state.name !== 'running') return;
    const usage = await this.#kernel.call('ping', null).catch(() => undefined);
    if (usage === undefined) return;
    const { rssBytes, tiers } = usage;
    if (JSON.stringify(this.#usage) === JSON.stringify({ rssBytes, tiers })) return;
    this.#usage = { rssBytes, tiers };
    this.#noteChange();
  }

  #noteChange(): void {
    const generated = this.#fleet.agents.reduce((sum, { row }) => sum + row.generatedTokens, 0);
    this.#throughput.record(performance.now(), generated);
    if (this.#timer !== undefined && this.#isDue) return;
    clearTimeout(this.#timer);
    this.#isDue = true;
    this.#timer = setTimeout(() => this.#tell(), refreshIntervalMs);
  }

  #tell(): void {
    this.#isDue = false;
    this.#timer = undefined;
    this.#rates.record(new Map(this.#fleet.agents.map(({ key, row }) => [key, row])), performance.now());
    this.#changed.fire(undefined);
    if (this.#fleet.live.length > 0) this.#timer = setTimeout(() => this.#tell(), idleIntervalMs);
  }
}
