/** Files that were downloaded: their checksums, and what becomes of one that is not what it should be. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { KernelError } from '../../shared/errors.js';
import type { PulledFile, PulledModel } from '../../shared/modelPull.js';

export async function fileOf(path: string): Promise<PulledFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path, bytes, sha256: hash.digest('hex') };
}

/** @throws KernelError `modelUnusable` when one of them is not what it should be; it then ends in `.damaged` */
export async function compare(
  files: readonly PulledFile[],
  given: string | undefined,
  published: ReadonlySet<string> | undefined,
): Promise<PulledModel['verified']> {
  if (given === undefined && published === undefined) return 'nothing';
  for (const { path, sha256 } of files) {
    if (given === undefined ? published?.has(sha256) === true : sha256 === given) continue;
    await rename(path, `${path}.damaged`);
    const expected = given === undefined ? 'of no file of the repository' : `not ${given}`;
    throw new KernelError('modelUnusable', `${path} came damaged: its SHA-256 is ${sha256}, ${expected}`);
  }
  return given === undefined ? 'repository' : 'given';
}
