/**
 * The journal's files: `journal.<number>.log`, each of which replaces the one before it whole. The one with the
 * highest number counts. A new one is complete before it gets its name, so that whenever the power goes, either the
 * old one counts or the new one. Files that are damaged are set aside; older ones that are good are garbage.
 */

import type { DurableFolder } from '../../hal/durableFolder.js';
import { KernelError } from '../../shared/errors.js';
import {
  createFormat,
  encodeRecord,
  readJournalFile,
  type JournalContent,
  type LineFormat,
} from './journalFile.js';
import { LiveBytes } from './liveBytes.js';
import { recordsOf, type JournalState } from './replay.js';

const pattern = /^journal\.(\d{8})\.log$/;

export interface GenerationParts {
  readonly folder: DurableFolder;
  readonly encryptionKey: Uint8Array | undefined;
}

/** What looking needs. */
export interface ReadingParts {
  readonly folder: Pick<DurableFolder, 'path' | 'list' | 'read'>;
  readonly encryptionKey: Uint8Array | undefined;
}

/** A file that can be appended to. */
export interface Generation {
  readonly number: number;
  readonly format: LineFormat;
  readonly bytes: number;
  readonly live: LiveBytes;
}

export const fileOf = (generation: number): string => `journal.${String(generation).padStart(8, '0')}.log`;

/** Highest first. */
export async function listGenerations(folder: Pick<DurableFolder, 'list'>): Promise<readonly number[]> {
  const numbers = (await folder.list()).flatMap(({ name }) => {
    const [, digits] = pattern.exec(name) ?? [];
    return digits === undefined ? [] : [Number(digits)];
  });
  return numbers.sort((a, b) => b - a);
}

/** @throws KernelError `stateInvalid` as {@link readJournalFile} */
export async function readGeneration(
  generation: number,
  { folder, encryptionKey }: ReadingParts,
): Promise<JournalContent | undefined> {
  const name = fileOf(generation);
  return readJournalFile(await folder.read(name), `${folder.path}/${name}`, encryptionKey);
}

/**
 * Writes a file that holds this state.
 * @throws KernelError `storageFull`, `storageFailed`; then the file may be there or not
 */
export async function writeGeneration(
  number: number,
  state: JournalState,
  { folder, encryptionKey }: GenerationParts,
): Promise<Generation> {
  const { format, header } = createFormat(encryptionKey);
  const live = new LiveBytes();
  const lines = function* (): Generator<Uint8Array> {
    yield header;
    for (const record of recordsOf(state)) {
      const line = encodeRecord(record, format);
      live.add(record, line.length);
      yield line;
    }
  };
  const bytes = await folder.writeAtomically(fileOf(number), inPieces(lines()));
  return { number, format, bytes, live };
}

/** Takes a file away that no longer counts. What is damaged, or not understood, is kept under another name. */
export async function retireGeneration(
  generation: number,
  parts: GenerationParts,
): Promise<string | undefined> {
  const name = fileOf(generation);
  if (!(await isWhole(generation, parts))) return await parts.folder.setAside(name);
  await parts.folder.remove(name);
  return undefined;
}

/** A torn end is no reason to keep a file: nothing that was acknowledged is in it. */
async function isWhole(generation: number, parts: GenerationParts): Promise<boolean> {
  try {
    const content = await readGeneration(generation, parts);
    return content !== undefined && content.damage?.kind !== 'broken';
  } catch (error) {
    if (error instanceof KernelError && error.code === 'stateInvalid') return false;
    throw error;
  }
}

const pieceBytes = 256 * 1024;

/** Short lines as few long pieces, each made when it is asked for. */
function* inPieces(lines: Iterable<Uint8Array>): Generator<Uint8Array> {
  let piece: Uint8Array[] = [];
  let bytes = 0;
  for (const line of lines) {
    piece.push(line);
    bytes += line.length;
    if (bytes < pieceBytes) continue;
    yield Buffer.concat(piece);
    piece = [];
    bytes = 0;
  }
  yield Buffer.concat(piece);
}
