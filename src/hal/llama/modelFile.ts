/**
 * Judges a model file before the engine opens it. The engine's own loader aborts the process on some damaged files
 * and names none of them; whatever is wrong is found here and said in one sentence with the path. Reads the header
 * and a sample of the weights, never all of them.
 */

import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { KernelError, messageOf } from '../../shared/errors.js';
import { formatBytesOf } from '../byteSize.js';
import { readGgufHeader, type GgufHeader } from './ggufHeader.js';
import { shapeOf, type ModelShape } from './modelShape.js';

export interface ModelFile {
  readonly path: string;
  /** All of it, every part included. */
  readonly bytes: number;
  readonly name: string;
  readonly shape: ModelShape;
  /**
   * SHA-256, in hex, of size, header and a sample of the weights of every part: tells models apart without reading
   * all of them. It is an identity, not a proof that no byte was changed.
   */
  readonly fingerprint: string;
}

/** Most headers fit; a large vocabulary takes some steps more. */
const firstReadBytes = 1024 * 1024;
const maxHeaderBytes = 256 * 1024 * 1024;
/** Pieces of the file that its fingerprint covers, at equal distances from its first byte to its last. */
const samples = 32;
const sampleBytes = 64 * 1024;

/** @throws KernelError `modelUnusable` */
export async function inspectModelFile(path: string): Promise<ModelFile> {
  const first = await inspectPart(path);
  const shape = shapeOf(first.header, path);
  if (first.header.tensorCount === 0 && shape.parts === 1) {
    throw unusable(`${path} holds a vocabulary but no weights`);
  }
  const parts = [{ path, bytes: first.bytes }];
  for (const part of otherParts(path, shape.parts)) {
    parts.push({ path: part, bytes: (await inspectPart(part)).bytes });
  }
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  const name = shape.name ?? basename(path, '.gguf');
  return { path, bytes, name, shape, fingerprint: await fingerprintOf(parts) };
}

async function fingerprintOf(parts: readonly { path: string; bytes: number }[]): Promise<string> {
  const hash = createHash('sha256');
  for (const { path, bytes } of parts) {
    hash.update(`${bytes}\n`).update(await readRange(path, 0, Math.min(firstReadBytes, bytes)));
    const length = Math.min(sampleBytes, bytes);
    for (let index = 0; index < samples; index++) {
      const offset = Math.floor(((bytes - length) * index) / (samples - 1));
      hash.update(await readRange(path, offset, length));
    }
  }
  return hash.digest('hex');
}

async function inspectPart(path: string): Promise<{ bytes: number; header: GgufHeader }> {
  const bytes = await sizeOf(path);
  const header = await readHeader(path, bytes);
  if (header.requiredBytes > bytes) {
    throw unusable(`${path} is truncated: ${formatBytesOf(bytes, header.requiredBytes)}`);
  }
  return { bytes, header };
}

async function sizeOf(path: string): Promise<number> {
  const status = await stat(path).catch((error: unknown) => {
    throw unusable(
      `model file ${path} ${isMissing(error) ? 'does not exist' : `cannot be read: ${messageOf(error)}`}`,
    );
  });
  if (status.isDirectory()) throw unusable(`model file ${path} is a folder`);
  if (!status.isFile()) throw unusable(`model file ${path} is not a regular file`);
  if (status.size === 0) throw unusable(`model file ${path} is empty`);
  return status.size;
}

async function readHeader(path: string, fileBytes: number): Promise<GgufHeader> {
  for (let length = firstReadBytes; ; length *= 4) {
    const reading = readGgufHeader(await readRange(path, 0, Math.min(length, fileBytes)), fileBytes);
    if (reading.kind === 'header') return reading.header;
    if (reading.kind === 'malformed') throw unusable(`${path} is not a usable model: ${reading.reason}`);
    if (length >= Math.min(fileBytes, maxHeaderBytes)) {
      throw unusable(`${path} is not a usable model: its header is damaged`);
    }
  }
}

async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const buffer = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  } catch (error) {
    throw unusable(`model file ${path} cannot be read: ${messageOf(error)}`);
  }
}

/** A split model is named by its first part, `…-00001-of-00003.gguf`. */
function otherParts(path: string, parts: number): string[] {
  if (parts <= 1) return [];
  const match = /^(.*)-00001-of-(\d{5})\.gguf$/.exec(path);
  if (match === null)
    throw unusable(`${path} is one of ${parts} parts of a model; name the first part, -00001-of-…`);
  const [, stem = '', count = ''] = match;
  return Array.from(
    { length: parts - 1 },
    (_, index) => `${stem}-${String(index + 2).padStart(5, '0')}-of-${count}.gguf`,
  );
}

const unusable = (message: string): KernelError => new KernelError('modelUnusable', message);

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
