/**
 * How near two texts are, from 0 to 1: by their vectors where both have one, else by their words. Pure.
 */

export interface Located {
  readonly text: string;
  readonly vector: Float32Array | undefined;
}

/** How near a text is to each of what is looked for. */
export function similarities(wanted: readonly Sought[], text: Located): number[] {
  let words: Set<string> | undefined;
  return wanted.map(
    (each) => cosineOf(each.vector, text.vector) ?? sharedWords(each.words, (words ??= wordsOf(text.text))),
  );
}

/** What is looked for, again and again. */
export interface Sought extends Located {
  readonly words: ReadonlySet<string>;
}

export const soughtOf = (text: string, vector: Float32Array | undefined): Sought => ({
  ...{ text, vector, words: wordsOf(text) },
});

/** Vectors of length 1. Undefined where one is missing or they are of two models. */
export function cosineOf(a: Float32Array | undefined, b: Float32Array | undefined): number | undefined {
  if (a === undefined || b?.length !== a.length) return undefined;
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return Math.min(1, Math.max(0, sum));
}

/** The part of what is looked for that a text has. */
export function sharedWords(wanted: ReadonlySet<string>, words: ReadonlySet<string>): number {
  if (wanted.size === 0) return 0;
  let shared = 0;
  for (const word of wanted) if (words.has(word)) shared++;
  return shared / wanted.size;
}

const stopWords = new Set(
  'a an and are as at be by do does for from has have how i in is it its my of on or that the this to was what where which who will with you your'.split(
    ' ',
  ),
);

/** Names are words too, as a whole. */
export const wordsOf = (text: string): Set<string> =>
  new Set((text.toLowerCase().match(/[\p{L}\p{N}_$]+/gu) ?? []).filter((word) => !stopWords.has(word)));
