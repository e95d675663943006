/**
 * The ways to put a conversation with tools to a chat template. A template that knows tools gets them in the form of
 * the OpenAI API. For every other one they are written into the text in the Hermes form, and for one that refuses a
 * system turn that text moves into the first user turn. Pure.
 */

import type { ChatMessage, ToolCall, ToolCallMarkers, ToolSignature } from '../driver.js';

/** A message as chat templates know it. */
export interface TemplateMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly name?: string;
  readonly tool_calls?: readonly { readonly type: 'function'; readonly function: ToolCall<unknown> }[];
}

export interface TemplateInput {
  readonly messages: readonly TemplateMessage[];
  readonly tools: readonly object[] | null;
}

export type Dialect = (
  messages: readonly ChatMessage<unknown>[],
  tools: readonly ToolSignature[],
) => TemplateInput;

export const hermesMarkers: ToolCallMarkers = { open: '<tool_call>', close: '</tool_call>' };

/** For templates that render tools, calls and results themselves. */
export const nativeTools: Dialect = (messages, tools) => ({
  messages: messages.map((message) => nativeMessage(message)),
  tools: tools.length === 0 ? null : tools.map((tool) => functionOf(tool)),
});

/** Tools, calls and results as text. */
export const writtenTools: Dialect = (messages, tools) => {
  const system = systemText(messages, tools);
  const turns = mergeTurns(
    messages.filter(({ role }) => role !== 'system').map((message) => asTurn(message)),
  );
  return { messages: system === '' ? turns : [{ role: 'system', content: system }, ...turns], tools: null };
};

/** As {@link writtenTools}, for templates without a system turn. */
export const writtenToolsWithoutSystem: Dialect = (messages, tools) => {
  const system = systemText(messages, tools);
  const turns = messages.filter(({ role }) => role !== 'system').map((message) => asTurn(message));
  const opening: TemplateMessage[] = system === '' ? [] : [{ role: 'user', content: system }];
  return { messages: mergeTurns([...opening, ...turns]), tools: null };
};

function nativeMessage(message: ChatMessage<unknown>): TemplateMessage {
  if (message.role !== 'assistant' || message.toolCall === undefined) return message;
  const { role, content, toolCall } = message;
  return { role, content, tool_calls: [{ type: 'function', function: toolCall }] };
}

function functionOf({ name, description, parameters, schema }: ToolSignature): object {
  if (schema !== undefined) return { type: 'function', function: { name, description, parameters: schema } };
  const properties = Object.fromEntries(
    Object.entries(parameters).map(([key, parameter]) => [
      key,
      { type: 'string', description: parameter.description },
    ]),
  );
  const required = Object.keys(parameters);
  return {
    type: 'function',
    function: { name, description, parameters: { type: 'object', properties, required } },
  };
}

function systemText(messages: readonly ChatMessage<unknown>[], tools: readonly ToolSignature[]): string {
  const written = messages.filter(({ role }) => role === 'system').map(({ content }) => content);
  return [...written, ...(tools.length === 0 ? [] : [instructionsFor(tools)])].join('\n\n');
}

function instructionsFor(tools: readonly ToolSignature[]): string {
  return [
    '# Tools',
    '',
    'You may call functions to assist with the user query. These are their signatures:',
    '<tools>',
    ...tools.map((tool) => spacedJson(functionOf(tool))),
    '</tools>',
    '',
    'To call one, return a JSON object with its name and arguments within <tool_call></tool_call> tags:',
    hermesMarkers.open,
    '{"name": <function-name>, "arguments": <arguments-object>}',
    hermesMarkers.close,
    'The result comes within <tool_response></tool_response> tags.',
  ].join('\n');
}

function asTurn(message: ChatMessage<unknown>): TemplateMessage {
  if (message.role === 'tool')
    return { role: 'user', content: `<tool_response>\n${message.content}\n</tool_response>` };
  if (message.role !== 'assistant' || message.toolCall === undefined) return message;
  const call = `${hermesMarkers.open}\n${spacedJson(message.toolCall)}\n${hermesMarkers.close}`;
  return { role: 'assistant', content: message.content === '' ? call : `${message.content}\n${call}` };
}

/** Many templates insist that user and assistant take turns. */
function mergeTurns(turns: readonly TemplateMessage[]): TemplateMessage[] {
  const merged: TemplateMessage[] = [];
  for (const turn of turns) {
    const last = merged.at(-1);
    if (last?.role === turn.role)
      merged[merged.length - 1] = { role: last.role, content: `${last.content}\n\n${turn.content}` };
    else merged.push(turn);
  }
  return merged;
}

/** JSON in one line, spaced as `json.dumps` does: what models have seen most. */
function spacedJson(value: object): string {
  return JSON.stringify(value, undefined, 1).replaceAll(/,\n */g, ', ').replaceAll(/\n */g, '');
}
