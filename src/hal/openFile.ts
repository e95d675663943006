/** Whole reads and writes on top of calls that may do a part only. */

import type { FileCalls, OpenFile } from './fileCalls.js';

export async function writeAll(file: OpenFile, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
}

/** The bytes have a buffer of their own, from its start, so that numbers of any size can be viewed in it. */
export async function readWhole(path: string, calls: FileCalls): Promise<Uint8Array> {
  const file = await calls.open(path, 'read');
  try {
    const bytes = Buffer.allocUnsafeSlow(await file.size());
    let length = 0;
    while (length < bytes.length) {
      const read = await file.read(bytes.subarray(length), length);
      if (read === 0) break;
      length += read;
    }
    return new Uint8Array(bytes.buffer, 0, length);
  } finally {
    await file.close();
  }
}
