/**
 * Reads a whole audit log and says whether it is the one that was written: the first fault with its file, line and
 * kind, or that there is none. Pure: it is given the files and changes nothing. It trusts no byte of them.
 *
 * Kinds: `edited` a line that is not as it was written; `removed` lines, or a file, missing inside; `reordered` a line
 * that stands where another one was; `truncated` lines missing at the end; `foreign` what no kernel wrote there;
 * `unsealed` the seal is missing or not made with this key.
 */

import { digestOf } from './audit.js';
import { decodeLine, fileName, fileNumber, genesisTip, type Line, type Tip } from './chain.js';
import { isGenuine, type Seal } from './seal.js';

export interface AuditFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export type FaultKind = 'edited' | 'removed' | 'reordered' | 'truncated' | 'foreign' | 'unsealed';

export interface Fault {
  readonly kind: FaultKind;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}

export interface Verdict {
  readonly fault: Fault | undefined;
  /** Good lines before the fault, or all. */
  readonly lines: number;
  readonly files: number;
  /** Lines behind the seal: what a kernel that was killed had written since, and no proof against this key's owner. */
  readonly unsealed: number;
  /** Bytes of a last line that is not whole: a kernel is writing it, or was killed in it. It is no fault by itself. */
  readonly tornBytes: number;
  /** The file that is to be made next, where the last one is full. */
  readonly next: string | undefined;
  /** The tip of what is good. */
  readonly tip: Tip;
  readonly log: string | undefined;
}

/** @param key without it the seal is compared and not proved */
export function verify(
  files: readonly AuditFile[],
  seal: Seal | undefined,
  key: Uint8Array | undefined,
  visit: (line: Line) => void = () => undefined,
): Verdict {
  const walk = new Walk(visit, seal?.lines);
  const inOrder = [...files].sort((a, b) => (a.name < b.name ? -1 : 1));
  const found =
    walk.files(inOrder) ?? sealFault(walk, seal, key, inOrder.at(-1)?.name ?? fileName(1)) ?? walk.confessed;
  return {
    fault: found,
    lines: walk.tip.seq,
    files: inOrder.length,
    unsealed: seal === undefined ? walk.tip.seq : Math.max(0, walk.tip.seq - seal.lines),
    tornBytes: walk.tornBytes,
    next: walk.next,
    tip: walk.tip,
    log: walk.log,
  };
}

function sealFault(
  { tip, sealedHash, log, lastLine }: Walk,
  seal: Seal | undefined,
  key: Uint8Array | undefined,
  file: string,
): Fault | undefined {
  const at = { file, line: Math.max(1, lastLine) };
  if (seal === undefined) {
    return tip.seq === 0 ? undefined : { kind: 'unsealed', ...at, reason: 'the seal of the log is missing' };
  }
  if (key !== undefined && !isGenuine(seal, key)) {
    return { kind: 'unsealed', ...at, reason: 'the seal was not made with this key' };
  }
  if (tip.seq === 0) {
    if (seal.lines === 0) return undefined;
    return { kind: 'removed', ...at, reason: `all ${seal.lines} lines that were sealed are gone` };
  }
  if (seal.log !== log) return { kind: 'foreign', ...at, reason: 'the seal is that of another log' };
  if (seal.lines > tip.seq) {
    const missing = seal.lines - tip.seq;
    return { kind: 'truncated', ...at, reason: `${missing} lines that were sealed are missing at the end` };
  }
  if (sealedHash === seal.hash) return undefined;
  return {
    kind: 'edited',
    ...at,
    reason: `the log was written anew: line ${seal.lines} is not the one sealed`,
  };
}

/** Goes through the lines and stops at the first that is not what it has to be. */
class Walk {
  tip: Tip = genesisTip;
  log: string | undefined;
  lastLine = 0;
  tornBytes = 0;
  /** What a kernel said it found when it opened the log. */
  confessed: Fault | undefined;
  /** Of the last line that was sealed. */
  sealedHash: string | undefined;
  readonly #sealedLines: number | undefined;
  readonly #visit: (line: Line) => void;
  #next: string | undefined;

  constructor(visit: (line: Line) => void, sealedLines: number | undefined) {
    this.#visit = visit;
    this.#sealedLines = sealedLines;
    if (sealedLines === 0) this.sealedHash = genesisTip.hash;
  }

