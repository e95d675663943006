/**
 * Finds the snapshots that share the longest beginning with a token list, by the hashes of blocks: one look-up a
 * block, however many snapshots there are. It holds names, not tokens; a match is a candidate whose tokens the
 * caller compares.
 */

import { blockTokens, extendHash, hashPrefix, rootHash, type PrefixHashes } from './prefixHash.js';

export interface IndexedPrefix extends PrefixHashes {
  readonly key: string;
  readonly model: string;
  /** Length of its token list. */
  readonly tokens: number;
}

export interface PrefixMatch {
  readonly key: string;
  /** How many leading tokens are shared at least; up to 63 more may be. */
  readonly shared: number;
}

export class PrefixIndex {
  readonly #prefixes = new Map<string, IndexedPrefix>();
  /** By the hash of each full block; those without one are under their model's root. */
  readonly #byBlock = new Map<string, Set<string>>();

  add(prefix: IndexedPrefix): void {
    this.remove(prefix.key);
    this.#prefixes.set(prefix.key, prefix);
    for (const hash of placesOf(prefix)) {
      const keys = this.#byBlock.get(hash);
      if (keys === undefined) this.#byBlock.set(hash, new Set([prefix.key]));
      else keys.add(prefix.key);
    }
  }

  remove(key: string): void {
    const prefix = this.#prefixes.get(key);
    if (prefix === undefined) return;
    this.#prefixes.delete(key);
    for (const hash of placesOf(prefix)) {
      const keys = this.#byBlock.get(hash);
      keys?.delete(key);
      if (keys?.size === 0) this.#byBlock.delete(hash);
    }
  }

  /** All that share the most leading tokens; none where nothing is shared. */
  find(model: string, tokens: readonly number[]): readonly PrefixMatch[] {
    const { blocks } = hashPrefix(model, tokens);
    for (let count = blocks.length; count >= 0; count--) {
      const hash = count === 0 ? rootHash(model) : (blocks[count - 1] ?? '');
      const matches = [...(this.#byBlock.get(hash) ?? [])].map((key) => ({
        key,
        shared: this.#shared(key, hash, count, tokens),
      }));
      const longest = Math.max(0, ...matches.map(({ shared }) => shared));
      if (longest > 0) return matches.filter(({ shared }) => shared === longest);
    }
    return [];
  }

  /** What is shared by one whose first `count` blocks are the same: its tail as well, where that is all it has. */
  #shared(key: string, hash: string, count: number, tokens: readonly number[]): number {
    const prefix = this.#prefixes.get(key);
    const start = count * blockTokens;
    if (prefix?.blocks.length !== count || prefix.tokens > tokens.length) return start;
    return extendHash(hash, tokens, start, prefix.tokens) === prefix.whole ? prefix.tokens : start;
  }
}

function placesOf({ blocks, model }: IndexedPrefix): readonly string[] {
  return blocks.length === 0 ? [rootHash(model)] : blocks;
}
