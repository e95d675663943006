/** A set of words, written as one text with blanks between them. */
export function wordSet(words: string): Set<string> {
  const set = new Set<string>();
  const all = words.split(' ');
  for (let i = 0; i < all.length; i++) set.add(all[i]);
  return set;
}
