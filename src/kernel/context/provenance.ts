/**
 * Where a message's blocks come from: the tool that returned them, and of a file that was read the path and the lines,
 * as the call and the numbered lines of the result tell. Whether such lines are still in the file is decided by the
 * lines themselves. Pure; whatever a tool or a model wrote, it never throws.
 */

import type { ChatMessage } from '../../hal/driver.js';
import type { BlockSource } from './store/blockStore.js';

/** What all blocks of a message have in common. @param task index of the agent's own task */
export function sourceOf(messages: readonly ChatMessage[], index: number, task: number): BlockSource {
  const message = messages[index];
  if (message?.role === 'system') return { kind: 'system' };
  if (message?.role !== 'tool') return { kind: index === task ? 'task' : 'message' };
  const call = callBefore(messages, index);
  const path = call?.name === 'read_file' ? withoutLines(call.arguments['path']) : undefined;
  return path === undefined || !/^\d+: /.test(message.content)
    ? { kind: 'toolResult', tool: message.name }
    : { kind: 'file', tool: message.name, path };
}

/** What one of them adds: the lines of the file that it shows. */
export function withLines(source: BlockSource, text: string): BlockSource {
  if (source.kind !== 'file') return source;
  const numbers = [...numberedLines(text).keys()];
  const [first, last] = [numbers[0], numbers.at(-1)];
  return first === undefined || last === undefined ? source : { ...source, lines: [first, last] };
}

/** Whether a file, as it is now, still has the lines that a block shows. @param now undefined where it is gone */
export function isOutdated(text: string, now: string | undefined): boolean {
  if (now === undefined) return true;
  const lines = now.replace(/^\uFEFF/, '').split(/\r?\n/);
  for (const [number, shown] of numberedLines(text)) {
    const line = lines[number - 1];
    const isCut = shown.endsWith('…');
    if (line === undefined) return true;
    if (isCut ? !line.startsWith(shown.slice(0, -1)) : line.trimEnd() !== shown.trimEnd()) return true;
  }
  return false;
}

/** Of a result whose lines are `N: text`. */
function numberedLines(text: string): Map<number, string> {
  const lines = new Map<number, string>();
  for (const [, number = '', line = ''] of text.matchAll(/^(\d+): (.*)$/gm)) lines.set(Number(number), line);
  return lines;
}

function callBefore(messages: readonly ChatMessage[], index: number) {
  const before = messages[index - 1];
  return before?.role === 'assistant' ? before.toolCall : undefined;
}

/** `src/app.ts:40-92` is some lines of `src/app.ts`. */
const withoutLines = (path: string | undefined): string | undefined => path?.replace(/:\d+(?:-\d+)?$/, '');
