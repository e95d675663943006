/**
 * The words of a text, as searches compare them: in lower case, an identifier whole and in its parts, so that
 * `readLines` is found by "lines", and without the words that questions are made of. Pure but for what it remembers.
 */

/** More of one text is not read for its words: blocks are far shorter, and a search must not wait for the others. */
const maxReadCharacters = 32_768;

const questionWords = new Set(
  (
    'a about all and any anything are can code did do does find for function has have here how i in is it know ' +
    'located look me need of part say show something tell that the there this to us used was we what where which who ' +
    'with work you'
  ).split(' '),
);

const wholeWord = /[\p{L}\p{N}_$]+/gu;
const partOfWord = /\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+/gu;
/** The same for what is ASCII alone, as most code is, in a tenth of the time. */
const beyondAscii = /[^\0-\x7f]/;
const asciiWord = /[A-Za-z0-9_$]+/g;

export function wordsOf(text: string): string[] {
  const words: string[] = [];
  const read = text.slice(0, maxReadCharacters);
  for (const whole of read.match(beyondAscii.test(read) ? wholeWord : asciiWord) ?? []) {
    for (const word of wordsIn(whole)) words.push(word);
  }
  return words;
}

/** What identifiers are made of, since the same ones come again and again. */
const known = new Map<string, readonly string[]>();
const maxKnown = 30_000;
const maxKnownCharacters = 48;

function wordsIn(whole: string): readonly string[] {
  const found = known.get(whole);
  if (found !== undefined) return found;
  const parts = whole.match(partOfWord) ?? [];
  const words = (parts.length > 1 ? [whole, ...parts] : [whole])
    .map((word) => word.toLowerCase())
    .filter((word) => !questionWords.has(word));
  if (whole.length > maxKnownCharacters) return words;
  if (known.size >= maxKnown) known.clear();
  known.set(whole, words);
  return words;
}
