/**
 * The host calls a tool can make, as plain functions. Each hands over a request and gets a reply: one status byte,
 * then the payload, or the sentence that says why not. What a tool may do is decided on the other side.
 */

import { Host, Memory } from '@extism/as-pdk';
import { error_set } from '@extism/as-pdk/lib/env';
import { encodeFields, Fields } from './fields';
import { fs_list, fs_read, fs_write, process_run, take_reply } from './imports';

const statusOk: u8 = 0;

export class Reply {
  constructor(private raw: Uint8Array) {}

  get ok(): bool {
    return this.raw.length > 0 && this.raw[0] == statusOk;
  }

  get bytes(): Uint8Array {
    return this.raw.subarray(1);
  }

  /** Why the call was refused or failed, ready to be told to the model. */
  get failure(): string {
    return String.UTF8.decodeUnsafe(this.raw.dataStart + 1, this.raw.length - 1);
  }
}

function receive(length: i32): Reply {
  const raw = new Uint8Array(length);
  take_reply(raw.dataStart);
  return new Reply(raw);
}

/** The bytes of a file. */
export function readFile(path: string): Reply {
  const request = encodeFields([utf8(path)]);
  return receive(fs_read(request.dataStart, request.length));
}

/** What is in a folder, sorted by name: for each entry its kind (f, d, l or o), then its name. */
export function listFolder(path: string): Reply {
  const request = encodeFields([utf8(path)]);
  return receive(fs_list(request.dataStart, request.length));
}

/** Replaces the content of a file that this call has read, if it still is what was read. */
export function writeFile(path: string, bytes: Uint8Array): Reply {
  const request = encodeFields([utf8(path), bytes]);
  return receive(fs_write(request.dataStart, request.length));
}

/** Runs one program to its end. Fields: its exit status, what there is to say about it, and its output. */
export function runProcess(words: string[]): Reply {
  const fields: Uint8Array[] = [];
  for (let i = 0; i < words.length; i++) fields.push(utf8(words[i]));
  const request = encodeFields(fields);
  return receive(process_run(request.dataStart, request.length));
}

export function utf8(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

/** One call of the tool: its arguments in the manifest's order, and how much text the caller can take. */
export class Call {
  readonly resultBytes: i32;

  private constructor(private fields: Fields) {
    this.resultBytes = I32.parseInt(fields.text(0));
  }

  static current(): Call {
    return new Call(new Fields(Host.input()));
  }

  text(index: i32): string {
    return this.fields.text(index + 1);
  }

  bytes(index: i32): Uint8Array {
    return this.fields.bytes(index + 1);
  }
}

/** The call's result. */
export function succeed(text: Uint8Array): void {
  Host.output(text);
}

/** Why the call has no result. */
export function fail(reason: string): void {
  error_set(Memory.allocateString(reason).offset);
}

/** Where an assertion or a bounds check of the compiled code ends. */
export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const what = message ? message : 'abort';
  const where = file ? file : '';
  fail(`error: ${what} in ${where}:${line.toString()}:${column.toString()}`);
  unreachable();
}
