/** What is searched for: a text without patterns, found in its own case or in any. */

import { isWord, toLower } from '../lib/characters';

export class Query {
  private bytes: Uint8Array;
  private lowerFirst: u8;
  private upperFirst: u8;
  /** Whether it could be the name of something. */
  readonly isName: bool;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.lowerFirst = toLower(bytes[0]);
    this.upperFirst =
      this.lowerFirst >= 0x61 && this.lowerFirst <= 0x7a ? this.lowerFirst & 0xdf : this.lowerFirst;
    let isName: bool = true;
    for (let i = 0; i < bytes.length; i++) isName = isName && isWord(bytes[i]);
    this.isName = isName;
  }

  get length(): i32 {
    return this.bytes.length;
  }

  /** Where the text comes next in any case, or `end`. */
  next(at: usize, end: usize): usize {
    const length = this.bytes.length;
    if (end - at < <usize>length) return end;
    const last = end - length;
    const lower = this.lowerFirst;
    const upper = this.upperFirst;
    for (; at <= last; at++) {
      const byte = load<u8>(at);
      if ((byte == lower || byte == upper) && this.isAt(at)) return at;
    }
    return end;
  }

  /** Whether what was found has the very same case. */
  isExactlyAt(at: usize): bool {
    return memory.compare(at, this.bytes.dataStart, this.bytes.length) == 0;
  }

  private isAt(at: usize): bool {
    const wanted = this.bytes.dataStart;
    const length = this.bytes.length;
    for (let i = 1; i < length; i++) {
      if (toLower(load<u8>(at + i)) != toLower(load<u8>(wanted + i))) return false;
    }
    return true;
  }
}
