/** What a folder holds, as the host lists it. */

import { Fields } from './fields';
import { Reply } from './host';

export const kindFile: u8 = 0x66;
export const kindFolder: u8 = 0x64;

/** The entries of a folder, by number. */
export class Entries {
  private fields: Fields;

  constructor(reply: Reply) {
    this.fields = new Fields(reply.bytes);
  }

  get length(): i32 {
    return this.fields.length / 2;
  }

  kind(index: i32): u8 {
    const field = this.fields.bytes(2 * index);
    return field.length > 0 ? field[0] : 0;
  }

  name(index: i32): string {
    return this.fields.text(2 * index + 1);
  }
}
