/**
 * Names for beginnings of token lists. Every 64 tokens make a block; a block's hash covers the hash of the block
 * before it and so everything since the start, and the first one the model. Two lists that share a block's hash
 * share all tokens up to its end, so that the longest common beginning is found by looking names up. Hashes are a
 * way to find candidates; whoever uses one compares the tokens themselves.
 */

import { createHash } from 'node:crypto';

export const blockTokens = 64;

export interface PrefixHashes {
  /** One for each full block, in order. */
  readonly blocks: readonly string[];
  /** Of the whole list; where it ends with a block, that block's. */
  readonly whole: string;
}

export function rootHash(model: string): string {
  return digest(createHash('sha256').update(model));
}

/** @param model what the tokens belong to; equal tokens of another model have other hashes */
export function hashPrefix(model: string, tokens: readonly number[]): PrefixHashes {
  const blocks: string[] = [];
  let last = rootHash(model);
  for (let end = blockTokens; end <= tokens.length; end += blockTokens) {
    last = extendHash(last, tokens, end - blockTokens, end);
    blocks.push(last);
  }
  return { blocks, whole: extendHash(last, tokens, blocks.length * blockTokens, tokens.length) };
}

/** The hash of the list up to `end`, from the hash of its beginning up to `start`. */
export function extendHash(hash: string, tokens: readonly number[], start: number, end: number): string {
  if (start === end) return hash;
  const words = Int32Array.from(tokens.slice(start, end));
  return digest(createHash('sha256').update(hash).update(new Uint8Array(words.buffer)));
}

/** Half of it: 128 bits are enough for names. */
function digest(hash: ReturnType<typeof createHash>): string {
  return hash.digest('hex').slice(0, 32);
}
