/**
 * Keeps what somebody wrote apart from what the template means. A file or a tool's output may spell a control token,
 * such as the one that ends a turn; read as that token it could speak in another role. Such text is marked when the
 * prompt is rendered, and tokenised as the plain characters it is.
 */

/** A code point that Unicode reserves for internal use; it ends where the text becomes tokens. */
const mark = '\uFDD0';

/** A function that marks every control token spelt in a text. */
export function createLiteralMarker(controlTexts: readonly string[]): (text: string) => string {
  const spelt = controlTexts.filter((text) => text.length > 1).map((text) => escapePattern(text));
  if (spelt.length === 0) return (text) => text;
  const pattern = new RegExp(spelt.join('|'), 'gu');
  return (text) =>
    text.replace(pattern, (token) => {
      const [first = '', ...rest] = token;
      return `${first}${mark}${rest.join('')}`;
    });
}

/** The pieces between which no token may reach. */
export function splitAtMarks(text: string): string[] {
  return text.split(mark).filter((piece) => piece !== '');
}

const escapePattern = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/gu, '\\$&');
