// Gives a changed snapshot a digest that is right again, as only a program with a fault, or a forger, would.
import { createHash } from 'node:crypto';

/** Where the documented form has the digest. */
const digestAt = 8 + 27;
const digestLength = 64;

export function sealed(bytes: Uint8Array): Uint8Array {
  if (bytes.length < digestAt + digestLength) return bytes;
  const hash = createHash('sha256');
  hash.update(bytes.subarray(0, digestAt));
  hash.update(bytes.subarray(digestAt + digestLength));
  const copy = Uint8Array.from(bytes);
  copy.set(Buffer.from(hash.digest('hex'), 'latin1'), digestAt);
  return copy;
}
