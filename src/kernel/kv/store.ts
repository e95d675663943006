/**
 * The snapshots of this machine: the lowest tier of attention state, which outlives the kernel. It takes bytes that
 * the codec made and what they are of, names them by their content, finds the longest stored beginning of a token
 * list, and keeps within its quota. What it gives out is what was put in, bit for bit, or an error: damage is set
 * aside and told, never given out and never deleted. It knows nothing of models, and compares no tokens.
 */

import type { Clock } from '../../hal/clock.js';
import type { DurableFolder } from '../../hal/durableFolder.js';
import { formatBytes } from '../../hal/byteSize.js';
import { Emitter } from '../../shared/emitter.js';
import { KernelError, messageOf } from '../../shared/errors.js';
import { hashPrefix } from './prefixHash.js';
import { PrefixIndex } from './prefixIndex.js';
import { chooseVictims, usualRetention, type Evictable, type Retention } from './retention.js';
import {
  SnapshotFiles,
  keyOf,
  type FoundSnapshots,
  type SetAside,
  type StoredSnapshot,
} from './snapshotFiles.js';
import type { SnapshotRecord } from './snapshotRecord.js';

/** What a snapshot is of. */
export interface SnapshotFacts {
  /** Fingerprint of the model and everything else that its state depends on. */
  readonly model: string;
  /** All that it covers; kept as hashes alone. */
  readonly tokens: readonly number[];
  /** Whose it is. */
  readonly agent: string;
  readonly quantisation: string;
  readonly retention?: Retention;
  /** Of its owner, since nobody else knows a snapshot that is not stored yet. */
  readonly stepsUntilRun?: number;
  /** One that this one makes useless. It goes when this one is there for good, and its room counts as free. */
  readonly replaces?: string;
}

/** A stored snapshot, as it is listed. */
export interface SnapshotEntry {
  /** SHA-256 of its bytes, in hex. */
  readonly key: string;
  readonly model: string;
  readonly tokens: number;
  readonly agent: string;
  readonly quantisation: string;
  readonly bytes: number;
  /** What it takes of the quota. */
  readonly fileBytes: number;
  readonly isEncrypted: boolean;
  readonly created: number;
  readonly lastUsed: number;
  readonly retention: Retention;
}

export interface SnapshotMatch {
  readonly entry: SnapshotEntry;
  /** Leading tokens that are shared, as far as hashes tell; up to 63 more may be. */
  readonly shared: number;
}

export interface SnapshotStoreOptions {
  readonly folder: DurableFolder;
  readonly clock: Clock;
  readonly quotaBytes: number;
  /** 32 bytes: everything written from now on is encrypted. */
  readonly encryptionKey?: Uint8Array | undefined;
  /** Steps until the owner of a snapshot runs again: 0 is at once, `Infinity` never. Unknown counts as never. */
  readonly stepsUntilRun?: (entry: SnapshotEntry) => number;
}

export interface StoreUsage {
  readonly snapshots: number;
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly setAsideFiles: number;
  readonly setAsideBytes: number;
}

interface Resident {
  stored: StoredSnapshot;
  lastUsed: number;
}

export class SnapshotStore implements AsyncDisposable {
  readonly #files: SnapshotFiles;
  readonly #clock: Clock;
  readonly #quotaBytes: number;
  readonly #stepsUntilRun: (entry: SnapshotEntry) => number;
  readonly #residents = new Map<string, Resident>();
  readonly #index = new PrefixIndex();
  readonly #evicted = new Emitter<SnapshotEntry>();
  readonly #damaged = new Emitter<SetAside>();
  /** What changes files runs one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /** A snapshot left to make room. */
  readonly onDidEvict = this.#evicted.event;
  /** A snapshot was found damaged and set aside. */
  readonly onDidSetAside = this.#damaged.event;

  private constructor(options: SnapshotStoreOptions) {
    this.#files = new SnapshotFiles(options.folder, options.encryptionKey);
    this.#clock = options.clock;
    this.#quotaBytes = options.quotaBytes;
    this.#stepsUntilRun = options.stepsUntilRun ?? (() => Infinity);
  }

  /**
   * Finds what is there, and drops what exceeds the quota.
   * @throws KernelError `stateInvalid` when it is encrypted and the key is missing or another; nothing was touched
   */
  static async open(
    options: SnapshotStoreOptions,
  ): Promise<{ readonly store: SnapshotStore; readonly found: FoundSnapshots }> {
    const store = new SnapshotStore(options);
    const found = await store.#files.scan();
    // A clock that was set back must not make snapshots look younger than any new one.
    const now = options.clock.wallClock();
    for (const stored of found.snapshots) store.#enter(stored, Math.min(now, stored.lastUsed));
    await store.#serially(() => store.#makeRoom());
    return { store, found };
  }

