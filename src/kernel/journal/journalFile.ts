/**
 * One file of the journal as bytes: a first line that says what it is, then a line for each record. With a key every
 * record is encrypted by itself, since a conversation is what people wrote. What it reads it checks, and a file of a
 * newer form, or with a record that is not known here, is refused whole: a state with holes is no state.
 */

import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { assertKey, createTextSeal, keyIdOf, type TextSeal } from '../../hal/sealing.js';
import { KernelError } from '../../shared/errors.js';
import { encodeFrame, readFrame, readFrames, type Damage } from './frames.js';
import { recordSchema, recordTypes, type JournalRecord } from './records.js';

const formatVersion = 1;

const headerSchema = z.strictObject({
  type: z.literal('journal'),
  version: z.literal(formatVersion),
  /** Random, and of this file alone: part of every line's digest, and of the key where there is one. */
  id: z.string().regex(/^[0-9a-f]{32}$/),
  keyId: z.string().exactOptional(),
});
type Header = z.infer<typeof headerSchema>;

/** How the lines of one file are written. */
export interface LineFormat {
  readonly id: string;
  readonly seal: TextSeal | undefined;
}

export interface ReadRecord {
  readonly record: JournalRecord;
  /** What its line takes. */
  readonly bytes: number;
}

export interface JournalContent {
  readonly format: LineFormat;
  readonly records: readonly ReadRecord[];
  readonly goodBytes: number;
  readonly damage: Damage | undefined;
  /** Agents that good lines behind the damage speak of. */
  readonly lostPids: readonly number[];
}

/** A new file's first line, and how the others are to be written. */
export function createFormat(key: Uint8Array | undefined): {
  readonly format: LineFormat;
  readonly header: Uint8Array;
} {
  const id = randomBytes(16).toString('hex');
  const header: Header = {
    type: 'journal',
    version: formatVersion,
    id,
    ...(key !== undefined && { keyId: keyIdOf(key) }),
  };
  return { format: formatOf(header, key, 'the journal'), header: encodeFrame(JSON.stringify(header), '') };
}

export function encodeRecord(record: JournalRecord, { id, seal }: LineFormat): Uint8Array {
  const text = JSON.stringify(record);
  return encodeFrame(seal === undefined ? text : seal.seal(text), id);
}

/**
 * What the file holds; nothing when not even its first line is good.
 * @throws KernelError `stateInvalid` when it is encrypted and the key is missing or another, or a newer kernel wrote it
 */
export function readJournalFile(
  file: Uint8Array,
  name: string,
  key: Uint8Array | undefined,
): JournalContent | undefined {
  const first = readFrame(file, '', 0);
  if (first === undefined) return undefined;
  const format = formatOf(parseHeader(first.text, name), key, name);
  const { frames, goodBytes, damage } = readFrames(file, format.id, first.bytes);
  const read = (text: string): JournalRecord =>
    parseRecord(format.seal === undefined ? text : format.seal.unseal(text), name);
  const later = damage?.later.map(({ text }) => read(text)) ?? [];
  return {
    format,
    records: frames.map(({ text, bytes }) => ({ record: read(text), bytes })),
    goodBytes,
    damage,
    lostPids: [...new Set(later.flatMap((record) => ('pid' in record ? [record.pid] : [])))],
  };
}

function formatOf({ id, keyId }: Header, key: Uint8Array | undefined, name: string): LineFormat {
  if (keyId === undefined) return { id, seal: undefined };
  assertKey(key, keyId, name);
  return { id, seal: createTextSeal(key, Buffer.from(id, 'hex'), name) };
}

function parseHeader(text: string, name: string): Header {
  const value: unknown = JSON.parse(text);
  const result = headerSchema.safeParse(value);
  if (result.success) return result.data;
  const { data } = z.object({ version: z.number() }).safeParse(value);
  throw new KernelError(
    'stateInvalid',
    data === undefined
      ? `${name} is no journal`
      : `${name} has the form ${data.version}, and this kernel reads the form ${formatVersion}`,
  );
}

function parseRecord(text: string, name: string): JournalRecord {
  const value: unknown = JSON.parse(text);
  const result = recordSchema.safeParse(value);
  if (result.success) return result.data;
  const { data } = z.object({ type: z.string() }).safeParse(value);
  const type = JSON.stringify(data?.type ?? null);
  if (data === undefined || !recordTypes.has(data.type)) {
    throw new KernelError(
      'stateInvalid',
      `${name} holds a record of the unknown kind ${type}: a newer kernel wrote it`,
    );
  }
  const issue = result.error.issues[0];
  throw new KernelError(
    'stateInvalid',
    `${name} holds a record of the kind ${type} that is not understood at ` +
      `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}
