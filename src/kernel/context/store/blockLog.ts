/**
 * The blocks of this machine on disk: a log that grows by what is put and removed, and is written anew without what is
 * dead when that is more than half. What was acknowledged outlives a power cut. Damage takes only the blocks that it
 * hit: the others are read, and the damaged file is kept aside for a person.
 */

import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { z } from 'zod';
import type { DurableFolder } from '../../../hal/durableFolder.js';
import type { DurableLog } from '../../../hal/durableLog.js';
import { assertKey, createTextSeal, keyIdOf, type TextSeal } from '../../../hal/sealing.js';
import { KernelError, messageOf } from '../../../shared/errors.js';
import { encodePiece, readPieces, type Pieces } from './blockFrames.js';
import { decodeBlock, encodeBlock, parseJson } from './blockRecord.js';
import type { StoredBlock } from './blockStore.js';

const formatVersion = 1;
const filePattern = /^blocks\.(\d{8})\.log$/;
/** A file below this is not worth rewriting. */
const minRewriteBytes = 1024 * 1024;
/** Reading and writing many blocks lets others run this often. */
const sliceMs = 8;

const headerSchema = z.strictObject({
  type: z.literal('blocks'),
  version: z.int(),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  keyId: z.string().exactOptional(),
});
const removalSchema = z.strictObject({ removed: z.string() });

export interface BlockLogOptions {
  readonly folder: DurableFolder;
  /** 32 bytes: blocks are encrypted, at the next start where they were not. */
  readonly encryptionKey?: Uint8Array | undefined;
  /** Told of damage, and of a file that could not be written anew; neither stops anything. */
  readonly onTrouble: (message: string) => void;
}

/** Tells a block from every other. */
export function keyOf({ workspace, owner, id }: Pick<StoredBlock, 'workspace' | 'owner' | 'id'>): string {
  return JSON.stringify([workspace, owner, id]);
}

interface Live {
  readonly blocks: Map<string, StoredBlock>;
  readonly bytes: Map<string, number>;
}

interface Generation {
  readonly number: number;
  readonly seal: TextSeal | undefined;
  readonly log: DurableLog;
}

interface ReadFile {
  readonly number: number;
  readonly live: Live;
  readonly seal: TextSeal | undefined;
  readonly isReusable: boolean;
  readonly goodBytes: number;
  readonly isBroken: boolean;
}

export class BlockLog implements AsyncDisposable {
  readonly #options: BlockLogOptions;
  #generation: Generation;
  readonly #live: Live;
  #liveBytes: number;
  /** What changes the file runs one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: BlockLogOptions, generation: Generation, live: Live) {
    this.#options = options;
    this.#generation = generation;
    this.#live = live;
    this.#liveBytes = sumOf(live.bytes);
  }

  /**
   * Reads what is there; others run meanwhile.
   * @throws KernelError `stateInvalid` when it is encrypted and the key is missing or another, or a newer kernel wrote
   *   it; `storageFull`, `storageFailed`
   */
  static async open(options: BlockLogOptions): Promise<BlockLog> {
    const { folder } = options;
    const numbers = await listFiles(folder);
    const { read, broken } = await readNewest(numbers, options);
    const live = read?.live ?? { blocks: new Map(), bytes: new Map() };
    const newest = numbers[0] ?? 0;
    const isReusable = read?.isReusable === true && read.number === newest;
    const generation = isReusable
      ? { number: newest, seal: read.seal, log: await folder.openLog(fileOf(newest), read.goodBytes) }
      : await writeFile(newest + 1, live, options);
    for (const number of numbers.filter((number) => number !== generation.number)) {
      if (broken.has(number)) await folder.setAside(fileOf(number));
      else await folder.remove(fileOf(number));
    }
    return new BlockLog(options, generation, live);
  }

  get blocks(): ReadonlyMap<string, StoredBlock> {
    return this.#live.blocks;
  }

  /** Of the file. */
  get bytes(): number {
    return this.#generation.log.bytes;
  }

