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

/** What is in the folder. */
export interface Survey {
  readonly snapshots: readonly StoredSnapshot[];
  /** Files that belong together, and why they are none of a snapshot's. */
  readonly faults: readonly { readonly names: readonly string[]; readonly reason: string }[];
  /** Records whose snapshot is not there. */
  readonly unfinished: readonly string[];
}

/** A snapshot by its name alone, which needs no key. */
export interface NamedSnapshot {
  readonly key: string;
  readonly isSealed: boolean;
  readonly bytes: number;
}

export interface FoundSnapshots {
  readonly snapshots: readonly StoredSnapshot[];
  readonly setAside: readonly SetAside[];
  /** Snapshots whose writing was interrupted; what was there of them is gone. */
  readonly unfinished: number;
}

/** What looking needs of the folder. */
type Readable = Pick<DurableFolder, 'list' | 'read'>;

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

  /**
   * Takes stock, and makes the folder as it should be.
   * @throws KernelError `stateInvalid` when what is there was encrypted and the key is missing or another
   */
  async scan(): Promise<FoundSnapshots> {
    const { snapshots, faults, unfinished } = await surveySnapshots(this.#folder, this.#key);
    const setAside: SetAside[] = [];
    for (const { names, reason } of faults) {
      for (const name of names) setAside.push(await this.#setAside(name, reason));
    }
    for (const name of unfinished) await this.#folder.remove(name);
    return { snapshots, setAside, unfinished: unfinished.length };
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
  read(stored: StoredSnapshot): Promise<Uint8Array> {
    return readSnapshot(stored, this.#folder, this.#key);
  }

  /** The snapshot first: a record alone is nothing. */
  async remove({ record, isSealed }: StoredSnapshot): Promise<void> {
    await removeSnapshot({ key: record.key, isSealed }, this.#folder);
  }

  async setAside({ record: { key }, isSealed }: StoredSnapshot, reason: string): Promise<SetAside> {
    const aside = await this.#setAside(payloadName(key, isSealed), reason);
    await this.#folder.remove(recordName(key, isSealed));
    return aside;
  }

  /** Everything that was ever set aside. */
  listSetAside(): Promise<readonly FileFacts[]> {
    return listSetAside(this.#folder);
  }

  async removeSetAside(): Promise<void> {
    for (const { name } of await this.listSetAside()) await this.#folder.remove(name);
  }

  /** Notes the use; whether that lasts through a power cut is no matter. */
  async markUsed({ record: { key }, isSealed }: StoredSnapshot, at: number): Promise<void> {
    await this.#folder.setModified(payloadName(key, isSealed), at);
  }

  async #setAside(name: string, reason: string): Promise<SetAside> {
    return { name: await this.#folder.setAside(name), reason };
  }
}

/**
 * Looks at what is there, and changes nothing.
 * @throws KernelError `stateInvalid` when what is there was encrypted and the key is missing or another; `notFound`
 *   when a file went meanwhile
 */
export async function surveySnapshots(folder: Readable, encryptionKey?: Uint8Array): Promise<Survey> {
  const files = (await folder.list()).filter(({ name }) => !name.endsWith(damagedSuffix));
  await assertKeyOf(files, folder, encryptionKey);
  const names = new Map(files.map((file) => [file.name, file]));
  const snapshots: StoredSnapshot[] = [];
  const faults: Survey['faults'][number][] = [];
  const unfinished: string[] = [];
  for (const file of files) {
    const [, key, kind, sealed = ''] = pattern.exec(file.name) ?? [];
    if (key === undefined) faults.push({ names: [file.name], reason: 'it is no file of this store' });
    else if (kind === 'json') {
      if (!names.has(`${key}.safetensors${sealed}`)) unfinished.push(file.name);
    } else {
      const parts = { key, payload: file, record: names.get(`${key}.json${sealed}`) };
      const found = await readFound(parts, folder, encryptionKey);
      if ('record' in found) snapshots.push(found);
      else faults.push(found);
    }
  }
  return { snapshots, faults, unfinished };
}

/** By names alone: what is encrypted is named as well. */
export async function nameSnapshots(folder: Pick<Readable, 'list'>): Promise<readonly NamedSnapshot[]> {
  return (await folder.list()).flatMap(({ name, bytes }) => {
    const [, key, kind, sealed] = pattern.exec(name) ?? [];
    return key === undefined || kind === 'json' ? [] : [{ key, isSealed: sealed !== undefined, bytes }];
  });
}

export async function listSetAside(folder: Pick<Readable, 'list'>): Promise<readonly FileFacts[]> {
  return (await folder.list()).filter(({ name }) => name.endsWith(damagedSuffix));
}

/** @throws KernelError `stateInvalid` when it is not what was written, `notFound` when it is gone */
export async function readSnapshot(
  { record: { key }, isSealed }: Pick<StoredSnapshot, 'record' | 'isSealed'>,
  folder: Pick<Readable, 'read'>,
  encryptionKey?: Uint8Array,
): Promise<Uint8Array> {
  const bytes = await readPlain(payloadName(key, isSealed), folder, encryptionKey);
  if ((await keyOf(bytes)) !== key) throw stateInvalid(`snapshot ${key} is damaged: its checksum differs`);
  return bytes;
}

/** The snapshot first: a record alone is nothing. */
export async function removeSnapshot(
  { key, isSealed }: Pick<NamedSnapshot, 'key' | 'isSealed'>,
  folder: Pick<DurableFolder, 'remove'>,
): Promise<void> {
  await folder.remove(payloadName(key, isSealed));
  await folder.remove(recordName(key, isSealed));
}

/** One file that the key sealed proves the key; then those that name another are damaged. */
async function assertKeyOf(
  files: readonly FileFacts[],
  folder: Pick<Readable, 'read'>,
  encryptionKey: Uint8Array | undefined,
): Promise<void> {
  const own = encryptionKey === undefined ? undefined : keyIdOf(encryptionKey);
  let other: { readonly name: string; readonly keyId: string } | undefined;
  for (const { name } of files) {
    if (!name.endsWith('.json.sealed') || !pattern.test(name)) continue;
    const keyId = keyIdIn(await folder.read(name));
    if (keyId !== undefined && keyId === own) return;
    if (keyId !== undefined) other = { name, keyId };
  }
  if (other !== undefined) assertKey(encryptionKey, other.keyId, `the snapshot record ${other.name}`);
}

interface FoundFiles {
  readonly key: string;
  readonly payload: FileFacts;
  readonly record: FileFacts | undefined;
}

async function readFound(
  { key, payload, record: recordFile }: FoundFiles,
  folder: Pick<Readable, 'read'>,
  encryptionKey: Uint8Array | undefined,
): Promise<StoredSnapshot | Survey['faults'][number]> {
  try {
    if (recordFile === undefined) throw stateInvalid('it has no record');
    const record = readRecord(await readPlain(recordFile.name, folder, encryptionKey), key);
    const isSealed = isSealedName(payload.name);
    const expected = isSealed ? sealedBytes(record.bytes) : record.bytes;
    if (payload.bytes !== expected) {
      throw stateInvalid(`it has ${payload.bytes} bytes and its record says ${expected}`);
    }
    const lastUsed = Math.max(record.created, payload.modifiedMs);
    return { record, isSealed, fileBytes: payload.bytes + recordFile.bytes, lastUsed };
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'stateInvalid') throw error;
    const names = [payload.name, ...(recordFile === undefined ? [] : [recordFile.name])];
    return { names, reason: messageOf(error) };
  }
}

async function readPlain(
  name: string,
  folder: Pick<Readable, 'read'>,
  encryptionKey: Uint8Array | undefined,
): Promise<Uint8Array> {
  const bytes = await folder.read(name);
  return isSealedName(name) ? await unseal(bytes, name, encryptionKey) : bytes;
}

const isSealedName = (name: string): boolean => name.endsWith('.sealed');

/** SHA-256 in hex, off the main thread. */
export async function keyOf(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex');
}

const payloadName = (key: string, isSealed: boolean): string =>
  `${key}.safetensors${isSealed ? '.sealed' : ''}`;
const recordName = (key: string, isSealed: boolean): string => `${key}.json${isSealed ? '.sealed' : ''}`;
