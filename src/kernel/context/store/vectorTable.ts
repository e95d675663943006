/**
 * The vectors of one owner's blocks, one after the other in the memory of a WebAssembly module, whose loop
 * (simd/nearest.ts) compares all of 10,000 in about a millisecond. Exact, and nothing to build or to keep on disk.
 */

import { Best } from './best.js';
import { nearestModule } from './nearestModule.js';

interface Loops {
  readonly memory: WebAssembly.Memory;
  /** Takes addresses in its memory. */
  compare(query: number, rows: number, results: number, count: number, dimensions: number): void;
}

const compiled = new WebAssembly.Module(Buffer.from(nearestModule, 'base64'));
const pageBytes = 65_536;
const numberBytes = 4;
const minRows = 64;

export class VectorTable {
  readonly #dimensions: number;
  readonly #ids: string[] = [];
  readonly #rows = new Map<string, number>();
  /** With the first vector: each takes a part of this process's addresses. */
  #loops: Loops | undefined;
  /** All of the memory: rows, and behind the last one there is room for, a vector and a result for each row. */
  #numbers = new Float32Array();
  #capacityRows = 0;

  constructor(dimensions: number) {
    this.#dimensions = dimensions;
  }

  /** Takes the place of what was there under that id; one of another length belongs to another model and is not kept. */
  set(id: string, vector: Float32Array | undefined): void {
    if (vector?.length !== this.#dimensions) {
      this.delete(id);
      return;
    }
    const row = this.#rows.get(id) ?? this.#ids.push(id) - 1;
    this.#rows.set(id, row);
    if (row >= this.#capacityRows) this.#grow();
    this.#numbers.set(vector, row * this.#dimensions);
  }

  /** The last row moves into the gap. */
  delete(id: string): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    this.#rows.delete(id);
    const last = this.#ids.pop() ?? id;
    if (last === id) return;
    const start = this.#ids.length * this.#dimensions;
    this.#numbers.copyWithin(row * this.#dimensions, start, start + this.#dimensions);
    this.#ids[row] = last;
    this.#rows.set(last, row);
  }

  /** Ids of those that point most nearly the same way, best first. */
  nearest(vector: Float32Array | undefined, limit: number): string[] {
    if (vector?.length !== this.#dimensions || this.#loops === undefined) return [];
    const [count, query] = [this.#ids.length, this.#capacityRows * this.#dimensions];
    const results = query + this.#dimensions;
    this.#numbers.set(vector, query);
    this.#loops.compare(query * numberBytes, 0, results * numberBytes, count, this.#dimensions);
    const best = new Best(limit);
    for (let row = 0; row < count; row++) {
      const near = this.#numbers[results + row] ?? 0;
      if (near > best.least) best.add(row, near);
    }
    return best.sorted().flatMap(([row]) => this.#ids[row] ?? []);
  }

  /** Memory that grows stays where it is: no row is copied. */
  #grow(): void {
    this.#loops ??= new WebAssembly.Instance(compiled).exports as unknown as Loops;
    const { memory } = this.#loops;
    const rows = Math.max(minRows, 2 * this.#capacityRows);
    const bytes = (rows * (this.#dimensions + 1) + this.#dimensions) * numberBytes;
    memory.grow(Math.max(0, Math.ceil((bytes - memory.buffer.byteLength) / pageBytes)));
    this.#numbers = new Float32Array(memory.buffer);
    this.#capacityRows = Math.floor((this.#numbers.length - this.#dimensions) / (this.#dimensions + 1));
  }
}
