/**
 * The last lines that a process wrote, for the message that says how it died. Bounded; drops the oldest.
 */

const maxLines = 40;
const maxLineLength = 500;

export interface OutputTail {
  /** Takes the next piece; `onLine` hears of every line that it completes. */
  add(piece: string): void;
  /** The line that says most about a crash, or an empty string. */
  tellingLine(): string;
}

export function outputTail(onLine: (line: string) => void): OutputTail {
  const lines: string[] = [];
  let unfinished = '';

  const keep = (line: string): void => {
    if (line.trim() === '') return;
    lines.push(line.slice(0, maxLineLength));
    if (lines.length > maxLines) lines.shift();
    onLine(line);
  };

  return {
    add(piece) {
      const parts = (unfinished + piece).split(/\r?\n/);
      unfinished = parts.pop() ?? '';
      parts.forEach(keep);
      if (unfinished.length > maxLineLength) {
        keep(unfinished);
        unfinished = '';
      }
    },
    tellingLine: () => tellingLine([...lines, unfinished]),
  };
}

/**
 * An uncaught error ends with its stack and Node's version, so the last line says nothing. The last line that
 * names an error does; without one, the last that is neither stack nor version.
 */
export function tellingLine(lines: readonly string[]): string {
  const said = lines.filter(
    (line) => line.trim() !== '' && !/^(\s+at |\s*[{}^~]+\s*$|Node\.js v)/.test(line),
  );
  return (said.findLast((line) => /\b\w*error\b|fatal|abort|assert/i.test(line)) ?? said.at(-1) ?? '').trim();
}
