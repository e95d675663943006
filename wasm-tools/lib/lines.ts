/** Walks over the lines of a text, which end in LF or CRLF; a last one without an end counts, an empty one does not. */

import { carriageReturn, find, newline } from './characters';

export class Lines {
  /** Of the current line; 0 before the first. */
  number: i32 = 0;
  start: usize = 0;
  end: usize = 0;

  private at: usize;
  private last: usize;

  constructor(private text: Uint8Array) {
    this.at = text.dataStart;
    this.last = text.dataStart + text.length;
  }

  next(): bool {
    if (this.at >= this.last) return false;
    const end = find(newline, this.at, this.last);
    this.number++;
    this.start = this.at;
    this.end = end > this.at && end < this.last && load<u8>(end - 1) == carriageReturn ? end - 1 : end;
    this.at = end + 1;
    return true;
  }
}
