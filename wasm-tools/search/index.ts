/**
 * `search(query)`: the lines of the workspace that hold a text, as `path:line: text`, the best first. Walks the
 * folders itself; what cannot be read is passed over, but the first denied call ends it.
 */

import { find, newline } from '../lib/characters';
import { Entries, kindFile, kindFolder } from '../lib/folder';
import { Call, fail, listFolder, readFile, Reply, succeed, utf8 } from '../lib/host';
import { isBinary, withoutMark } from '../lib/utf8';
import { Hits } from './hits';
import { isSearchedFile, isSearchedFolder, isSecondaryFile, isSecondaryFolder } from './paths';
import { Query } from './query';

/** The sandbox ends a call that makes 20,000 host calls: better a part of a huge workspace than nothing. */
const maxHostCalls = 19_000;
const maxDepth = 32;

class Search {
  /** Why the search ended early, or nothing. */
  denial: string = '';
  private hostCalls: i32 = 0;

  constructor(
    private query: Query,
    private hits: Hits,
  ) {}

  get isCutShort(): bool {
    return this.hostCalls >= maxHostCalls;
  }

  /** The root must be readable; other folders are passed over when they are not. */
  folder(path: string, isSecondary: bool, depth: i32): void {
    if (this.isOver(depth)) return;
    const reply = listFolder(path);
    if (!this.accept(reply, depth == 0)) return;
    const entries = new Entries(reply);
    const prefix = depth == 0 ? '' : `${path}/`;
    for (let i = 0; i < entries.length && !this.isOver(depth); i++) {
      const name = entries.name(i);
      const kind = entries.kind(i);
      if (kind == kindFolder && isSearchedFolder(name)) {
        this.folder(prefix + name, isSecondary || isSecondaryFolder(name), depth + 1);
      } else if (kind == kindFile && isSearchedFile(name)) {
        this.file(prefix + name, isSecondary || isSecondaryFile(name));
      }
    }
  }

  private file(path: string, isSecondary: bool): void {
    const reply = readFile(path);
    if (!this.accept(reply, false)) return;
    const bytes = reply.bytes;
    if (!isBinary(bytes)) this.lines(path, isSecondary, withoutMark(bytes));
  }

  /** Jumps from match to match; lines are counted on the way. */
  private lines(path: string, isSecondary: bool, bytes: Uint8Array): void {
    const end = bytes.dataStart + bytes.length;
    let lineStart = bytes.dataStart;
    let number = 1;
    let at = this.query.next(lineStart, end);
    while (at < end) {
      for (let next = find(newline, lineStart, at); next < at; next = find(newline, lineStart, at)) {
        lineStart = next + 1;
        number++;
      }
      const lineEnd = find(newline, at, end);
      this.hits.add(path, isSecondary, number, lineStart, lineEnd, at);
      lineStart = min(lineEnd + 1, end);
      number++;
      at = this.query.next(lineStart, end);
    }
  }

  private isOver(depth: i32): bool {
    return this.denial.length > 0 || this.isCutShort || depth > maxDepth;
  }

  private accept(reply: Reply, isNeeded: bool): bool {
    this.hostCalls++;
    if (reply.ok) return true;
    const reason = reply.failure;
    if (isNeeded || reason.startsWith('denied')) this.denial = reason;
    return false;
  }
}

export function execute(): void {
  const call = Call.current();
  const wanted = call.bytes(0);
  if (call.text(0).trim().length == 0) return fail('error: nothing to search for');
  const query = new Query(wanted);
  const hits = new Hits(query);
  const search = new Search(query, hits);
  search.folder('.', false, 0);
  if (search.denial.length > 0) return fail(search.denial);
  const note = search.isCutShort
    ? utf8('\n... only a part of this large workspace was searched')
    : new Uint8Array(0);
  const found = hits.text(call.resultBytes - note.length);
  const all = new Uint8Array(found.length + note.length);
  all.set(found);
  all.set(note, found.length);
  succeed(all);
}
