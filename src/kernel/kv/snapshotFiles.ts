/**
 * Snapshots as files: `<sha256>.safetensors` and beside it `<sha256>.json`; with a key, both end in `.sealed`. The
 * record is written first and the snapshot last, so that a snapshot is there when its file is. What is on the disk
 * is found by its names alone: no list of files exists that could disagree. Anything else in the folder, and
 * anything that is not whole, is set aside and told; it is never deleted and never read again.
 */

import { webcrypto } from 'node:crypto';
import { damagedSuffix, type DurableFolder } from '../../hal/durableFolder.js';
import type { FileFacts } from '../../hal/fileCalls.js';
import { assertKey, keyIdIn, keyIdOf, seal, sealedBytes, unseal } from '../../hal/sealing.js';
import { KernelError, invariant, messageOf } from '../../shared/errors.js';
import { readRecord, writeRecord, type SnapshotRecord } from './snapshotRecord.js';
import { stateInvalid } from './stateErrors.js';

/** One snapshot on the disk. */
export interface StoredSnapshot {
  readonly record: SnapshotRecord;
  readonly isSealed: boolean;
  /** What it takes of the disk, its record included. */
  readonly fileBytes: number;
  /** Milliseconds since the epoch, as well as the system kept it. */
  readonly lastUsed: number;
}

export interface SetAside {
  /** Its name now. */
  readonly name: string;
  readonly reason: string;
}

export interface FoundSnapshots {
  readonly snapshots: readonly StoredSnapshot[];
  readonly setAside: readonly SetAside[];
  /** Snapshots whose writing was interrupted; what was there of them is gone. */
  readonly unfinished: number;
}

const pattern = /^([0-9a-f]{64})\.(safetensors|json)(\.sealed)?$/;

export class SnapshotFiles {
  readonly #folder: DurableFolder;
  readonly #key: Uint8Array | undefined;

  /** @param key 32 bytes; without it nothing is encrypted, and what is cannot be read */
  constructor(folder: DurableFolder, key?: Uint8Array) {
    invariant(key === undefined || key.length === 32, 'an encryption key has 32 bytes');
    this.#folder = folder;
    this.#key = key;
  }

  get isSealing(): boolean {
    return this.#key !== undefined;
  }

