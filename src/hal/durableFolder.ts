/**
 * A folder of files that outlive a power cut. A file is replaced whole or not at all: written beside, flushed,
 * renamed, and the folder flushed. Names are plain lower-case names, never paths. What looks damaged is set aside
 * under another name and never deleted here unasked; only what an interrupted write left is cleared away.
 */

import { join } from 'node:path';
import { KernelError } from '../shared/errors.js';
import { DurableLog } from './durableLog.js';
import type { FileCalls, FileFacts } from './fileCalls.js';
import { hasCode, storageError } from './fileErrors.js';
import { readWhole, writeAll } from './openFile.js';

/** Files of this kind are what an interrupted write leaves. */
const unfinished = '.tmp';
/** Files of this kind were set aside. */
export const damagedSuffix = '.damaged';

/** Long files are best written in pieces, as they come. */
export type Content = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export class DurableFolder {
  readonly path: string;
  readonly #calls: FileCalls;
  #writes = 0;

  private constructor(path: string, calls: FileCalls) {
    this.path = path;
    this.#calls = calls;
  }

  /** Makes the folder where it is missing, for this user alone. Whoever opens it must be its only user. */
  static async open(path: string, calls: FileCalls): Promise<DurableFolder> {
    const folder = new DurableFolder(path, calls);
    await folder.#do('the folder', async () => {
      await calls.makeFolder(path);
      await calls.syncFolder(join(path, '..'));
      for (const { name } of await calls.list(path)) {
        if (name.endsWith(unfinished)) await calls.remove(join(path, name));
      }
      // A kernel that was killed may have renamed and not flushed: what is seen from here on is there to stay.
      await calls.syncFolder(path);
    });
    return folder;
  }

  /** To look at what is there, also beside whoever uses it: nothing is made and nothing cleared away. */
  static toRead(path: string, calls: FileCalls): Pick<DurableFolder, 'path' | 'list' | 'read'> {
    return new DurableFolder(path, calls);
  }

  /** Every file, sorted by name. */
  async list(): Promise<readonly FileFacts[]> {
    const files = await this.#do('the folder', () => this.#calls.list(this.path));
    return [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** @throws KernelError `notFound`, `storageFailed` */
  read(name: string): Promise<Uint8Array> {
    return this.#do(name, () => readWhole(this.#pathOf(name), this.#calls));
  }

  /**
   * Replaces the file or makes it. Whenever the power goes, the old one is there or the new one, whole.
   * @returns its length
   * @throws KernelError `storageFull`, `storageFailed`; the old one is there then, or the new one
   */
  writeAtomically(name: string, content: Content): Promise<number> {
    return this.#do(name, async () => {
      const path = this.#pathOf(name);
      const fresh = `${path}.${++this.#writes}${unfinished}`;
      try {
        const bytes = await this.#writeFresh(fresh, content);
        await this.#calls.rename(fresh, path);
        await this.#calls.syncFolder(this.path);
        return bytes;
      } catch (error) {
        // The first failure is the one to tell; what is left behind is cleared away at the next start.
        await this.#calls.remove(fresh).catch(() => undefined);
        throw error;
      }
    });
  }

  /** Opens a file that is there, to append to it after its first `bytes` bytes; what came after them is cut off. */
  openLog(name: string, bytes: number): Promise<DurableLog> {
    return this.#do(name, async () => {
      const file = await this.#calls.open(this.#pathOf(name), 'append');
      try {
        if ((await file.size()) > bytes) {
          await file.truncate(bytes);
          await file.sync();
        }
        return new DurableLog(file, { name, bytes });
      } catch (error) {
        await file.close();
        throw error;
      }
    });
  }

  /** The file is gone for good, or was not there. */
  remove(name: string): Promise<void> {
    return this.#do(name, async () => {
      try {
        await this.#calls.remove(this.#pathOf(name));
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error;
      }
      await this.#calls.syncFolder(this.path);
    });
  }

  /** Renames the file, whatever its name, so that nobody takes it for a good one. @returns its new name */
  setAside(name: string): Promise<string> {
    return this.#do(name, async () => {
      const taken = new Set((await this.#calls.list(this.path)).map((file) => file.name));
      let aside = `${name}${damagedSuffix}`;
      for (let count = 2; taken.has(aside); count++) aside = `${name}.${count}${damagedSuffix}`;
      await this.#calls.rename(join(this.path, name), join(this.path, aside));
      await this.#calls.syncFolder(this.path);
      return aside;
    });
  }

  /** Notes when the file was last used, as well as the system keeps it; a power cut may forget it. */
  setModified(name: string, modifiedMs: number): Promise<void> {
    return this.#do(name, () => this.#calls.setModified(this.#pathOf(name), modifiedMs));
  }

  async #writeFresh(path: string, content: Content): Promise<number> {
    const file = await this.#calls.open(path, 'create');
    try {
      let bytes = 0;
      for await (const piece of content instanceof Uint8Array ? [content] : content) {
        await writeAll(file, piece);
        bytes += piece.length;
      }
      await file.sync();
      return bytes;
    } finally {
      await file.close();
    }
  }

  #pathOf(name: string): string {
    assertName(name);
    return join(this.path, name);
  }

  async #do<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storageError(error, `${what} in ${this.path}`);
    }
  }
}

/** Names of devices, which Windows opens whatever folder and ending they are given. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/;

/** @throws KernelError `badRequest`: a name comes from code, but parts of it may come from elsewhere */
export function assertName(name: string): void {
  const isPlain = /^[a-z0-9][a-z0-9._-]{0,199}$/.test(name) && !name.endsWith('.');
  if (isPlain && !name.endsWith(unfinished) && !deviceName.test(name)) return;
  throw new KernelError('badRequest', `${JSON.stringify(name)} is no name of a stored file`);
}
