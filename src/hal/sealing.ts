/**
 * Encryption at rest: AES-256-GCM under a key of its own for each file, derived from the caller's key and a random
 * salt. A file is sealed in pieces, so that none of it need be held twice; pieces cannot be reordered, dropped or
 * moved to a file of another name unnoticed. A wrong key is told from damage. Keys are never written anywhere.
 *
 * A sealed file: magic (8 bytes), key id (8), salt (16), then each piece of up to 1 MiB followed by its tag (16).
 * A piece's nonce: 7 zero bytes, 1 for the last piece and else 0, its number (u32, big-endian).
 */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { KernelError, invariant } from '../shared/errors.js';

const algorithm = 'aes-256-gcm';
const magic = Buffer.from('AMKSEAL1', 'latin1');
const keyIdBytes = 8;
const saltBytes = 16;
const headerBytes = magic.length + keyIdBytes + saltBytes;
const pieceBytes = 1024 * 1024;
const tagBytes = 16;
const nonceBytes = 12;

/** Says which key it is without telling the key. In hex. */
export function keyIdOf(key: Uint8Array): string {
  return derive(key, new Uint8Array(0), 'key id', keyIdBytes).toString('hex');
}

/** Which key sealed the file, as {@link keyIdOf} tells it; nothing when it is no sealed file. */
export function keyIdIn(file: Uint8Array): string | undefined {
  const isSealed = file.length > headerBytes && magic.equals(file.subarray(0, magic.length));
  return isSealed
    ? Buffer.from(file.subarray(magic.length, magic.length + keyIdBytes)).toString('hex')
    : undefined;
}

/** Length of the sealed form. */
export function sealedBytes(bytes: number): number {
  return headerBytes + bytes + tagBytes * Math.max(1, Math.ceil(bytes / pieceBytes));
}

/** The sealed form, piece by piece. @param name the file's; it opens under no other */
export async function* seal(bytes: Uint8Array, name: string, key: Uint8Array): AsyncGenerator<Uint8Array> {
  const salt = randomBytes(saltBytes);
  const header = Buffer.concat([magic, Buffer.from(keyIdOf(key), 'hex'), salt]);
  const fileKey = derive(key, salt, 'file', 32);
  const pieces = Math.max(1, Math.ceil(bytes.length / pieceBytes));
  yield header;
  for (let index = 0; index < pieces; index++) {
    const cipher = createCipheriv(algorithm, fileKey, nonceOf(index, pieces));
    cipher.setAAD(associated(header, name));
    const sealed = cipher.update(bytes.subarray(index * pieceBytes, (index + 1) * pieceBytes));
    cipher.final();
    yield Buffer.concat([sealed, cipher.getAuthTag()]);
    await nextTurn();
  }
}

/**
 * What was sealed. It lets others run between the pieces.
 * @throws KernelError `stateInvalid` when it is no sealed file, another key sealed it, or any bit of it was changed
 */
export async function unseal(
  file: Uint8Array,
  name: string,
  key: Uint8Array | undefined,
): Promise<Uint8Array> {
  const sealedBy = keyIdIn(file);
  if (sealedBy === undefined) throw new KernelError('stateInvalid', `${name} is no sealed file`);
  assertKey(key, sealedBy, name);
  const header = file.subarray(0, headerBytes);
  const fileKey = derive(key, header.subarray(magic.length + keyIdBytes), 'file', 32);
  const pieces = Math.ceil((file.length - headerBytes) / (pieceBytes + tagBytes));
  const lastBytes = file.length - headerBytes - (pieces - 1) * (pieceBytes + tagBytes);
  if (lastBytes < tagBytes) throw broken(name);
  const bytes = new Uint8Array(file.length - headerBytes - pieces * tagBytes);
  for (let index = 0; index < pieces; index++) {
    const start = headerBytes + index * (pieceBytes + tagBytes);
    const piece = file.subarray(start, start + pieceBytes + tagBytes);
    const [sealed, tag] = [piece.subarray(0, -tagBytes), piece.subarray(-tagBytes)];
    const aad = associated(header, name);
    bytes.set(
      decipher(sealed, { tag, aad, nonce: nonceOf(index, pieces), key: fileKey, name }),
      index * pieceBytes,
    );
    await nextTurn();
  }
  return bytes;
}

/** @throws KernelError `stateInvalid` when the key is not the one that sealed it */
export function assertKey(
  key: Uint8Array | undefined,
  keyId: string,
  name: string,
): asserts key is Uint8Array {
  if (key === undefined) throw new KernelError('stateInvalid', `${name} is encrypted and no key was given`);
  if (keyIdOf(key) !== keyId) {
    throw new KernelError('stateInvalid', `${name} was encrypted with another key than the one given`);
  }
}

/** Seals short texts of one file, each by itself. */
export interface TextSeal {
  seal(text: string): string;
  /** @throws KernelError `stateInvalid` */
  unseal(text: string): string;
}

/** @param salt random, and of this file alone */
export function createTextSeal(key: Uint8Array, salt: Uint8Array, name: string): TextSeal {
  const textKey = derive(key, salt, 'text', 32);
  return {
    seal: (text) => {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv(algorithm, textKey, nonce);
      const sealed = cipher.update(text, 'utf8');
      cipher.final();
      return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64');
    },
    unseal: (text) => {
      const bytes = Buffer.from(text, 'base64');
      if (bytes.length < nonceBytes + tagBytes) throw broken(name);
      const nonce = bytes.subarray(0, nonceBytes);
      const [sealed, tag] = [bytes.subarray(nonceBytes, -tagBytes), bytes.subarray(-tagBytes)];
      return decipher(sealed, { tag, nonce, key: textKey, name }).toString();
    },
  };
}

interface Sealing {
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly tag: Uint8Array;
  readonly aad?: Uint8Array;
  readonly name: string;
}

function decipher(sealed: Uint8Array, { key, nonce, tag, aad, name }: Sealing): Buffer {
  try {
    const opened = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes });
    if (aad !== undefined) opened.setAAD(aad);
    opened.setAuthTag(tag);
    const bytes = opened.update(sealed);
    opened.final();
    return bytes;
  } catch (error) {
    throw broken(name, error);
  }
}

function broken(name: string, cause?: unknown): KernelError {
  return new KernelError('stateInvalid', `${name} is damaged: its seal does not hold`, { cause });
}

function nonceOf(index: number, pieces: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes);
  nonce.writeUInt8(index === pieces - 1 ? 1 : 0, 7);
  nonce.writeUInt32BE(index, 8);
  return nonce;
}

function associated(header: Uint8Array, name: string): Buffer {
  return Buffer.concat([header, Buffer.from(name)]);
}

function derive(key: Uint8Array, salt: Uint8Array, purpose: string, bytes: number): Buffer {
  invariant(key.length === 32, 'an encryption key has 32 bytes');
  return Buffer.from(hkdfSync('sha256', key, salt, `amk ${purpose}`, bytes));
}
