/** Text that grows at its end, as bytes. Numbers and literals are ASCII; foreign bytes go in as they are, or mended. */

import { characterLength } from './utf8';

/** U+FFFD in UTF-8. */
const replacement: u32 = 0xbdbfef;

export class TextBuffer {
  length: i32 = 0;
  private room: Uint8Array;

  constructor(capacity: i32 = 256) {
    this.room = new Uint8Array(max(capacity, 16));
  }

  get bytes(): Uint8Array {
    return this.room.subarray(0, this.length);
  }

  addByte(byte: u8): void {
    store<u8>(this.grow(1), byte);
  }

  addBytes(start: usize, end: usize): void {
    const length = <i32>(end - start);
    memory.copy(this.grow(length), start, length);
  }

  addAll(bytes: Uint8Array): void {
    this.addBytes(bytes.dataStart, bytes.dataStart + bytes.length);
  }

  addText(text: string): void {
    const length = String.UTF8.byteLength(text);
    String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, this.grow(length));
  }

  addReplacement(): void {
    const target = this.grow(3);
    store<u16>(target, <u16>replacement);
    store<u8>(target + 2, <u8>(replacement >> 16));
  }

  /** Adds what may not be UTF-8, and control characters as U+FFFD too: they would end the line or worse. */
  addMended(at: usize, end: usize): void {
    while (at < end) {
      const length = characterLength(at, end);
      const byte = load<u8>(at);
      if (length == 0 || (byte < 0x20 && byte != 0x09) || byte == 0x7f) this.addReplacement();
      else this.addBytes(at, at + length);
      at += max(1, length);
    }
  }

  /** Makes the buffer longer and returns where the new part begins. */
  private grow(by: i32): usize {
    const at = this.length;
    if (at + by > this.room.length) {
      const larger = new Uint8Array(max(2 * this.room.length, at + by));
      memory.copy(larger.dataStart, this.room.dataStart, at);
      this.room = larger;
    }
    this.length = at + by;
    return this.room.dataStart + at;
  }
}
