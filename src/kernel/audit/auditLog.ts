/**
 * The audit log on disk. `record` resolves when its line is in the file: at once durable for what changes something,
 * written and soon durable for what only reads. Those who record at the same time share one write and one flush. A
 * line that cannot be written is an error for whoever wanted to act, and leaves the chain as it was. Nothing is ever
 * changed or deleted here; what is found damaged is said in the log itself and gone on behind.
 */

import { randomBytes } from 'node:crypto';
import type { Clock } from '../../hal/clock.js';
import type { DurableFolder } from '../../hal/durableFolder.js';
import type { DurableLog } from '../../hal/durableLog.js';
import { KernelError, messageOf } from '../../shared/errors.js';
import type { Audit, AuditEntry } from './audit.js';
import { encodeLine, fileName, fileNumber, formatVersion, genesisTip, type Tip } from './chain.js';
import { decodeSeal, encodeSeal, makeSeal, sealName, type Seal } from './seal.js';
import { verify, type AuditFile, type Fault } from './verify.js';

/** A file of this size is still read in a moment, and a year of work is a few hundred of them. */
const defaultFileBytes = 8 * 1024 * 1024;

/** What only reads is durable after at most this long. */
const flushMs = 250;

export interface AuditLogOptions {
  readonly folder: DurableFolder;
  readonly clock: Clock;
  readonly key: Uint8Array;
  readonly keyPlace: Seal['key'];
  readonly fileBytes?: number;
  /** Told once when the log cannot be written any more, and once when it can again. */
  readonly onTrouble: (message: string) => void;
}

interface Pending {
  /** None for a flush. */
  readonly entry: AuditEntry | undefined;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What may be lost with the power: it changed nothing, and its line outlives the kernel all the same. */
function isPassing({ kind, phase, what }: AuditEntry): boolean {
  if (kind === 'use' || kind === 'toolCall') return true;
  return kind === 'hostCall' && (phase === 'end' || what === 'fs_read' || what === 'fs_list');
}

interface OpenFile {
  readonly number: number;
  readonly log: DurableLog;
}

export class AuditLog implements Audit, AsyncDisposable {
  readonly #options: AuditLogOptions;
  readonly #fileBytes: number;
  readonly #id: string;
  #file: OpenFile;
  #fileLength: number;
  #tip: Tip;
  #queue: Pending[] = [];
  #working: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isTroubled = false;
  /** The file has its last line, and the next one is not there yet. */
  #isClosed = false;

  private constructor(options: AuditLogOptions, start: Start) {
    this.#options = options;
    this.#fileBytes = options.fileBytes ?? defaultFileBytes;
    this.#id = start.id;
    this.#file = start.file;
    this.#fileLength = start.bytes;
    this.#tip = start.tip;
  }

  /**
   * Goes on with the log in the folder, or begins one. What was done to it meanwhile is told here and in the log.
   * @throws KernelError `storageFull`, `storageFailed`
   */
  static async open(
    options: AuditLogOptions,
  ): Promise<{ readonly log: AuditLog; readonly fault: Fault | undefined }> {
    const { folder, key } = options;
    const { files, seal } = await readFiles(folder);
    const verdict = verify(files, seal, key);
    const log = await (files.length === 0 ? begin(options) : goOn(options, files, verdict));
    const opened = new AuditLog(options, log);
    const { fault } = verdict;
    await opened.record({
      kind: 'log',
      what: 'kernel',
      phase: 'begin',
      detail: `process ${process.pid}`,
      ...(fault && faultEntry(fault)),
    });
    return { log: opened, fault };
  }

