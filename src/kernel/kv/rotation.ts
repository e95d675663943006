/**
 * How many neighbouring elements of a key or value are rotated together before they are quantised. A Hadamard rotation
 * spreads outliers over a block, which is what makes four bits enough. The sizes are the engine's own for a quantised
 * cache; there, a head that they do not fit is not rotated, nor is it here.
 */

const smallestBlock = 64;

/** The largest 64·2ⁿ that divides a key's length; 0 for no rotation. */
export function keyRotation(headDim: number): number {
  let block = valueRotation(headDim);
  while (block > 0 && headDim % (block * 2) === 0) block *= 2;
  return block;
}

/** Small blocks are better for values; 0 for no rotation. */
export function valueRotation(headDim: number): number {
  return headDim > 0 && headDim % smallestBlock === 0 ? smallestBlock : 0;
}
