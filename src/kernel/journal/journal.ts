/**
 * The write-ahead journal of agent state. A fact is appended before anyone may see it, and when `append` has
 * resolved the fact outlives a kill and a power cut; those who append at the same time share one flush. It keeps in
 * memory what its records say, and writes itself anew when most of it no longer counts. One writer: whoever opens
 * it holds the lock of the storage.
 */

import type { DurableFolder } from '../../hal/durableFolder.js';
import type { DurableLog } from '../../hal/durableLog.js';
import { KernelError } from '../../shared/errors.js';
import { fileOf, writeGeneration, type Generation, type GenerationParts } from './generations.js';
import { encodeRecord } from './journalFile.js';
import { recordSchema, type JournalRecord } from './records.js';
import type { JournalState, ReplayedState } from './replay.js';

export interface JournalOptions extends GenerationParts {
  readonly generation: Generation;
  readonly log: DurableLog;
  readonly state: ReplayedState;
}

export interface JournalFigures {
  readonly file: string;
  readonly bytes: number;
  /** What of it is the records of live agents and kept reports. */
  readonly liveBytes: number;
  /** Since the journal was opened. */
  readonly records: number;
  readonly flushes: number;
  readonly rewrites: number;
}

export class Journal implements AsyncDisposable {
  readonly #folder: DurableFolder;
  readonly #parts: GenerationParts;
  readonly #state: ReplayedState;
  #generation: Generation;
  #log: DurableLog;
  readonly #appending = new Set<Promise<void>>();
  #rewriting: Promise<void> | undefined;
  #failure: KernelError | undefined;
  #records = 0;
  #rewrites = 0;
  /** Flushes of the files before this one. */
  #earlierFlushes = 0;

  constructor({ folder, encryptionKey, generation, log, state }: JournalOptions) {
    this.#folder = folder;
    this.#parts = { folder, encryptionKey };
    this.#generation = generation;
    this.#log = log;
    this.#state = state;
  }

  /** What the durable records say; it grows with them. */
  get state(): JournalState {
    return this.#state;
  }

  get figures(): JournalFigures {
    return {
      file: fileOf(this.#generation.number),
      bytes: this.#log.bytes,
      liveBytes: this.#generation.live.total,
      records: this.#records,
      flushes: this.#earlierFlushes + this.#log.flushes,
      rewrites: this.#rewrites,
    };
  }

  /**
   * Resolves when the fact is durable; facts become durable in the order of the calls.
   * @throws KernelError `storageFull` when the disk is full: the fact is not recorded and later ones can be;
   *   `storageFailed` when the disk fails: nothing more can be; `bug` for what could not be read back
   */
  async append(record: JournalRecord): Promise<void> {
    const checked = assertReadable(record);
    while (this.#rewriting !== undefined) await settled(this.#rewriting);
    if (this.#failure !== undefined) throw this.#failure;
    const line = encodeRecord(checked, this.#generation.format);
    const durable = this.#log.append(line).then(() => this.#recorded(checked, line.length));
    this.#appending.add(durable);
    try {
      await durable;
    } finally {
      this.#appending.delete(durable);
    }
    // Garbage is made when an agent ends. A rewrite that fails leaves the file as it was, so nobody waits for it.
    if (checked.type === 'exited' && this.#isWorthRewriting()) void settled(this.rewrite());
  }

  /**
   * Writes the state to a new file, which takes the place of this one; appends wait meanwhile.
   * @throws KernelError `storageFull`, `storageFailed`; then the old file goes on, or nothing does
   */
  rewrite(): Promise<void> {
    this.#rewriting ??= this.#rewrite().finally(() => (this.#rewriting = undefined));
    return this.#rewriting;
  }

  /** Waits for what was appended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await settled(this.#rewriting);
    await this.#log[Symbol.asyncDispose]();
  }

  #recorded(record: JournalRecord, bytes: number): void {
    this.#state.apply(record);
    this.#generation.live.add(record, bytes);
    this.#records += 1;
  }

  #isWorthRewriting(): boolean {
    return this.#rewriting === undefined && this.#generation.live.isWorthRewriting(this.#log.bytes);
  }

  async #rewrite(): Promise<void> {
    await Promise.allSettled(this.#appending);
    const old = { log: this.#log, number: this.#generation.number };
    const number = old.number + 1;
    try {
      const generation = await writeGeneration(number, this.#state, this.#parts);
      this.#log = await this.#folder.openLog(fileOf(number), generation.bytes);
      this.#generation = generation;
    } catch (error) {
      await this.#takeBack(number);
      throw error;
    }
    this.#rewrites += 1;
    this.#earlierFlushes += old.log.flushes;
    await old.log[Symbol.asyncDispose]();
    // From here on the new one counts; an old one that stays is taken away by the next start.
    await settled(this.#folder.remove(fileOf(old.number)));
  }

  /** The new file must not come to count after all, with facts missing that the old one gets from now on. */
  async #takeBack(number: number): Promise<void> {
    try {
      await this.#folder.remove(fileOf(number));
    } catch (error) {
      this.#failure = new KernelError('storageFailed', `${fileOf(number)} could not be taken back`, {
        cause: error,
      });
    }
  }
}

/** A record that could not be read would cost every agent at the next start. */
function assertReadable(record: JournalRecord): JournalRecord {
  const result = recordSchema.safeParse(record);
  if (result.success) return result.data;
  throw new KernelError('bug', `a record of the kind ${record.type} is not as records are`, {
    cause: result.error,
  });
}

/** Waits, whatever comes of it. */
async function settled(work: Promise<unknown> | undefined): Promise<void> {
  await work?.catch(() => undefined);
}
