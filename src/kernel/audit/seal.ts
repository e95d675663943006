/**
 * The seal over the log's end: how many lines there are, the digest of the last one, and a code over both that only
 * the holder of a key can make. A chain alone cannot tell that its last lines were dropped, nor that all of it was
 * written anew; with the seal both are found by whoever has the key, as long as the key was not had by who did it.
 *
 * Where the key lies beside the log, that is everybody but this user and root: it finds accidents, other users and
 * tools that reach files but not this folder. Against this user's own programs the key has to be given from elsewhere
 * (a keychain), or a seal has to be kept elsewhere and shown again: a later log holds it or was rewritten.
 */

import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { canonical } from './audit.js';

const sealSchema = z.strictObject({
  log: z.string(),
  lines: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  file: z.string(),
  /** Whether the key lies beside the log or was given. */
  key: z.enum(['beside', 'given']),
  code: z.string().regex(/^[0-9a-f]{64}$/),
});
export type Seal = z.infer<typeof sealSchema>;

export const sealName = 'seal.json';

export function makeSeal(facts: Omit<Seal, 'code'>, key: Uint8Array): Seal {
  return { ...facts, code: codeOf(facts, key) };
}

export const encodeSeal = (seal: Seal): Uint8Array => Buffer.from(`${canonical(seal)}\n`);

/** Undefined for what is no seal. */
export function decodeSeal(bytes: Uint8Array): Seal | undefined {
  try {
    return sealSchema.safeParse(JSON.parse(Buffer.from(bytes).toString())).data;
  } catch {
    return undefined;
  }
}

export function isGenuine({ code, ...facts }: Seal, key: Uint8Array): boolean {
  return timingSafeEqual(Buffer.from(code, 'hex'), Buffer.from(codeOf(facts, key), 'hex'));
}

function codeOf(facts: Omit<Seal, 'code'>, key: Uint8Array): string {
  return createHmac('sha256', key)
    .update(`amk audit seal\n${canonical(facts)}`)
    .digest('hex');
}
