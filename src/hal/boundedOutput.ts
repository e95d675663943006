/**
 * Keeps the beginning and the end of a stream of text and counts what lay between. Its memory is fixed when it is
 * made. Where something is left out, a line of its own says so, and the lines around it are whole.
 */

const newline = 0x0a;

export class BoundedOutput {
  readonly #head: Buffer;
  /** The last bytes beyond the head, as a ring. */
  readonly #tail: Buffer;
  #headLength = 0;
  /** Bytes that ever went to the tail. */
  #tailTotal = 0;

  /** @param limitBytes a quarter of it is for the beginning: how a command ended is what matters. */
  constructor(limitBytes: number) {
    const headBytes = Math.floor(limitBytes / 4);
    this.#head = Buffer.alloc(headBytes);
    this.#tail = Buffer.alloc(limitBytes - headBytes);
  }

  add(chunk: Buffer): void {
    const taken = chunk.copy(this.#head, this.#headLength);
    this.#headLength += taken;
    const rest = chunk.subarray(taken);
    const size = this.#tail.length;
    // What the end of the same chunk would write over anyway is skipped.
    const kept = rest.subarray(Math.max(0, rest.length - size));
    const position = (this.#tailTotal + rest.length - kept.length) % (size || 1);
    const upToEnd = kept.copy(this.#tail, position);
    kept.copy(this.#tail, 0, upToEnd);
    this.#tailTotal += rest.length;
  }

  /** The text, and how many bytes of the stream it lacks. */
  result(): { readonly output: Buffer; readonly truncatedBytes: number } {
    const size = this.#tail.length;
    const head = this.#head.subarray(0, this.#headLength);
    if (this.#tailTotal <= size) {
      return { output: Buffer.concat([head, this.#tail.subarray(0, this.#tailTotal)]), truncatedBytes: 0 };
    }
    const oldest = this.#tailTotal % size;
    const tail = Buffer.concat([this.#tail.subarray(oldest), this.#tail.subarray(0, oldest)]);
    // Without any line break the cut goes through a line: -1 leaves both parts as they are.
    const headEnd = head.lastIndexOf(newline) + 1 || head.length;
    const tailStart = tail.indexOf(newline) + 1;
    const truncatedBytes = this.#tailTotal - size + (head.length - headEnd) + tailStart;
    const gap = `${head[headEnd - 1] === newline ? '' : '\n'}... ${truncatedBytes} bytes left out\n`;
    return {
      output: Buffer.concat([head.subarray(0, headEnd), Buffer.from(gap), tail.subarray(tailStart)]),
      truncatedBytes,
    };
  }
}
