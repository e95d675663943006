/**
 * `read_file(path)`: a text file as `N: line` a line. A file that does not fit is told by the lines that say most
 * about it, under their own numbers, and any part of it can be asked for by its line numbers.
 */

import { Call, fail, readFile, succeed, utf8 } from '../lib/host';
import { isBinary, isUtf8, withoutMark } from '../lib/utf8';
import { Page } from './page';
import { parseRequest } from './request';

export function execute(): void {
  const call = Call.current();
  const request = parseRequest(call.text(0));
  const reply = readFile(request.path);
  if (!reply.ok) return fail(reply.failure);
  const bytes = reply.bytes;
  if (isBinary(bytes)) return fail(`error: ${request.path} is a binary file`);
  if (!isUtf8(bytes)) return fail(`error: ${request.path} is not UTF-8 text`);
  const text = withoutMark(bytes);
  if (text.length == 0) return succeed(utf8('(empty file)'));
  const page = new Page(request.path, text);
  if (request.isWhole) return succeed(page.whole(call.resultBytes));
  if (request.first > request.last) {
    return fail(`error: ${request.first.toString()}-${request.last.toString()} is not a range of lines`);
  }
  if (request.first > page.count) return fail(`error: ${request.path} has ${lineCount(page.count)}`);
  succeed(page.range(request.first, request.last, call.resultBytes));
}

function lineCount(count: i32): string {
  return count == 1 ? 'only 1 line' : `only ${count.toString()} lines`;
}
