/**
 * A file that grows at its end. An append resolves when its bytes outlive a power cut; those who append at the same
 * time share one flush. An append that failed left nothing behind, unless the flush itself failed: then nobody knows
 * what the disk holds, and the log takes nothing more. A write without a flush outlives the process alone, and is
 * durable with the next append.
 */

import { invariant, type KernelError } from '../shared/errors.js';
import type { OpenFile } from './fileCalls.js';
import { storageError } from './fileErrors.js';
import { writeAll } from './openFile.js';

interface Append {
  readonly bytes: Uint8Array;
  readonly isFlushed: boolean;
  readonly resolve: () => void;
  readonly reject: (error: KernelError) => void;
}

export class DurableLog implements AsyncDisposable {
  readonly #file: OpenFile;
  /** For messages. */
  readonly #name: string;
  #queue: Append[] = [];
  #writing: Promise<void> | undefined;
  #bytes: number;
  /** With the operating system: {@link bytes}, and what no append has flushed yet. */
  #written: number;
  #flushes = 0;
  #failure: KernelError | undefined;
  #isClosed = false;

  /** @param bytes the file's length, all of which is durable */
  constructor(file: OpenFile, { name, bytes }: { readonly name: string; readonly bytes: number }) {
    this.#file = file;
    this.#name = name;
    this.#bytes = bytes;
    this.#written = bytes;
  }

  /** What is durable. */
  get bytes(): number {
    return this.#bytes;
  }

  get flushes(): number {
    return this.#flushes;
  }

  /**
   * Resolves, in the order of the calls, when the bytes are durable. When one fails, so do all that came after it
   * and were not durable yet.
   * @throws KernelError `storageFull`, `storageFailed`
   */
  append(bytes: Uint8Array): Promise<void> {
    return this.#enqueue(bytes, true);
  }

  /**
   * Resolves when the bytes outlive this process, in the order of all calls. No append that fails takes them back.
   * @throws KernelError `storageFull`, `storageFailed`
   */
  write(bytes: Uint8Array): Promise<void> {
    return this.#enqueue(bytes, false);
  }

  #enqueue(bytes: Uint8Array, isFlushed: boolean): Promise<void> {
    invariant(!this.#isClosed, `append to the closed log ${this.#name}`);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#queue.push({ bytes, isFlushed, resolve, reject });
      this.#writing ??= this.#writeQueue();
    });
  }

  /** Waits for what was appended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#writing;
    try {
      if (this.#written > this.#bytes && this.#failure === undefined) await this.#file.sync();
    } finally {
      await this.#file.close();
    }
  }

  async #writeQueue(): Promise<void> {
    // Whoever appends in the same turn of the event loop comes along.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      const isFlushed = batch.some((each) => each.isFlushed);
      const failure = await this.#write(Buffer.concat(batch.map(({ bytes }) => bytes)), isFlushed);
      if (failure === undefined) {
        for (const { resolve } of batch) resolve();
        continue;
      }
      const later = this.#queue;
      this.#queue = [];
      for (const { reject } of [...batch, ...later]) reject(failure);
    }
    this.#writing = undefined;
  }

  async #write(bytes: Uint8Array, isFlushed: boolean): Promise<KernelError | undefined> {
    try {
      await writeAll(this.#file, bytes);
    } catch (error) {
      return await this.#takeBack(storageError(error, this.#name));
    }
    this.#written += bytes.length;
    if (!isFlushed) return undefined;
    try {
      await this.#file.sync();
    } catch (error) {
      this.#failure = storageError(error, this.#name);
      return this.#failure;
    }
    this.#bytes = this.#written;
    this.#flushes += 1;
    return undefined;
  }

  /** Cuts off what was half written, so that the next append begins where the last good one ended. */
  async #takeBack(failure: KernelError): Promise<KernelError> {
    try {
      await this.#file.truncate(this.#written);
      await this.#file.sync();
    } catch (error) {
      this.#failure = storageError(error, this.#name);
    }
    return failure;
  }
}