  files(files: readonly AuditFile[]): Fault | undefined {
    const stranger = files.find(({ name }) => fileNumber(name) === undefined);
    if (stranger !== undefined) return this.#fault('foreign', stranger.name, 'no audit file has this name');
    for (const [index, { name, bytes }] of files.entries()) {
      this.lastLine = 0;
      const expected = fileName(index + 1);
      if (name !== expected) return this.#fault('removed', expected, `the file ${expected} is missing`);
      const found =
        this.#file(name, bytes, files[index + 1] === undefined) ?? this.#endFault(name, files[index + 1]);
      if (found !== undefined) return found;
    }
    // That the next file is missing is the seal's to judge: a kernel may have been killed before it made it.
    return undefined;
  }

  /** The file that the last line names and that is not there. */
  get next(): string | undefined {
    return this.#next;
  }

  #fault(kind: FaultKind, file: string, reason: string): Fault {
    return { kind, file, line: Math.max(1, this.lastLine), reason };
  }

  #endFault(name: string, after: AuditFile | undefined): Fault | undefined {
    if (after === undefined || this.#next !== undefined) return undefined;
    return this.#fault('truncated', name, 'another file follows, and this one has no last line that says so');
  }

  #file(name: string, bytes: Uint8Array, isLast: boolean): Fault | undefined {
    const { buffer, byteOffset, length } = bytes;
    const all = Buffer.from(buffer, byteOffset, length);
    if (length === 0) return this.#fault('truncated', name, 'the file is empty');
    for (let at = 0; at < length;) {
      const end = all.indexOf(0x0a, at);
      if (end < 0 && isLast) {
        this.tornBytes = length - at;
        return undefined;
      }
      this.lastLine += 1;
      if (end < 0) return this.#fault('truncated', name, 'the last line is not whole');
      const raw = all.subarray(at, end);
      const found = this.#line(name, raw, () => all.subarray(end + 1));
      if (found !== undefined) return found;
      at = end + 1;
    }
    return undefined;
  }

  #line(name: string, raw: Buffer, rest: () => Buffer): Fault | undefined {
    const text = raw.toString();
    const line = Buffer.from(text).equals(raw) ? decodeLine(text) : undefined;
    if (line === undefined) return this.#fault('edited', name, 'this is no line as a kernel writes it');
    if (line.seq !== this.tip.seq) return this.#misplaced(name, line, rest);
    if (line.prev !== this.tip.hash) {
      // The line before is the one that changed, unless it was this one's own note of it.
      const found = this.#fault('edited', name, 'the next line was written after another one than this');
      return { ...found, line: Math.max(1, this.lastLine - 1) };
    }
    const misframed = this.#frameFault(name, line);
    if (misframed !== undefined) return misframed;
    this.tip = { seq: line.seq + 1, hash: digestOf(raw) };
    if (this.tip.seq === this.#sealedLines) this.sealedHash = this.tip.hash;
    this.#visit(line);
    return undefined;
  }

  /** A number that is not the next: it is missing, or it stands elsewhere. */
  #misplaced(name: string, line: Line, rest: () => Buffer): Fault {
    const { seq } = this.tip;
    if (line.seq < seq)
      return this.#fault('reordered', name, `line number ${line.seq} stands after ${seq - 1}`);
    const isLater = rest()
      .toString()
      .split('\n')
      .some((text) => decodeLine(text)?.seq === seq);
    return isLater
      ? this.#fault('reordered', name, `line number ${line.seq} stands where ${seq} was`)
      : this.#fault('removed', name, `lines ${seq} to ${line.seq - 1} are missing`);
  }

  /** The lines that hold the files together. */
  #frameFault(name: string, line: Line): Fault | undefined {
    if (line.kind === 'opened') return this.#openedFault(name, line);
    if (this.lastLine === 1) return this.#fault('removed', name, 'the first line of the file is missing');
    if (this.#next !== undefined)
      return this.#fault('foreign', name, 'a line stands after the last of its file');
    if (line.kind === 'closed') this.#next = line.next;
    else if (line.kind === 'log' && line.result === 'fault') {
      this.confessed ??= this.#fault('edited', name, `a kernel found here: ${line.detail ?? ''}`);
    }
    return undefined;
  }

  #openedFault(name: string, { file, log }: Extract<Line, { kind: 'opened' }>): Fault | undefined {
    if (this.lastLine !== 1) return this.#fault('foreign', name, 'a file begins inside another');
    if (file !== name) return this.#fault('foreign', name, `this is the beginning of ${file}`);
    if (this.log !== undefined && log !== this.log) return this.#fault('foreign', name, 'of another log');
    this.log = log;
    this.#next = undefined;
    return undefined;
  }
}
