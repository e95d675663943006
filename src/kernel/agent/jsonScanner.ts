/** Tells where the first JSON object of a growing text ends, so that generation can stop right there. */

export class JsonScanner {
  #depth = 0;
  #inString = false;
  #escaped = false;
  #started = false;

  /** Length of the part of `text` up to and including the object's last brace, or undefined while it is open. */
  push(text: string): number | undefined {
    for (let index = 0; index < text.length; index++) {
      if (this.#isEnd(text.charAt(index))) return index + 1;
    }
    return undefined;
  }

  #isEnd(char: string): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (char === '\\') this.#escaped = true;
      else if (char === '"') this.#inString = false;
      return false;
    }
    if (char === '"') this.#inString = true;
    else if (char === '{') {
      this.#depth++;
      this.#started = true;
    } else if (char === '}') this.#depth--;
    return this.#started && this.#depth <= 0;
  }
}
