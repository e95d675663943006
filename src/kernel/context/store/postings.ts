/**
 * An inverted index: for each word the texts that have it, ranked by BM25. Words match whole and nothing else: search
 * libraries also match beginnings, and in code that makes `get` match a tenth of all names. Texts have small
 * numbers, each larger than the one before.
 */

import { Best } from './best.js';
import { wordsOf } from './words.js';

/**
 * Of one word: for each text that has it, in the order of their numbers, the number and how often, in one whole number
 * of 32 bits. There may be 16 million texts; memory is full long before.
 */
type Posting = number[];

const countBits = 8;
/** More often counts as often as this: the difference is small. */
const maxCount = 2 ** countBits - 1;
const entryOf = (text: number): number => text * 2 ** countBits;
const textOf = (entry: number): number => entry >>> countBits;
const countIn = (entry: number): number => entry & maxCount;

/** How much a repeated word counts, and how much a long text is held against it (Robertson and Zaragoza, 2009). */
export const saturation = 1.2;
export const lengthWeight = 0.75;

export class Postings {
  readonly #postings = new Map<string, Posting>();
  /** Words of each text, by its number. */
  readonly #totals: number[] = [];
  #texts = 0;
  #words = 0;
  #scores = new Float64Array();
  #knownLengths: Float64Array | undefined;

  add(text: number, content: string): void {
    const words = wordsOf(content);
    const first = entryOf(text);
    for (const word of words) {
      const posting = this.#postings.get(word);
      if (posting === undefined) {
        this.#postings.set(word, [first + 1]);
        continue;
      }
      const last = posting.length - 1;
      const entry = posting[last] ?? 0;
      if (entry < first) posting.push(first + 1);
      else if (countIn(entry) < maxCount) posting[last] = entry + 1;
    }
    this.#count(text, words.length, 1);
  }

  /** @param content what was added under that number */
  remove(text: number, content: string): void {
    const words = wordsOf(content);
    for (const word of new Set(words)) {
      const posting = this.#postings.get(word) ?? [];
      const at = placeOf(text, posting);
      const entry = posting[at];
      if (entry === undefined || textOf(entry) !== text) continue;
      posting.splice(at, 1);
      if (posting.length === 0) this.#postings.delete(word);
    }
    this.#count(text, -words.length, -1);
  }

  /** Best first. */
  find(query: string, limit: number): [text: number, score: number][] {
    const scores = this.#noScores();
    const lengths = this.#lengths();
    for (const word of new Set(wordsOf(query))) {
      const posting = this.#postings.get(word);
      if (posting !== undefined) this.#score(posting, lengths, scores);
    }
    const best = new Best(limit);
    for (let text = 0; text < scores.length; text++) {
      const score = scores[text] ?? 0;
      if (score > best.least) best.add(text, score);
    }
    return best.sorted();
  }

  /** How many words a text has. */
  totalOf(text: number): number {
    return this.#totals[text] ?? 0;
  }

  /** How often a text has a word. */
  countOf(word: string, text: number): number {
    const posting = this.#postings.get(word) ?? [];
    const entry = posting[placeOf(text, posting)];
    return entry !== undefined && textOf(entry) === text ? countIn(entry) : 0;
  }

  /** 0 for each text. A search makes no garbage of this size. */
  #noScores(): Float64Array {
    const size = this.#totals.length;
    if (this.#scores.length < size) this.#scores = new Float64Array(2 * size);
    return this.#scores.subarray(0, size).fill(0);
  }

  /** What each text's length is held against it. */
  #lengths(): Float64Array {
    if (this.#knownLengths !== undefined) return this.#knownLengths;
    const usualTotal = this.#words / Math.max(1, this.#texts);
    this.#knownLengths = Float64Array.from(
      this.#totals,
      (total) => saturation * (1 - lengthWeight + (lengthWeight * total) / usualTotal),
    );
    return this.#knownLengths;
  }

  #score(posting: Posting, lengths: Float64Array, scores: Float64Array): void {
    const rarity = Math.log(1 + (this.#texts - posting.length + 0.5) / (posting.length + 0.5));
    const most = rarity * (saturation + 1);
    for (const entry of posting) {
      const [text, count] = [textOf(entry), countIn(entry)];
      scores[text] = (scores[text] ?? 0) + (most * count) / (count + (lengths[text] ?? 0));
    }
  }

  #count(text: number, words: number, texts: number): void {
    this.#knownLengths = undefined;
    while (this.#totals.length <= text) this.#totals.push(0);
    this.#totals[text] = (this.#totals[text] ?? 0) + words;
    this.#words += words;
    this.#texts += texts;
  }
}

/** Where a text's entry is, or would be. */
function placeOf(text: number, posting: Posting): number {
  let [from, to] = [0, posting.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (textOf(posting[middle] ?? 0) < text) from = middle + 1;
    else to = middle;
  }
  return from;
}