  /** What its snapshots take of the quota. */
  get bytes(): number {
    return sum([...this.#residents.values()].map(({ stored }) => stored.fileBytes));
  }

  get quotaBytes(): number {
    return this.#quotaBytes;
  }

  list(): SnapshotEntry[] {
    return [...this.#residents.values()].map(entryOf);
  }

  /** @throws KernelError `notFound` */
  entry(key: string): SnapshotEntry {
    return entryOf(this.#resident(key));
  }

  /**
   * Keeps the bytes for good. The same bytes again take no more room; their facts are then the later ones.
   * @throws KernelError `storageFull` when the disk is full, or the quota is by what is worth more; `storageFailed`
   */
  async put(bytes: Uint8Array, facts: SnapshotFacts): Promise<SnapshotEntry> {
    const key = await keyOf(bytes);
    const hashes = hashPrefix(facts.model, facts.tokens);
    const record: SnapshotRecord = {
      version: 1,
      key,
      bytes: bytes.length,
      model: facts.model,
      tokens: facts.tokens.length,
      blocks: [...hashes.blocks],
      whole: hashes.whole,
      agent: facts.agent,
      quantisation: facts.quantisation,
      created: this.#clock.wallClock(),
      retention: facts.retention ?? usualRetention,
    };
    return await this.#serially(async () => {
      const stored = await this.#write(record, bytes, facts);
      const replaced = facts.replaces === key ? undefined : this.#residents.get(facts.replaces ?? '');
      if (replaced !== undefined) await this.#drop(replaced);
      return entryOf(stored);
    });
  }

  /**
   * The bytes that were put.
   * @throws KernelError `notFound`; `stateInvalid` when they are damaged: then they are set aside
   */
  async get(key: string): Promise<Uint8Array> {
    const resident = this.#resident(key);
    const bytes = await this.#readWhole(resident);
    await this.#use(resident);
    return bytes;
  }

  /** The snapshot that shares the longest beginning with the tokens; among equals the one with least beyond it. */
  find(model: string, tokens: readonly number[]): SnapshotMatch | undefined {
    const matches = this.#index.find(model, tokens).flatMap(({ key, shared }) => {
      const resident = this.#residents.get(key);
      return resident === undefined ? [] : [{ entry: entryOf(resident), shared }];
    });
    matches.sort((a, b) => a.entry.tokens - b.entry.tokens || b.entry.lastUsed - a.entry.lastUsed);
    return matches[0];
  }

