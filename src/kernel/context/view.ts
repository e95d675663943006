/**
 * What the model is shown of a conversation: every message whose blocks are resident as it was said, a line where
 * blocks are paged out, and what came back beside the message that it came back for. An exchange of which nothing is
 * left leaves the conversation as a whole, so that lines about it do not fill the window; roles alternate as before.
 * Pure: the same table gives the same view, in this process and the next.
 */

import type { ChatMessage } from '../../hal/driver.js';
import type { Block, BlockId } from './block.js';
import type { BlockTable, Exchange } from './blockTable.js';
import { recalledLine, staleLine, stubOf } from './stub.js';

/** A block's text beside a message that it was not said in. */
export interface Reentry {
  readonly block: BlockId;
  /** Index of the message. */
  readonly message: number;
  /** What it was when it came back, which it is told to be from then on. */
  readonly isStale: boolean;
}

/** A line of the kernel's own. */
export interface Note {
  readonly message: number;
  readonly text: string;
}

export interface Additions {
  readonly reentries: readonly Reentry[];
  readonly notes: readonly Note[];
}

export function viewOf(table: BlockTable, additions: Additions): ChatMessage[] {
  const gone = goneExchanges(table, additions);
  const view: ChatMessage[] = [];
  for (let index = 0; index < table.messages.length;) {
    const exchange = gone.get(index);
    if (exchange === undefined) {
      view.push(shownMessage(table, index, additions));
      index++;
      continue;
    }
    let end = exchange.end;
    for (let next = gone.get(end); next !== undefined; next = gone.get(end)) end = next.end;
    const last = view.at(-1);
    const blocks = table.ofExchange({ first: index, end });
    if (last !== undefined && blocks.length > 0) {
      view[view.length - 1] = { ...last, content: `${last.content}\n${stubIn(table, blocks)}` };
    }
    index = end;
  }
  return view;
}

/** By their first message. The last exchange stays: it is what the model goes on from. */
function goneExchanges(table: BlockTable, { reentries }: Additions): Map<number, Exchange> {
  const held = new Set(reentries.map(({ message }) => message));
  const isGone = (exchange: Exchange): boolean => {
    if (table.ofExchange(exchange).some(({ place }) => place === 'resident')) return false;
    for (let index = exchange.first; index < exchange.end; index++) if (held.has(index)) return false;
    return true;
  };
  const gone = table
    .exchanges()
    .slice(0, -1)
    .filter((exchange) => isGone(exchange));
  return new Map(gone.map((exchange) => [exchange.first, exchange]));
}

function shownMessage(table: BlockTable, index: number, additions: Additions): ChatMessage {
  const message = table.messages[index] ?? { role: 'user', content: '' };
  const blocks = table.ofMessage(index);
  const said = shownText(
    table,
    blocks.filter(({ field }) => field === 'content'),
  );
  const content = withAdditions(message, said, table, index, additions);
  if (message.role !== 'assistant' || message.toolCall === undefined) return { ...message, content };
  const call = blocks.filter(({ field }) => field === 'call');
  return { ...message, content, toolCall: shownCall(table, message.toolCall, call) };
}

function shownText(table: BlockTable, blocks: readonly Block[]): string {
  const parts: string[] = [];
  for (let index = 0; index < blocks.length; index++) {
    const block = blocks[index];
    if (block === undefined) break;
    if (block.place === 'resident') {
      parts.push(table.text(block));
      continue;
    }
    const start = index;
    while (blocks[index + 1] !== undefined && blocks[index + 1]?.place !== 'resident') index++;
    const run = blocks.slice(start, index + 1);
    const last = run.at(-1);
    const isLineEnd = last !== undefined && index + 1 < blocks.length && table.text(last).endsWith('\n');
    parts.push(`${stubIn(table, run)}${isLineEnd ? '\n' : ''}`);
  }
  return parts.join('');
}

const stubIn = (table: BlockTable, blocks: readonly Block[]): string =>
  stubOf(blocks, table.tokensOf(blocks));

type Call = NonNullable<Extract<ChatMessage, { role: 'assistant' }>['toolCall']>;

/** A value of a call that is shorter than what would stand for it stays. */
const longValue = 120;

/** A call leaves as a whole, and stays a call of its tool. */
function shownCall(table: BlockTable, call: Call, blocks: readonly Block[]): Call {
  if (blocks.every(({ place }) => place === 'resident')) return call;
  const stub = stubIn(table, blocks);
  const values = Object.entries(call.arguments).map(
    ([name, value]) => [name, value.length > longValue ? stub : value] as const,
  );
  return { ...call, arguments: Object.fromEntries(values) };
}

/** What is asked stands last in what a person says, and what a tool returned first in what it said. */
function withAdditions(
  { role }: ChatMessage,
  said: string,
  table: BlockTable,
  index: number,
  { reentries, notes }: Additions,
): string {
  const back = reentries.filter(({ message }) => message === index).map((each) => shownReentry(table, each));
  const told = notes.filter(({ message }) => message === index).map(({ text }) => text);
  const parts = role === 'tool' ? [said, ...back, ...told] : [...back, ...told, said];
  return parts.length === 1 ? said : parts.map((part) => part.replace(/\n$/, '')).join('\n');
}

function shownReentry(table: BlockTable, { block: id, isStale }: Reentry): string {
  const block = table.get(id);
  if (block === undefined) return '';
  return [recalledLine(block), ...(isStale ? [staleLine(block)] : []), table.text(block)].join('\n');
}
