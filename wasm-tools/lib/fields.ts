/**
 * A list of byte strings as one: each preceded by its length (u32, little-endian). Everything that crosses between
 * a tool and its host has this form, since it holds any text and any bytes and cannot be malformed half-way.
 */

export function encodeFields(fields: Uint8Array[]): Uint8Array {
  let size = 0;
  for (let i = 0; i < fields.length; i++) size += 4 + fields[i].length;
  const all = new Uint8Array(size);
  let at = all.dataStart;
  for (let i = 0; i < fields.length; i++) {
    const field = fields[i];
    store<u32>(at, field.length);
    memory.copy(at + 4, field.dataStart, field.length);
    at += 4 + field.length;
  }
  return all;
}

export class Fields {
  private starts: i32[] = [];
  private all: Uint8Array;

  constructor(all: Uint8Array) {
    this.all = all;
    for (let at = 0; at + 4 <= all.length;) {
      this.starts.push(at + 4);
      at += 4 + load<u32>(all.dataStart + at);
    }
  }

  get length(): i32 {
    return this.starts.length;
  }

  bytes(index: i32): Uint8Array {
    const start = this.starts[index];
    return this.all.subarray(start, start + load<u32>(this.all.dataStart + start - 4));
  }

  text(index: i32): string {
    const bytes = this.bytes(index);
    return String.UTF8.decodeUnsafe(bytes.dataStart, bytes.length);
  }
}