  record(entry: AuditEntry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Waits for what was recorded, and seals it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.record({ kind: 'log', what: 'kernel', phase: 'end' }).catch(() => undefined);
    clearTimeout(this.#timer);
    await this.#working;
    await this.#file.log[Symbol.asyncDispose]();
  }

  async #work(): Promise<void> {
    // Whoever records in the same turn of the event loop comes along.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      try {
        await this.#write(batch.map(({ entry }) => entry));
        this.#settle(undefined);
        for (const { resolve } of batch) resolve();
      } catch (error) {
        const failure = asRefusal(error);
        this.#settle(failure);
        for (const { reject } of batch) reject(failure);
      }
    }
    this.#working = undefined;
  }

  async #write(batch: readonly (AuditEntry | undefined)[]): Promise<void> {
    if (this.#fileLength >= this.#fileBytes) await this.#rotate();
    const entries = batch.filter((entry) => entry !== undefined);
    const at = this.#options.clock.wallClock();
    let tip = this.#tip;
    const lines = entries.map((entry) => {
      const line = encodeLine(entry, at, tip);
      ({ tip } = line);
      return line.bytes;
    });
    const bytes = Buffer.concat(lines);
    // After a failure every line has to prove that the log is whole again.
    const isDurable = this.#isTroubled || entries.length < batch.length || !entries.every(isPassing);
    const { log } = this.#file;
    await (isDurable ? log.append(bytes) : log.write(bytes));
    this.#tip = tip;
    this.#fileLength += bytes.length;
    if (isDurable) await this.#seal();
    else this.#timer ??= setTimeout(() => this.#flush(), flushMs).unref();
  }

  /** The old file says that it is full, and which one is next; whoever opens the log then makes that one if it must. */
  async #rotate(): Promise<void> {
    const { folder, clock } = this.#options;
    const old = this.#file;
    const number = old.number + 1;
    const name = fileName(number);
    if (!this.#isClosed) {
      const closed = encodeLine({ kind: 'closed', next: name }, clock.wallClock(), this.#tip);
      await old.log.append(closed.bytes);
      this.#tip = closed.tip;
      this.#isClosed = true;
    }
    const opened = firstLine(this.#id, number, clock, this.#tip);
    await folder.writeAtomically(name, opened.bytes);
    this.#file = { number, log: await folder.openLog(name, opened.bytes.length) };
    this.#isClosed = false;
    this.#tip = opened.tip;
    this.#fileLength = opened.bytes.length;
    await old.log[Symbol.asyncDispose]();
  }

  #flush(): void {
    this.#timer = undefined;
    // What came of it is told by trouble, and by the next line.
    this.#queue.push({ entry: undefined, resolve: () => undefined, reject: () => undefined });
    this.#working ??= this.#work();
  }

  /** Also proves that the folder is still there: an open file takes lines after it was deleted. */
  async #seal(): Promise<void> {
    const { folder, key, keyPlace } = this.#options;
    const { seq: lines, hash } = this.#tip;
    const seal = makeSeal(
      { log: this.#id, lines, hash, file: fileName(this.#file.number), key: keyPlace },
      key,
    );
    await folder.writeAtomically(sealName, encodeSeal(seal));
  }

  #settle(error: KernelError | undefined): void {
    if ((error !== undefined) === this.#isTroubled) return;
    this.#isTroubled = error !== undefined;
    this.#options.onTrouble(
      error === undefined
        ? 'the audit log is written again'
        : `nothing that needs a right is done, since the audit log cannot be written: ${error.message}`,
    );
  }
}

/** A file or folder that is gone is no less a failure of the storage. */
function asRefusal(error: unknown): KernelError {
  if (error instanceof KernelError && error.code === 'storageFull') return error;
  return new KernelError('storageFailed', messageOf(error), { cause: error });
}

interface Start {
  readonly id: string;
  readonly file: OpenFile;
  readonly bytes: number;
  readonly tip: Tip;
}

function firstLine(log: string, number: number, clock: Clock, tip: Tip): ReturnType<typeof encodeLine> {
  const content = { kind: 'opened', format: formatVersion, log, file: fileName(number) } as const;
  return encodeLine(content, clock.wallClock(), tip);
}

async function begin({ folder, clock, key, keyPlace }: AuditLogOptions): Promise<Start> {
  const id = randomBytes(16).toString('hex');
  // Before the first line, so that a log without a seal is one whose seal was taken.
  const seal = makeSeal({ log: id, lines: 0, hash: genesisTip.hash, file: fileName(1), key: keyPlace }, key);
  await folder.writeAtomically(sealName, encodeSeal(seal));
  const first = firstLine(id, 1, clock, genesisTip);
  await folder.writeAtomically(fileName(1), first.bytes);
  const log = await folder.openLog(fileName(1), first.bytes.length);
  return { id, file: { number: 1, log }, bytes: first.bytes.length, tip: first.tip };
}

/**
 * In the last file where nothing is wrong, after cutting off a line that was half written when the kernel was
 * killed; else in a new one, so that what was found stays as it is for whoever looks into it.
 */
async function goOn(
  options: AuditLogOptions,
  files: readonly AuditFile[],
  { fault, tip, log: known, tornBytes, next: unmade }: ReturnType<typeof verify>,
): Promise<Start> {
  const { folder, clock } = options;
  const last = files.at(-1);
  const number = fileNumber(last?.name ?? '') ?? files.length;
  const id = known ?? randomBytes(16).toString('hex');
  if (fault === undefined && last !== undefined && unmade === undefined) {
    const bytes = last.bytes.length - tornBytes;
    return { id, file: { number, log: await folder.openLog(last.name, bytes) }, bytes, tip };
  }
  const next = Math.max(number, ...files.map(({ name }) => fileNumber(name) ?? 0)) + 1;
  const first = firstLine(id, next, clock, tip);
  await folder.writeAtomically(fileName(next), first.bytes);
  const log = await folder.openLog(fileName(next), first.bytes.length);
  return { id, file: { number: next, log }, bytes: first.bytes.length, tip: first.tip };
}

const faultEntry = ({ kind, file, line, reason }: Fault): Pick<AuditEntry, 'result' | 'detail'> => ({
  result: 'fault',
  detail: `${kind} at ${file}:${line}: ${reason}`,
});

/** Everything in the folder that is or claims to be of the log. */
export async function readFiles(
  folder: Pick<DurableFolder, 'list' | 'read'>,
): Promise<{ readonly files: readonly AuditFile[]; readonly seal: Seal | undefined }> {
  const files: AuditFile[] = [];
  let seal: Seal | undefined;
  for (const { name } of await folder.list()) {
    if (name === sealName) seal = decodeSeal(await folder.read(name));
    else if (name.endsWith('.jsonl')) files.push({ name, bytes: await folder.read(name) });
  }
  return { files, seal };
}
