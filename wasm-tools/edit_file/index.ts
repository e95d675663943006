/**
 * `edit_file(path, find, replace)`: replaces a text wherever it stands in a file. Everything else stays as it is,
 * byte for byte. A word is replaced only where it stands alone, so that renaming `count` leaves `counter` as it is.
 */

import { Call, fail, readFile, succeed, utf8, writeFile } from '../lib/host';
import { TextBuffer } from '../lib/textBuffer';
import { afterCharacters, isBinary, isUtf8 } from '../lib/utf8';
import { withLineEndsOf } from './lineEnds';
import { Replacement } from './replacement';

const quotedCharacters = 80;

export function execute(): void {
  const call = Call.current();
  const path = call.text(0);
  const wanted = call.bytes(1);
  if (wanted.length == 0) return fail('error: nothing to find');
  if (areEqual(wanted, call.bytes(2))) return fail('error: find and replace are the same text');
  const reply = readFile(path);
  if (!reply.ok) return fail(reply.failure);
  const bytes = reply.bytes;
  if (isBinary(bytes)) return fail(`error: ${path} is a binary file`);
  if (!isUtf8(bytes)) return fail(`error: ${path} is not UTF-8 text`);
  const replacement = new Replacement(
    bytes,
    withLineEndsOf(bytes, wanted),
    withLineEndsOf(bytes, call.bytes(2)),
  );
  if (replacement.count == 0) return fail(`error: ${quoted(wanted)} does not occur in ${path}`);
  if (replacement.isTooLarge) return fail(`error: ${path} would become too large`);
  const written = writeFile(path, replacement.result());
  if (!written.ok) return fail(written.failure);
  succeed(utf8(`replaced ${replacement.count} ${replacement.count == 1 ? 'occurrence' : 'occurrences'}`));
}

function areEqual(a: Uint8Array, b: Uint8Array): bool {
  return a.length == b.length && memory.compare(a.dataStart, b.dataStart, a.length) == 0;
}

/** In one line, and cut where it is long. */
function quoted(wanted: Uint8Array): string {
  const end = wanted.dataStart + wanted.length;
  const cut = afterCharacters(quotedCharacters, wanted.dataStart, end);
  const text = new TextBuffer();
  text.addMended(wanted.dataStart, cut);
  const shown = String.UTF8.decodeUnsafe(text.bytes.dataStart, text.length);
  return `\`${shown}${cut < end ? '…' : ''}\``;
}