  /** Notes that it was used or is about to be; with a retention, keeps it from now on as that says. */
  async touch(key: string, retention?: Retention): Promise<void> {
    const resident = this.#resident(key);
    await this.#use(resident);
    if (retention === undefined) return;
    await this.#serially(async () => {
      if (this.#residents.get(key) !== resident) return;
      await this.#rewrite(resident, { ...resident.stored.record, retention });
    });
  }

  /** It is gone for good, or was not there. */
  async remove(key: string): Promise<void> {
    await this.#serially(async () => {
      const resident = this.#residents.get(key);
      if (resident !== undefined) await this.#drop(resident);
    });
  }

  /** Reads it and compares its checksum. What is damaged is set aside. @throws KernelError `notFound` */
  async verify(key: string): Promise<'intact' | 'damaged'> {
    try {
      await this.#readWhole(this.#resident(key));
      return 'intact';
    } catch (error) {
      if (error instanceof KernelError && error.code === 'stateInvalid') return 'damaged';
      throw error;
    }
  }

  async usage(): Promise<StoreUsage> {
    const aside = await this.#files.listSetAside();
    return {
      snapshots: this.#residents.size,
      bytes: this.bytes,
      quotaBytes: this.#quotaBytes,
      setAsideFiles: aside.length,
      setAsideBytes: sum(aside.map(({ bytes }) => bytes)),
    };
  }

  /** Deletes what was set aside, because a person said so. */
  async removeSetAside(): Promise<void> {
    await this.#serially(() => this.#files.removeSetAside());
  }

  /** Waits for what is being written. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#serially(() => Promise.resolve());
  }

  async #write(record: SnapshotRecord, bytes: Uint8Array, facts: SnapshotFacts): Promise<Resident> {
    const present = this.#residents.get(record.key);
    if (present?.stored.isSealed === this.#files.isSealing) {
      await this.#rewrite(present, record);
      await this.#use(present);
      return present;
    }
    // The same bytes are there in the other form: this one takes its place.
    if (present !== undefined) await this.#drop(present);
    await this.#makeRoom(this.#newcomer(record, facts), facts.replaces);
    return this.#enter(await this.#files.write(record, bytes), record.created);
  }

  async #rewrite(resident: Resident, record: SnapshotRecord): Promise<void> {
    const { stored, lastUsed } = resident;
    await this.#files.writeRecord(record, stored.isSealed);
    resident.stored = { ...stored, record };
    this.#index.add(record);
    resident.lastUsed = Math.max(lastUsed, record.created);
  }

  async #readWhole(resident: Resident): Promise<Uint8Array> {
    try {
      return await this.#files.read(resident.stored);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (error.code === 'stateInvalid') await this.#serially(() => this.#quarantine(resident, error));
      if (error.code === 'notFound') this.#forget(resident);
      throw error;
    }
  }

  async #quarantine(resident: Resident, error: KernelError): Promise<void> {
    if (this.#residents.get(resident.stored.record.key) !== resident) return;
    this.#forget(resident);
    this.#damaged.fire(await this.#files.setAside(resident.stored, messageOf(error)));
  }

  async #use(resident: Resident): Promise<void> {
    resident.lastUsed = this.#clock.wallClock();
    // A note for later runs only: who removes it meanwhile, or a disk that refuses, changes nothing for this one.
    await this.#files.markUsed(resident.stored, resident.lastUsed).catch(() => undefined);
  }

  /** Drops what is worth least until the newcomer fits. @throws KernelError `storageFull` when it must not come in */
  async #makeRoom(newcomer?: Evictable, replaces?: string): Promise<void> {
    const resident = [...this.#residents.values()].filter(({ stored }) => stored.record.key !== replaces);
    const victims = chooseVictims({
      resident: resident.map((each) => this.#evictable(each)),
      ...(newcomer !== undefined && { newcomer }),
      quotaBytes: this.#quotaBytes,
      now: this.#clock.wallClock(),
    });
    if (victims === undefined) {
      throw new KernelError(
        'storageFull',
        `a snapshot of ${formatBytes(newcomer?.bytes ?? 0)} does not fit into the ${formatBytes(this.#quotaBytes)}` +
          ' for snapshots beside what is worth more',
      );
    }
    for (const { key } of victims) {
      const victim = this.#residents.get(key);
      if (victim === undefined) continue;
      const entry = entryOf(victim);
      await this.#drop(victim);
      this.#evicted.fire(entry);
    }
  }

  #evictable(resident: Resident): Evictable {
    const { record, fileBytes } = resident.stored;
    return {
      key: record.key,
      bytes: fileBytes,
      retention: record.retention,
      lastUsed: resident.lastUsed,
      stepsUntilRun: this.#stepsUntilRun(entryOf(resident)),
    };
  }

  /** One that is not stored yet. */
  #newcomer(record: SnapshotRecord, { stepsUntilRun }: SnapshotFacts): Evictable {
    const stored = {
      record,
      isSealed: this.#files.isSealing,
      fileBytes: this.#files.bytesOf(record),
      lastUsed: record.created,
    };
    const evictable = this.#evictable({ stored, lastUsed: record.created });
    return { ...evictable, stepsUntilRun: stepsUntilRun ?? evictable.stepsUntilRun };
  }

  #enter(stored: StoredSnapshot, lastUsed: number): Resident {
    const resident = { stored, lastUsed };
    this.#residents.set(stored.record.key, resident);
    this.#index.add(stored.record);
    return resident;
  }

  async #drop(resident: Resident): Promise<void> {
    this.#forget(resident);
    await this.#files.remove(resident.stored);
  }

  #forget(resident: Resident): void {
    const { record } = resident.stored;
    if (this.#residents.get(record.key) !== resident) return;
    this.#residents.delete(record.key);
    this.#index.remove(record.key);
  }

  #resident(key: string): Resident {
    const resident = this.#residents.get(key);
    if (resident === undefined) throw new KernelError('notFound', `there is no snapshot ${key}`);
    return resident;
  }

  async #serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return await result;
  }
}

function entryOf({ stored, lastUsed }: Resident): SnapshotEntry {
  const { record, isSealed, fileBytes } = stored;
  const { key, model, tokens, agent, quantisation, bytes, created, retention } = record;
  const facts = { key, model, tokens, agent, quantisation, bytes, created, retention };
  return { ...facts, fileBytes, isEncrypted: isSealed, lastUsed };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