  /** All are durable when it resolves, and none is kept when it rejects. @throws KernelError `storageFull`, `storageFailed` */
  put(blocks: readonly StoredBlock[]): Promise<void> {
    return this.#serially(async () => {
      const pieces = blocks.map((block) => encodeText(encodeBlock(block), this.#generation.seal));
      await this.#generation.log.append(Buffer.concat(pieces));
      for (const [index, block] of blocks.entries()) {
        const key = keyOf(block);
        this.#forget(key);
        this.#live.blocks.set(key, block);
        this.#live.bytes.set(key, pieces[index]?.length ?? 0);
        this.#liveBytes += pieces[index]?.length ?? 0;
      }
    });
  }

  /** @throws KernelError `storageFull`, `storageFailed` */
  remove(keys: readonly string[]): Promise<void> {
    return this.#serially(async () => {
      const { seal, log } = this.#generation;
      await log.append(Buffer.concat(keys.map((key) => encodeText(JSON.stringify({ removed: key }), seal))));
      for (const key of keys) this.#forget(key);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#generation.log[Symbol.asyncDispose]();
  }

  #forget(key: string): void {
    this.#liveBytes -= this.#live.bytes.get(key) ?? 0;
    this.#live.bytes.delete(key);
    this.#live.blocks.delete(key);
  }

  #serially(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.then(() => this.#dropDead()).catch(() => undefined);
    return done;
  }

  /** Writes the file anew when more than half of it is dead. Nobody waits for it but who writes next. */
  async #dropDead(): Promise<void> {
    if (this.bytes < minRewriteBytes || 2 * this.#liveBytes >= this.bytes) return;
    const old = this.#generation;
    try {
      this.#generation = await writeFile(old.number + 1, this.#live, this.#options);
      this.#liveBytes = sumOf(this.#live.bytes);
      await old.log[Symbol.asyncDispose]();
      await this.#options.folder.remove(fileOf(old.number));
    } catch (error) {
      this.#options.onTrouble(`the block store keeps what was removed: ${messageOf(error)}`);
    }
  }
}

interface FoundFiles {
  readonly read: ReadFile | undefined;
  readonly broken: ReadonlySet<number>;
}

/** A file is complete before it gets its name: what is older than one that holds something is garbage. */
async function readNewest(numbers: readonly number[], options: BlockLogOptions): Promise<FoundFiles> {
  const broken = new Set<number>();
  let read: ReadFile | undefined;
  for (const number of numbers) {
    read = await readFile(number, options);
    if (!read.isBroken) break;
    broken.add(number);
    if (read.live.blocks.size > 0) break;
  }
  return { read, broken };
}

const fileOf = (number: number): string => `blocks.${String(number).padStart(8, '0')}.log`;

const sumOf = (bytes: ReadonlyMap<string, number>): number =>
  [...bytes.values()].reduce((sum, size) => sum + size, 0);

/** Highest first. */
async function listFiles(folder: DurableFolder): Promise<readonly number[]> {
  return (await folder.list())
    .flatMap(({ name }) => filePattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => b - a);
}

function encodeText(text: string, seal: TextSeal | undefined): Uint8Array {
  return encodePiece(Buffer.from(seal === undefined ? text : seal.seal(text)));
}

async function readFile(number: number, options: BlockLogOptions): Promise<ReadFile> {
  const { folder, encryptionKey } = options;
  const name = fileOf(number);
  const found = await readPieces(await folder.read(name), sliceMs);
  const first = found.pieces[0]?.content;
  const header = first === undefined ? undefined : parseHeader(first, `${folder.path}/${name}`);
  const seal = header === undefined ? undefined : sealOf(header, encryptionKey, `${folder.path}/${name}`);
  const pieces = header === undefined ? found.pieces : found.pieces.slice(1);
  const { live, unreadable } = await replay(pieces, seal);
  if (found.lostBytes > 0 || unreadable > 0) options.onTrouble(describeDamage(name, found, unreadable));
  const isBroken = found.isBroken || header === undefined || unreadable > 0;
  const isEncryptedAsAsked = (seal !== undefined) === (encryptionKey !== undefined);
  return {
    number,
    live,
    seal,
    isReusable: !isBroken && isEncryptedAsAsked,
    goodBytes: found.goodBytes,
    isBroken: isBroken && found.goodBytes + found.lostBytes > 0,
  };
}

