/** Conversations that the embedded model has never seen, as its training keeps them, in the form that agents have. */

import { readFile } from 'node:fs/promises';
import type { ChatMessage, InferenceDriver, Token, ToolSignature } from '../src/hal/driver.js';

export interface Conversation {
  readonly tokens: readonly Token[];
  /** For each token whether the model has to say it. */
  readonly isAnswer: readonly boolean[];
}

interface HeldOut {
  readonly system: string;
  readonly tasks: readonly {
    readonly request: string;
    readonly calls: readonly {
      readonly tool: string;
      readonly arguments: Readonly<Record<string, string>>;
      readonly result: string;
    }[];
    readonly answer: string;
  }[];
}

const file = new URL('../../models/training/heldout.json', import.meta.url);

/** The kernel's tools as short as a model can be told of them. */
export const bareTools: readonly ToolSignature[] = Object.entries({
  read_file: ['path'],
  list_dir: ['path'],
  search: ['query'],
  edit_file: ['path', 'find', 'replace'],
  run: ['command'],
}).map(([name, keys]) => ({
  name,
  description: '',
  parameters: Object.fromEntries(keys.map((key) => [key, { description: '' }])),
}));

/** The first ones of at least this length, each the tasks of several put one after the other. */
export async function heldOutConversations(
  driver: InferenceDriver,
  leastTokens: number,
  count: number,
): Promise<Conversation[]> {
  const all = JSON.parse(await readFile(file, 'utf8')) as readonly HeldOut[];
  const conversations: Conversation[] = [];
  let messages: ChatMessage[] = [];
  for (const { system, tasks } of all) {
    if (conversations.length === count) break;
    if (messages.length === 0) messages.push({ role: 'system', content: system });
    messages.push(...tasks.flatMap(messagesOf));
    if (driver.tokenize(driver.render(messages, bareTools)).length < leastTokens) continue;
    conversations.push(tokenised(driver, messages));
    messages = [];
  }
  return conversations;
}

function messagesOf({ request, calls, answer }: HeldOut['tasks'][number]): ChatMessage[] {
  return [
    { role: 'user', content: request },
    ...calls.flatMap(({ tool, arguments: values, result }): ChatMessage[] => [
      { role: 'assistant', content: '', toolCall: { name: tool, arguments: values } },
      { role: 'tool', name: tool, content: result },
    ]),
    { role: 'assistant', content: answer },
  ];
}

/** Rendered up to each of the model's messages: what it then says ends with the first token that ends a turn. */
function tokenised(driver: InferenceDriver, messages: readonly ChatMessage[]): Conversation {
  const tokens: Token[] = [];
  const isAnswer: boolean[] = [];
  let text = '';
  for (const [index, { role }] of messages.entries()) {
    if (role !== 'assistant') continue;
    const prompt = driver.render(messages.slice(0, index), bareTools);
    const piece = driver.tokenize(prompt.slice(text.length));
    const answerEnd = text === '' ? -1 : piece.findIndex((token) => driver.isEndOfTurn(token));
    tokens.push(...piece);
    isAnswer.push(...piece.map((_, at) => at <= answerEnd));
    text = prompt;
  }
  return { tokens, isAnswer };
}
