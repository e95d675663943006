/** An agent's context as the task manager page shows it: everything an agent or a file could have chosen escaped. Pure. */

import { escapeForDisplay, escapeLines } from '../shared/escape.js';
import type { AgentRow, ContextMap } from '../shared/protocol.js';
import type { BlockText, ContextView } from '../shared/taskManagerMessages.js';

const maxLines = 20;
const maxLength = 2_000;

export function contextViewOf(map: ContextMap, { state }: Pick<AgentRow, 'state'>): ContextView {
  const isLive = state !== 'exited';
  const blocks = map.blocks.map((block) => ({ ...block, label: escapeForDisplay(block.label) }));
  return {
    map: { ...map, attention: escapeForDisplay(map.attention), blocks },
    note: noteOf(isLive, blocks.length === 0),
    isLive,
  };
}

/** Of an agent whose context nobody knows any more. */
export function lostContext(note: string): ContextView {
  return { map: null, note: escapeForDisplay(note), isLive: false };
}

/** The beginning of a block's text. */
export function excerptOf(text: string): BlockText {
  const lines = text.replaceAll('\r\n', '\n').trimEnd().split('\n');
  const shown = lines.slice(0, maxLines).join('\n');
  const isCut = lines.length > maxLines || shown.length > maxLength;
  return { text: escapeLines(shown.slice(0, maxLength)), isCut };
}

function noteOf(isLive: boolean, isEmpty: boolean): string {
  if (isLive) return isEmpty ? 'Nothing is in its window yet.' : '';
  return isEmpty
    ? 'It has ended, and nothing was in its window.'
    : 'It has ended; this is what its window held last.';
}
