/**
 * Conversations of any length and questions about them, whose answers are known: nested key-value pairs (MemGPT, Packer
 * et al., 2023, §3.2.2: at level n the value is a key itself, n times), and one fact among others. Written as those that
 * the embedded model was trained on. The same seed gives the same conversations everywhere.
 */

export interface Question {
  readonly text: string;
  /** Whoever's answer ends with it, or names it where it is one of several words, is right. */
  readonly value: string;
  /** Values that were keys. */
  readonly level: number;
}

export interface Material {
  /** What is said, one after the other. */
  readonly notes: readonly string[];
  readonly questions: readonly Question[];
}

export interface MaterialSize {
  readonly seed: number;
  /** Of all notes together, at least. */
  readonly tokens: number;
  /** Of each level, or in all. */
  readonly questions: number;
  readonly countTokens: (text: string) => number;
}

export const levels = [0, 1, 2, 3, 4] as const;
const pairsPerNote = 6;
/** What the template and the answer add to a note. */
const frameTokens = 16;

type Random = () => number;

/** Numerical Recipes' linear congruential generator. */
function randomNumbers(seed: number): Random {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const below = (most: number, random: Random): number => Math.floor(random() * most);

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** Five digits, each number once. */
function numbers(random: Random): () => string {
  const used = new Set<string>();
  return () => {
    for (;;) {
      const number = String(10_000 + below(90_000, random));
      if (used.has(number)) continue;
      used.add(number);
      return number;
    }
  };
}

/** Chains of keys and values, at least so many pairs of them. */
function drawChains(first: string[][], pairs: number, number: () => string, random: Random): string[][] {
  const chains = [...first];
  for (let count = pairsOf(first).length; count < pairs;) {
    const chain = Array.from({ length: 2 + below(4, random) }, number);
    chains.push(chain);
    count += chain.length - 1;
  }
  return chains;
}

const pairsOf = (chains: readonly (readonly string[])[]): string[] =>
  chains.flatMap((chain) => chain.slice(1).map((value, index) => `${chain[index] ?? ''}: ${value}`));

function notesOf(pairs: readonly string[]): string[] {
  const notes: string[] = [];
  for (let at = 0; at < pairs.length; at += pairsPerNote) {
    notes.push(['Key-value pairs:', ...pairs.slice(at, at + pairsPerNote)].join('\n'));
  }
  return notes;
}

/** Pairs of numbers in random order, the chains that are asked for among others. */
export function nestedPairs({ seed, tokens, questions: each, countTokens }: MaterialSize): Material {
  const random = randomNumbers(seed);
  const number = numbers(random);
  const asked = levels.flatMap((level) =>
    Array.from({ length: each }, () => Array.from({ length: level + 2 }, number)),
  );
  const pairTokens = countTokens('12345: 67890\n') + frameTokens / pairsPerNote;
  const pairs = pairsOf(drawChains(asked, tokens / pairTokens, number, random));
  const questions = asked.map((chain) => ({
    text: `Follow ${chain[0] ?? ''} to its last value.`,
    value: chain.at(-1) ?? '',
    level: chain.length - 2,
  }));
  return { notes: notesOf(shuffled(pairs, random)), questions };
}

const attributes = 'port name limit owner version colour size timeout address token folder price'.split(' ');
const things = 'parser ledger tokenizer gateway scheduler journal report printer archive mirror'.split(' ');

/** Facts told in passing, at equal distances among pairs that nobody asks for. */
export function toldFacts({ seed, tokens, questions: count, countTokens }: MaterialSize): Material {
  const random = randomNumbers(seed);
  const number = numbers(random);
  const subjects = shuffled(
    attributes.flatMap((attribute) => things.map((thing) => `${attribute} of ${thing}`)),
    random,
  );
  const facts = subjects.slice(0, count).map((subject) => ({ subject, value: number() }));
  const told = facts.map(({ subject, value }) => `Remember this: The ${subject} is ${value}.`);
  const noteTokens = pairsPerNote * countTokens('12345: 67890\n') + frameTokens;
  const fillers = Math.max(0, tokens - count * (frameTokens + 16)) / noteTokens;
  const notes = notesOf(pairsOf(drawChains([], fillers * pairsPerNote, number, random)));
  const each = Math.max(1, Math.ceil(notes.length / count));
  const spread = told.flatMap((fact, index) => [fact, ...notes.slice(index * each, (index + 1) * each)]);
  const questions = facts.map(({ subject, value }) => ({ text: `What is the ${subject}?`, value, level: 0 }));
  return { notes: spread, questions };
}

/** The last number that an answer names. */
export const isRight = (answer: string, { value }: Question): boolean =>
  answer.match(/\d+/g)?.at(-1) === value;
