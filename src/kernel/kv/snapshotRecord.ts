/**
 * What the store knows of a snapshot without reading it, as the small file beside it says: what it is of, and how
 * long it is worth keeping. A record proves that it is whole; one that does not, or that belongs to another file
 * than its name says, is refused.
 */

import { createHash } from 'node:crypto';
import { z } from 'zod';
import { messageOf } from '../../shared/errors.js';
import { retentionSchema } from './retention.js';
import { stateInvalid } from './stateErrors.js';

/** Raised with every change of meaning. */
const recordVersion = 1;

const hash = z.string().regex(/^[0-9a-f]{32}$/);

export const recordSchema = z.strictObject({
  version: z.literal(recordVersion),
  /** SHA-256 of the snapshot's bytes, in hex: its name. */
  key: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().min(0),
  /** Fingerprint of the model and everything else that its state depends on. */
  model: z.string().min(1),
  /** How many tokens it covers; their hashes find it. */
  tokens: z.int().min(1),
  blocks: z.array(hash),
  whole: hash,
  /** Whose it is, for people. */
  agent: z.string(),
  quantisation: z.string(),
  /** Milliseconds since the epoch. */
  created: z.number(),
  retention: retentionSchema,
});
export type SnapshotRecord = z.infer<typeof recordSchema>;

const envelopeSchema = z.strictObject({ sha256: z.string(), record: z.unknown() });

export function writeRecord(record: SnapshotRecord): Uint8Array {
  return Buffer.from(`${JSON.stringify({ sha256: digestOf(record), record })}\n`);
}

/**
 * @param key what the file is named for
 * @throws KernelError `stateInvalid`
 */
export function readRecord(bytes: Uint8Array, key: string): SnapshotRecord {
  const { sha256, record } = parse(envelopeSchema, readJson(bytes));
  if (sha256 !== digestOf(record)) throw stateInvalid('its record is damaged');
  const facts = parse(recordSchema, record);
  if (facts.key !== key) throw stateInvalid(`its record is that of ${facts.key}`);
  return facts;
}

const digestOf = (record: unknown): string =>
  createHash('sha256').update(JSON.stringify(record)).digest('hex');

function readJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch (error) {
    throw stateInvalid(`its record cannot be read: ${messageOf(error)}`);
  }
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.map(String).join('.') ?? '';
  throw stateInvalid(`its record is of no known form at ${field}: ${issue?.message ?? 'invalid'}`);
}
