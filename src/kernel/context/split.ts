/**
 * Cuts text into blocks at natural borders. A function of the text and one length alone, so that whoever cuts the same
 * conversation again, after a restart or in another agent, gets the same blocks. Joined, the pieces are the text, byte
 * for byte. Pure.
 */

export interface Piece {
  /** In UTF-16 units; `end` is not included. */
  readonly start: number;
  readonly end: number;
}

/**
 * Pieces of at most `length` characters: at blank lines where one is near the end, else at line ends, else, in a line
 * that is too long, between two code points.
 */
export function cut(text: string, length: number): Piece[] {
  const pieces: Piece[] = [];
  for (let start = 0; start < text.length;) {
    const end = text.length - start <= length ? text.length : endOf(text, start, start + length);
    pieces.push({ start, end });
    start = end;
  }
  return pieces;
}

/** How much of a piece may be left out for a better border. */
const paragraphShare = 0.5;
const lineShare = 0.75;

function endOf(text: string, start: number, limit: number): number {
  const length = limit - start;
  const paragraph = text.lastIndexOf('\n\n', limit - 2);
  if (paragraph + 2 - start > length * paragraphShare) return paragraph + 2;
  const line = text.lastIndexOf('\n', limit - 1);
  if (line + 1 - start > length * (1 - lineShare)) return line + 1;
  return splitsCodePoint(text, limit) && limit - 1 > start ? limit - 1 : limit;
}

function splitsCodePoint(text: string, at: number): boolean {
  const [before, after] = [text.charCodeAt(at - 1), text.charCodeAt(at)];
  return before >= 0xd800 && before < 0xdc00 && after >= 0xdc00 && after < 0xe000;
}
