/**
 * The audit log as lines: canonical JSON, each with its number, its time and the SHA-256 of the line before it, so
 * that none can be changed, dropped, added or moved without every later one telling. Each file begins with an
 * `opened` line, which goes on from the last line of the file before, and ends, when it is full, with a `closed` line
 * that names the next. The first line of the first file is the genesis: its `prev` is 64 zeros.
 */

import { z } from 'zod';
import { auditKinds, canonical, digestOf, type AuditEntry } from './audit.js';

export const formatVersion = 1;
const noHash = '0'.repeat(64);

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const text = z.string();

const frame = {
  /** Counted through all files, from 0. */
  seq: z.int().min(0),
  prev: hash,
  /** Milliseconds since the epoch. */
  at: z.number(),
};

export const entryLineSchema = z.strictObject({
  ...frame,
  kind: z.enum(auditKinds),
  phase: z.enum(['begin', 'end']).exactOptional(),
  act: z.int().exactOptional(),
  pid: z.int().exactOptional(),
  agent: text.exactOptional(),
  client: text.exactOptional(),
  tool: text.exactOptional(),
  what: text,
  scope: text.exactOptional(),
  digest: text.exactOptional(),
  grant: z.int().exactOptional(),
  result: text.exactOptional(),
  detail: text.exactOptional(),
  ms: z.number().exactOptional(),
});
export type EntryLine = z.infer<typeof entryLineSchema>;

const openedSchema = z.strictObject({
  ...frame,
  kind: z.literal('opened'),
  format: z.literal(formatVersion),
  /** Of the whole log, random. */
  log: z.string().regex(/^[0-9a-f]{32}$/),
  file: text,
});

const closedSchema = z.strictObject({ ...frame, kind: z.literal('closed'), next: text });

const lineSchema = z.discriminatedUnion('kind', [
  openedSchema,
  closedSchema,
  ...auditKinds.map((kind) => entryLineSchema.extend({ kind: z.literal(kind) })),
]);

export type Line = z.infer<typeof openedSchema> | z.infer<typeof closedSchema> | EntryLine;

/** Where the next line goes on. */
export interface Tip {
  readonly seq: number;
  /** Of the last line. */
  readonly hash: string;
}

export const genesisTip: Tip = { seq: 0, hash: noHash };

type Content =
  | AuditEntry
  | Omit<z.infer<typeof openedSchema>, 'seq' | 'prev' | 'at'>
  | { readonly kind: 'closed'; readonly next: string };

/** The line's bytes, its line feed included, and where the one after it goes on. */
export function encodeLine(
  content: Content,
  at: number,
  tip: Tip,
): { readonly bytes: Uint8Array; readonly tip: Tip } {
  const line = canonical({ ...content, at, prev: tip.hash, seq: tip.seq });
  return { bytes: Buffer.from(`${line}\n`), tip: { seq: tip.seq + 1, hash: digestOf(line) } };
}

/** Undefined for what is no line of an audit log, down to its last blank. */
export function decodeLine(text: string): Line | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { data } = lineSchema.safeParse(value);
  return data !== undefined && canonical(data) === text ? data : undefined;
}

export const fileName = (number: number): string => `audit-${String(number).padStart(6, '0')}.jsonl`;

export const fileNumber = (name: string): number | undefined => {
  const digits = /^audit-(\d{6,12})\.jsonl$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
};