function describeDamage(name: string, { lostBytes, isBroken }: Pieces, unreadable: number): string {
  const also = unreadable === 0 ? '' : ` and ${unreadable} records that are not understood`;
  return isBroken || unreadable > 0
    ? `${name} of the block store is damaged: ${lostBytes} bytes are lost${also}, everything else was read`
    : `${name} of the block store ends in ${lostBytes} bytes of a write that was never finished; they are dropped`;
}

/** Undefined when the file's first piece is lost and another one came first. */
function parseHeader(content: Uint8Array, name: string): z.infer<typeof headerSchema> | undefined {
  const { data } = headerSchema.safeParse(parseJson(Buffer.from(content).toString()));
  if (data === undefined || data.version === formatVersion) return data;
  throw new KernelError(
    'stateInvalid',
    `${name} has the form ${data.version}, and this kernel reads the form ${formatVersion}`,
  );
}

function sealOf(
  { salt, keyId }: z.infer<typeof headerSchema>,
  key: Uint8Array | undefined,
  name: string,
): TextSeal | undefined {
  if (keyId === undefined) return undefined;
  assertKey(key, keyId, name);
  return createTextSeal(key, Buffer.from(salt, 'hex'), name);
}

async function replay(
  pieces: Pieces['pieces'],
  seal: TextSeal | undefined,
): Promise<{ readonly live: Live; readonly unreadable: number }> {
  const live: Live = { blocks: new Map(), bytes: new Map() };
  let unreadable = 0;
  let sliceBegan = performance.now();
  for (const { content, bytes } of pieces) {
    if (!apply(content, bytes, { seal, live })) unreadable += 1;
    if (performance.now() - sliceBegan < sliceMs) continue;
    await nextTurn();
    sliceBegan = performance.now();
  }
  return { live, unreadable };
}

function apply(
  content: Uint8Array,
  bytes: number,
  { seal, live }: { readonly seal: TextSeal | undefined; readonly live: Live },
): boolean {
  const text = openText(Buffer.from(content.buffer, content.byteOffset, content.byteLength), seal);
  if (text === undefined) return false;
  const block = decodeBlock(text);
  if (block !== undefined) {
    const key = keyOf(block);
    live.blocks.set(key, block);
    live.bytes.set(key, bytes);
    return true;
  }
  const { data } = removalSchema.safeParse(parseJson(text));
  if (data === undefined) return false;
  live.blocks.delete(data.removed);
  live.bytes.delete(data.removed);
  return true;
}

function openText(content: Buffer, seal: TextSeal | undefined): string | undefined {
  try {
    return seal === undefined ? content.toString() : seal.unseal(content.toString());
  } catch {
    return undefined;
  }
}

/** A file that holds these blocks, open to append to; it notes what each of them takes. */
async function writeFile(
  number: number,
  live: Live,
  { folder, encryptionKey }: BlockLogOptions,
): Promise<Generation> {
  const salt = randomBytes(16).toString('hex');
  const keyId = encryptionKey === undefined ? {} : { keyId: keyIdOf(encryptionKey) };
  const header = { type: 'blocks' as const, version: formatVersion, salt, ...keyId };
  const seal = sealOf(header, encryptionKey, `${folder.path}/${fileOf(number)}`);
  const bytes = new Map<string, number>();
  const total = await folder.writeAtomically(
    fileOf(number),
    filePieces(header, live.blocks, { seal, bytes }),
  );
  const log = await folder.openLog(fileOf(number), total);
  for (const [key, size] of bytes) live.bytes.set(key, size);
  return { number, seal, log };
}

/** A slice of blocks at a time, so that others run while it is written. */
function* filePieces(
  header: z.infer<typeof headerSchema>,
  blocks: ReadonlyMap<string, StoredBlock>,
  { seal, bytes }: { readonly seal: TextSeal | undefined; readonly bytes: Map<string, number> },
): Generator<Uint8Array> {
  yield encodeText(JSON.stringify(header), undefined);
  let slice: Uint8Array[] = [];
  let sliceBegan = performance.now();
  for (const [key, block] of blocks) {
    const piece = encodeText(encodeBlock(block), seal);
    bytes.set(key, piece.length);
    slice.push(piece);
    if (performance.now() - sliceBegan < sliceMs) continue;
    yield Buffer.concat(slice);
    slice = [];
    sliceBegan = performance.now();
  }
  yield Buffer.concat(slice);
}
