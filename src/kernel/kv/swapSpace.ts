/**
 * The memory tier of attention state: what lost its slot, and prefixes that several clients share, kept in the
 * engine's own form until somebody needs it again. Holds what fits its quota and forgets the longest unused first;
 * what it forgets costs a prefill and nothing else. It never decides whether keeping is worth its time.
 */

import type { InferenceDriver, Slot, Token } from '../../hal/driver.js';

/** Files of the tier. `Scratch` of the HAL is one. */
export interface StateFiles {
  path(name: string): string;
  bytes(name: string): Promise<number>;
  remove(name: string): Promise<void>;
}

export interface ParkedState {
  readonly name: string;
  /** Whoever lost its slot; undefined for a prefix that belongs to nobody. */
  readonly owner: object | undefined;
  readonly tokens: readonly Token[];
  readonly bytes: number;
}

export interface SwapSpaceOptions {
  readonly driver: InferenceDriver;
  readonly files: StateFiles;
  readonly quotaBytes: number;
  /** Before a state leaves to make room, while its file is still there. Must not throw. */
  readonly onEvict?: (parked: ParkedState) => Promise<void>;
}

export class SwapSpace {
  readonly #driver: InferenceDriver;
  readonly #files: StateFiles;
  readonly #quotaBytes: number;
  readonly #onEvict: (parked: ParkedState) => Promise<void>;
  /** In order of last use. */
  readonly #parked = new Set<ParkedState>();
  readonly #byOwner = new Map<object, ParkedState>();
  #bytes = 0;
  #count = 0;

  constructor({ driver, files, quotaBytes, onEvict }: SwapSpaceOptions) {
    this.#onEvict = onEvict ?? (() => Promise.resolve());
    this.#driver = driver;
    this.#files = files;
    this.#quotaBytes = quotaBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get quotaBytes(): number {
    return this.#quotaBytes;
  }

  get size(): number {
    return this.#parked.size;
  }

  /** Whether a state of this size could be kept at all. */
  fits(bytes: number): boolean {
    return bytes <= this.#quotaBytes;
  }

  /** What the owner lost, if it is still here. */
  of(owner: object): ParkedState | undefined {
    return this.#byOwner.get(owner);
  }

  /**
   * Keeps a copy of the slot's state, in place of what the owner had here before.
   * @throws KernelError `deviceFailed`; then nothing of the owner is here
   */
  async park(slot: Slot, owner: object | undefined): Promise<ParkedState> {
    if (owner !== undefined) await this.drop(owner);
    const name = `${++this.#count}.state`;
    try {
      await this.#driver.saveState(slot, this.#files.path(name));
      const bytes = await this.#files.bytes(name);
      const parked: ParkedState = { name, owner, tokens: slot.tokens.slice(), bytes };
      await this.#enter(parked);
      return parked;
    } catch (error) {
      await this.#files.remove(name);
      throw error;
    }
  }

  /** Takes over a file of this tier's folder as what the owner lost, in place of what it had here. */
  async adopt(parked: ParkedState & { readonly owner: object }): Promise<void> {
    await this.drop(parked.owner);
    await this.#enter(parked);
  }

  /** Among all states the one that shares the longest prefix with these tokens. */
  longestPrefix(
    tokens: readonly Token[],
  ): { readonly parked: ParkedState; readonly length: number } | undefined {
    let best: { parked: ParkedState; length: number } | undefined;
    for (const parked of this.#parked) {
      const length = commonPrefixLength(parked.tokens, tokens);
      if (length > (best?.length ?? 0)) best = { parked, length };
    }
    return best;
  }

  /**
   * Replaces the slot's content by the state, which stays here.
   * @throws KernelError `stateInvalid`; then the slot is empty and the state is gone
   */
  async load(parked: ParkedState, slot: Slot): Promise<void> {
    try {
      await this.#driver.loadState(slot, this.#files.path(parked.name));
    } catch (error) {
      await this.#forget(parked);
      throw error;
    }
    // Used last, so it goes last.
    if (this.#parked.delete(parked)) this.#parked.add(parked);
  }

  /** What the one lost is from now on what the other lost. */
  handOver(from: object, to: object): void {
    const parked = this.of(from);
    if (parked === undefined) return;
    const owned = { ...parked, owner: to };
    this.#byOwner.delete(from);
    this.#byOwner.set(to, owned);
    this.#parked.delete(parked);
    this.#parked.add(owned);
  }

  async drop(owner: object): Promise<void> {
    const parked = this.of(owner);
    if (parked !== undefined) await this.#forget(parked);
  }

  async #enter(parked: ParkedState): Promise<void> {
    this.#parked.add(parked);
    if (parked.owner !== undefined) this.#byOwner.set(parked.owner, parked);
    this.#bytes += parked.bytes;
    await this.#makeRoom(parked);
  }

  async #makeRoom(newest: ParkedState): Promise<void> {
    for (const parked of this.#parked) {
      if (this.#bytes <= this.#quotaBytes) return;
      if (parked === newest) continue;
      await this.#onEvict(parked);
      await this.#forget(parked);
    }
  }

  async #forget(parked: ParkedState): Promise<void> {
    if (!this.#parked.delete(parked)) return;
    if (parked.owner !== undefined) this.#byOwner.delete(parked.owner);
    this.#bytes -= parked.bytes;
    await this.#files.remove(parked.name);
  }
}

export function commonPrefixLength(a: readonly Token[], b: readonly Token[]): number {
  const end = Math.min(a.length, b.length);
  let length = 0;
  while (length < end && a[length] === b[length]) length++;
  return length;
}
