/** `list_dir(path)`: the names in a folder, one a line; a folder's name ends in `/`. */

import { Entries, kindFolder } from '../lib/folder';
import { Call, fail, listFolder, succeed, utf8 } from '../lib/host';
import { TextBuffer } from '../lib/textBuffer';

export function execute(): void {
  const call = Call.current();
  const reply = listFolder(call.text(0));
  if (!reply.ok) return fail(reply.failure);
  const entries = new Entries(reply);
  succeed(entries.length == 0 ? utf8('(empty)') : namesOf(entries, call.resultBytes));
}

/** As many names as fit, and how many did not. */
function namesOf(entries: Entries, budget: i32): Uint8Array {
  const text = new TextBuffer();
  for (let i = 0; i < entries.length; i++) {
    const before = text.length;
    if (i > 0) text.addText('\n');
    const name = utf8(entries.name(i));
    text.addMended(name.dataStart, name.dataStart + name.length);
    if (entries.kind(i) == kindFolder) text.addText('/');
    const left = entries.length - i - 1;
    if (text.length + (left > 0 ? moreLine(left).length : 0) <= budget) continue;
    text.length = before;
    text.addText(moreLine(left + 1));
    break;
  }
  return text.bytes;
}

function moreLine(count: i32): string {
  return `\n... ${count.toString()} more`;
}
