/**
 * Makes text of unknown origin safe to show in a prompt, a notification or a terminal. What a person reads must be
 * what is there: no character may move the cursor, change the direction of the text, hide itself or break the line.
 * Such characters appear as `\u{…}`; everything that has a visible shape of its own stays as it is.
 */

/**
 * - `\p{C}` control (escape sequences, line feeds), format (bidirectional overrides, zero-width characters, tags),
 *   private use, unassigned and lone surrogate characters: no shape, or none that fonts agree on
 * - `\p{Default_Ignorable_Code_Point}` letters, fillers and selectors that are drawn as nothing; the empty Braille
 *   pattern as well
 * - `\p{Z}` every blank but the plain one, since a wide or thin one passes for several or for none
 */
const deceptive = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/gu;

const toCodePoint = (character: string): string =>
  `\\u{${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}}`;

/** The text in one line, with everything that could deceive the eye spelled out. */
export function escapeForDisplay(text: string): string {
  return text.replace(deceptive, toCodePoint);
}

/** As {@link escapeForDisplay}, for text of several lines: line feeds and tabs stay. */
export function escapeLines(text: string): string {
  return text.replace(deceptive, (character) =>
    character === '\n' || character === '\t' ? character : toCodePoint(character),
  );
}
