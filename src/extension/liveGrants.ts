/**
 * The rights that cover something in the present kernel, and those that were taken back while it ran. It only mirrors
 * what the kernel says: it gives and revokes nothing. How often a grant was used is asked again when a tool call may
 * have used one; nothing is polled.
 */

import type { KernelProcess, KernelState } from '../client/kernelProcess.js';
import type { Grant } from '../shared/capability.js';
import { Emitter } from '../shared/emitter.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import type { LiveGrant } from '../shared/protocol.js';
import type { GrantKey } from '../shared/taskManagerMessages.js';

const readIntervalMs = 500;
/** How long it is said of an agent that a right of it was revoked. */
export const revokedNewsMs = 20_000;

/** A grant that was taken back. */
export interface Revocation {
  readonly grant: Grant;
  /** On the clock that only goes on. */
  readonly atMs: number;
}

export class LiveGrants implements Disposable {
  readonly #kernel: Pick<KernelProcess, 'on' | 'call' | 'state'>;
  readonly #changed = new Emitter<undefined>();
  readonly #store = new DisposableStore();
  #grants = new Map<Grant['id'], LiveGrant>();
  #revocations: readonly Revocation[] = [];
  #generation = 0;
  /** Counts what was told, so that an answer older than that is not believed. */
  #version = 0;
  #timer: NodeJS.Timeout | undefined;

  readonly onDidChange = this.#changed.event;

  constructor(kernel: Pick<KernelProcess, 'on' | 'call' | 'state'>) {
    this.#kernel = kernel;
    this.#store.add(kernel.on('stateChanged', (state) => this.#follow(state)));
    this.#store.add(kernel.on('grantChanged', ({ grant, isLive }) => this.#update(grant, isLive)));
    this.#store.add(
      kernel.on('toolCalled', ({ call }) => {
        if (call.decision !== 'none' && this.#grants.size > 0) this.#readSoon();
      }),
    );
    this.#store.defer(() => clearTimeout(this.#timer));
  }

  dispose(): void {
    this.#store.dispose();
  }

  /** Oldest first. */
  get all(): readonly LiveGrant[] {
    return [...this.#grants.values()];
  }

  /** Taken back lately. @param nowMs on the clock that only goes on */
  revokedSince(nowMs: number): readonly Grant[] {
    return this.#revocations.filter(({ atMs }) => nowMs - atMs < revokedNewsMs).map(({ grant }) => grant);
  }

  keyOf({ id }: Grant): GrantKey {
    return `${this.#generation}.${id}`;
  }

  /** The grant behind a key, as long as it covers something. */
  find(key: GrantKey): Grant | undefined {
    return this.all.find(({ grant }) => this.keyOf(grant) === key)?.grant;
  }

  #follow({ name }: KernelState): void {
    this.#version += 1;
    if (name === 'running') {
      // Another kernel numbers its grants from 1 again.
      this.#generation += 1;
      void this.#read();
    }
    this.#revocations = [];
    if (this.#grants.size === 0) return;
    this.#grants = new Map();
    this.#changed.fire(undefined);
  }

  #update(grant: Grant, isLive: boolean): void {
    this.#version += 1;
    if (isLive) this.#grants.set(grant.id, { grant, uses: this.#grants.get(grant.id)?.uses ?? 0 });
    else {
      this.#grants.delete(grant.id);
      const atMs = performance.now();
      const recent = this.#revocations.filter((each) => atMs - each.atMs < revokedNewsMs);
      this.#revocations = [...recent, { grant, atMs }];
    }
    this.#changed.fire(undefined);
  }

  #readSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#read();
    }, readIntervalMs);
  }

  /** Quietly: a kernel that is gone is told of elsewhere. */
  async #read(): Promise<void> {
    if (this.#kernel.state.name !== 'running') return;
    const version = this.#version;
    const grants = await this.#kernel.call('grants', null).catch(() => undefined);
    if (grants === undefined) return;
    if (version !== this.#version) {
      this.#readSoon();
      return;
    }
    this.#grants = new Map(grants.map((each) => [each.grant.id, each]));
    this.#changed.fire(undefined);
  }
}
