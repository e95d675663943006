/** One text put in the place of another, wherever that stands. Counts first, so that the result is made in one piece. */

import { isWholeWord, isWord } from '../lib/characters';

/** A tool is given no larger file, so it must make none. */
const maxFileBytes = 1024 * 1024;

export class Replacement {
  readonly count: i32;
  private isName: bool = true;

  constructor(
    private source: Uint8Array,
    private wanted: Uint8Array,
    private replacement: Uint8Array,
  ) {
    for (let i = 0; i < wanted.length; i++) this.isName = this.isName && isWord(wanted[i]);
    let count = 0;
    const end = source.dataStart + source.length;
    for (let at = this.next(source.dataStart); at < end; at = this.next(at + wanted.length)) count++;
    this.count = count;
  }

  get isTooLarge(): bool {
    return this.resultBytes > maxFileBytes;
  }

  result(): Uint8Array {
    const result = new Uint8Array(<i32>this.resultBytes);
    let target = result.dataStart;
    let from = this.source.dataStart;
    const end = from + this.source.length;
    for (let at = this.next(from); at < end; at = this.next(from)) {
      memory.copy(target, from, at - from);
      target += at - from;
      memory.copy(target, this.replacement.dataStart, this.replacement.length);
      target += this.replacement.length;
      from = at + this.wanted.length;
    }
    memory.copy(target, from, end - from);
    return result;
  }

  private get resultBytes(): i64 {
    return <i64>this.source.length + <i64>this.count * (this.replacement.length - this.wanted.length);
  }

  /** Where the wanted text stands next, or the end. A name stands only where it is not part of a longer one. */
  private next(at: usize): usize {
    const start = this.source.dataStart;
    const end = start + this.source.length;
    const wanted = this.wanted.dataStart;
    const length = this.wanted.length;
    const first = load<u8>(wanted);
    for (; at + length <= end; at++) {
      if (load<u8>(at) != first || memory.compare(at, wanted, length) != 0) continue;
      if (!this.isName || isWholeWord(at, at + length, start, end)) return at;
    }
    return end;
  }
}
