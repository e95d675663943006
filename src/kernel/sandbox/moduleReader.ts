/** Reads the binary format of a WebAssembly module: sections, and unsigned numbers in LEB128. Refuses what is cut off. */

import { KernelError } from '../../shared/errors.js';

export const sectionIds = { custom: 0, type: 1, table: 4, memory: 5, dataCount: 12 } as const;

/** `\0asm`, version 1. */
const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export interface Section {
  readonly id: number;
  readonly body: Uint8Array;
}

function malformed(what: string): KernelError {
  return new KernelError('badRequest', `it is not a WebAssembly module: ${what}`);
}

export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw malformed('it is cut off');
    this.#at += 1;
    return byte;
  }

  /** An unsigned number of at most 32 bits. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw malformed('a number is too long');
  }

  take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw malformed('it is cut off');
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

export function readSections(module: Uint8Array): Section[] {
  const reader = new Reader(module);
  for (const expected of header) if (reader.byte() !== expected) throw malformed('its header is wrong');
  const sections: Section[] = [];
  while (!reader.isAtEnd) {
    const id = reader.byte();
    sections.push({ id, body: reader.take(reader.number()) });
  }
  return sections;
}

export function writeSections(sections: readonly Section[]): Uint8Array {
  const parts = sections.map(({ id, body }) =>
    Buffer.concat([encode([id]), encode(numberBytes(body.length)), body]),
  );
  return Uint8Array.from(Buffer.concat([encode(header), ...parts]));
}

export function numberBytes(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ;) {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    if (rest === 0) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

const encode = (bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
