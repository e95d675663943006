/**
 * How many columns a terminal needs for a text, and how to fit a text into some. For text that was escaped before:
 * control and format characters are not expected here.
 */

const zero = /[\p{Mn}\p{Me}]/u;
const wide =
  /[\u3000-\u303e\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}]|(?![\uff61-\uffdc])[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Yi}]/u;

const widthOf = (character: string): number => (zero.test(character) ? 0 : wide.test(character) ? 2 : 1);

export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += widthOf(character);
  return width;
}

/** The text in exactly `columns` columns: padded, or cut with an ellipsis. */
export function fit(text: string, columns: number, align: 'left' | 'right' = 'left'): string {
  const shown = truncate(text, columns);
  const padding = ' '.repeat(Math.max(0, columns - displayWidth(shown)));
  return align === 'left' ? shown + padding : padding + shown;
}

export function truncate(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text;
  let shown = '';
  let width = 0;
  for (const character of text) {
    width += widthOf(character);
    if (width > columns - 1) break;
    shown += character;
  }
  return columns > 0 ? `${shown}…` : '';
}

/** The text in lines of at most `columns` columns, broken after a blank where there is one; nothing is left out. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const character of text) {
    if (line !== '' && displayWidth(line + character) > columns) {
      const word = line.slice(line.lastIndexOf(' ') + 1);
      const kept = word.length < line.length ? line.slice(0, line.length - word.length) : line;
      lines.push(kept);
      line = line.slice(kept.length);
    }
    line += character;
  }
  return [...lines, line];
}