  /** @throws KernelError `stateInvalid` when what is there was encrypted and the key is missing or another */
  async scan(): Promise<FoundSnapshots> {
    const files = (await this.#folder.list()).filter(({ name }) => !name.endsWith(damagedSuffix));
    await this.#assertKey(files);
    const names = new Map(files.map((file) => [file.name, file]));
    const snapshots: StoredSnapshot[] = [];
    const setAside: SetAside[] = [];
    let unfinished = 0;
    for (const file of files) {
      const [, key, kind, sealed = ''] = pattern.exec(file.name) ?? [];
      if (key === undefined) {
        setAside.push(await this.#setAside(file.name, 'it is no file of this store'));
      } else if (kind === 'json') {
        const payload = names.get(`${key}.safetensors${sealed}`);
        if (payload !== undefined) continue;
        await this.#folder.remove(file.name);
        unfinished += 1;
      } else {
        const found = await this.#readFound(key, file, names.get(`${key}.json${sealed}`));
        if ('record' in found) snapshots.push(found);
        else setAside.push(...found);
      }
    }
    return { snapshots, setAside, unfinished };
  }

  /** What it would take of the disk. */
  bytesOf(record: SnapshotRecord): number {
    const sizeOf = this.isSealing ? sealedBytes : (bytes: number) => bytes;
    return sizeOf(writeRecord(record).length) + sizeOf(record.bytes);
  }

  /** @throws KernelError `storageFull`, `storageFailed`; then it is not there, or whole */
  async write(record: SnapshotRecord, bytes: Uint8Array): Promise<StoredSnapshot> {
    const isSealed = this.isSealing;
    const recordBytes = await this.writeRecord(record, isSealed);
    const name = payloadName(record.key, isSealed);
    const content = this.#key === undefined ? bytes : seal(bytes, name, this.#key);
    try {
      const fileBytes = recordBytes + (await this.#folder.writeAtomically(name, content));
      return { record, isSealed, fileBytes, lastUsed: record.created };
    } catch (error) {
      // If this fails too, a record without its snapshot is cleared away at the next start.
      await this.#folder.remove(recordName(record.key, isSealed)).catch(() => undefined);
      throw error;
    }
  }

  /** @returns its length on the disk */
  async writeRecord(record: SnapshotRecord, isSealed: boolean): Promise<number> {
    const name = recordName(record.key, isSealed);
    const plain = writeRecord(record);
    if (!isSealed) return await this.#folder.writeAtomically(name, plain);
    invariant(this.#key !== undefined, 'a sealed snapshot has a key');
    return await this.#folder.writeAtomically(name, seal(plain, name, this.#key));
  }

  /** @throws KernelError `stateInvalid` when it is not what was written, `notFound` when it is gone */
  async read({ record: { key }, isSealed }: StoredSnapshot): Promise<Uint8Array> {
    const bytes = await this.#open(payloadName(key, isSealed), isSealed);
    if ((await keyOf(bytes)) !== key) throw stateInvalid(`snapshot ${key} is damaged: its checksum differs`);
    return bytes;
  }

  /** The snapshot first: a record alone is nothing. */
  async remove({ record: { key }, isSealed }: StoredSnapshot): Promise<void> {
    await this.#folder.remove(payloadName(key, isSealed));
    await this.#folder.remove(recordName(key, isSealed));
  }

  async setAside({ record: { key }, isSealed }: StoredSnapshot, reason: string): Promise<SetAside> {
    const aside = await this.#setAside(payloadName(key, isSealed), reason);
    await this.#folder.remove(recordName(key, isSealed));
    return aside;
  }

  /** Everything that was ever set aside. */
  async listSetAside(): Promise<readonly FileFacts[]> {
    return (await this.#folder.list()).filter(({ name }) => name.endsWith(damagedSuffix));
  }

  async removeSetAside(): Promise<void> {
    for (const { name } of await this.listSetAside()) await this.#folder.remove(name);
  }

  /** Notes the use; whether that lasts through a power cut is no matter. */
  async markUsed({ record: { key }, isSealed }: StoredSnapshot, at: number): Promise<void> {
    await this.#folder.setModified(payloadName(key, isSealed), at);
  }

  /** One file that the key sealed proves the key; then those that name another are damaged. */
  async #assertKey(files: readonly FileFacts[]): Promise<void> {
    const own = this.#key === undefined ? undefined : keyIdOf(this.#key);
    let other: { readonly name: string; readonly keyId: string } | undefined;
    for (const { name } of files) {
      if (!name.endsWith('.json.sealed') || !pattern.test(name)) continue;
      const keyId = keyIdIn(await this.#folder.read(name));
      if (keyId !== undefined && keyId === own) return;
      if (keyId !== undefined) other = { name, keyId };
    }
    if (other !== undefined) assertKey(this.#key, other.keyId, `the snapshot record ${other.name}`);
  }

  async #readFound(
    key: string,
    payload: FileFacts,
    recordFile: FileFacts | undefined,
  ): Promise<StoredSnapshot | readonly SetAside[]> {
    const isSealed = payload.name.endsWith('.sealed');
    try {
      if (recordFile === undefined) throw stateInvalid('it has no record');
      const record = readRecord(await this.#open(recordFile.name, isSealed), key);
      const expected = isSealed ? sealedBytes(record.bytes) : record.bytes;
      if (payload.bytes !== expected) {
        throw stateInvalid(`it has ${payload.bytes} bytes and its record says ${expected}`);
      }
      const lastUsed = Math.max(record.created, payload.modifiedMs);
      return { record, isSealed, fileBytes: payload.bytes + recordFile.bytes, lastUsed };
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'stateInvalid') throw error;
      const names = [payload.name, ...(recordFile === undefined ? [] : [recordFile.name])];
      return await Promise.all(names.map((name) => this.#setAside(name, messageOf(error))));
    }
  }

  async #open(name: string, isSealed: boolean): Promise<Uint8Array> {
    const bytes = await this.#folder.read(name);
    return isSealed ? await unseal(bytes, name, this.#key) : bytes;
  }

  async #setAside(name: string, reason: string): Promise<SetAside> {
    return { name: await this.#folder.setAside(name), reason };
  }
}

/** SHA-256 in hex, off the main thread. */
export async function keyOf(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}

const payloadName = (key: string, isSealed: boolean): string =>
  `${key}.safetensors${isSealed ? '.sealed' : ''}`;
const recordName = (key: string, isSealed: boolean): string => `${key}.json${isSealed ? '.sealed' : ''}`;
