/**
 * From attention a token to attention a block: what a block received in one reading, and what it received over several,
 * where older readings count less. Pure. A block without tokens in the state received nothing.
 */

/** A block's tokens in the state, as a half-open range of indices. */
export interface TokenRange {
  readonly start: number;
  readonly end: number;
}

/** The part of all attention that went to each block: at most 1, and 1 in all where blocks cover every token. */
export function blockAttention(received: Float32Array, blocks: readonly TokenRange[]): number[] {
  return blocks.map(({ start, end }) => {
    let sum = 0;
    for (let token = Math.max(0, start); token < Math.min(end, received.length); token++) {
      sum += received[token] ?? 0;
    }
    return sum;
  });
}

export interface Attended {
  readonly range: TokenRange;
  /** It is there in any case: what it received is nothing that the others could have. */
  readonly isAlways: boolean;
}

/**
 * What a token of each block received, against an even share of what all of them together did; undefined for a block
 * without tokens that count.
 * @param end of the tokens that count: those whose attention was read attend to themselves
 */
export function densities(
  received: Float32Array,
  blocks: readonly Attended[],
  end: number,
): (number | undefined)[] {
  const sums = blockAttention(
    received,
    blocks.map(({ range }) => ({ start: range.start, end: Math.min(range.end, end) })),
  );
  const lengths = blocks.map(({ range }) => Math.max(0, Math.min(range.end, end) - Math.max(0, range.start)));
  const inAll = (values: readonly number[]): number =>
    values.reduce((sum, value, index) => sum + (blocks[index]?.isAlways === true ? 0 : value), 0);
  const evenShare = inAll(sums) / inAll(lengths);
  return sums.map((sum, index) => {
    const length = lengths[index] ?? 0;
    return length > 0 && evenShare > 0 ? sum / length / evenShare : undefined;
  });
}

/**
 * The average over readings of which each counts `keep` times as much as the one after it.
 * @param before that average up to now; undefined where this is the first reading
 * @param keep between 0 (only the last reading counts) and 1 (nothing changes any more)
 */
export const decayedAttention = (before: number | undefined, now: number, keep: number): number =>
  before === undefined ? now : keep * before + (1 - keep) * now;
