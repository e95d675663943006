/**
 * A request for a chat completion: its schema, and what it means in the kernel's own words. Content is text; what is
 * not (images, audio, files) is refused by its name.
 */

import { z } from 'zod';
import type { ChatMessage, JsonSchema, ToolSignature } from '../../../hal/driver.js';
import { badParameter } from './fault.js';
import { readParameters } from './parameters.js';

const textPart = z.strictObject({ type: z.literal('text', 'only text is supported'), text: z.string() });
const contentSchema = z.union([z.string(), z.array(textPart)], 'content is text, or a list of text parts');
const nameSchema = z
  .string()
  .regex(/^[\w.-]{1,128}$/, 'a name has letters, digits, dashes, dots and underscores');
const schemaSchema = z.record(z.string(), z.unknown());

const calledSchema = z.strictObject({
  id: z.string(),
  type: z.literal('function'),
  index: z.int().exactOptional(),
  function: z.strictObject({ name: nameSchema, arguments: z.string() }),
});

const messageSchema = z.discriminatedUnion('role', [
  z.strictObject({
    role: z.enum(['system', 'developer', 'user']),
    content: contentSchema,
    name: z.string().max(128).nullish(),
  }),
  z.strictObject({
    role: z.literal('assistant'),
    content: contentSchema.nullish(),
    name: z.string().max(128).nullish(),
    refusal: z.null('a refusal is not supported').exactOptional(),
    audio: z.null('audio is not supported').exactOptional(),
    function_call: z.null('use tool_calls').exactOptional(),
    annotations: z.array(z.never()).max(0).nullish(),
    tool_calls: z.array(calledSchema).nullish(),
  }),
  z.strictObject({
    role: z.literal('tool'),
    content: contentSchema,
    tool_call_id: z.string(),
    name: z.string().nullish(),
  }),
]);
type Message = z.infer<typeof messageSchema>;

const toolSchema = z.strictObject({
  type: z.literal('function', 'only functions are supported'),
  function: z.strictObject({
    name: nameSchema,
    description: z.string().nullish(),
    parameters: schemaSchema.nullish(),
    strict: z.boolean().nullish(),
  }),
});

const toolChoiceSchema = z.union([
  z.enum(['none', 'auto', 'required']),
  z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: nameSchema }) }),
]);

const formatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    json_schema: z.strictObject({
      name: nameSchema,
      description: z.string().nullish(),
      schema: schemaSchema,
      strict: z.boolean().nullish(),
    }),
  }),
]);

/** What every request for a completion may say. */
export const completionFields = {
  model: z.string(),
  max_tokens: z.int().min(1).exactOptional(),
  temperature: z.number().min(0).max(2).exactOptional(),
  top_p: z.number().gt(0).max(1).exactOptional(),
  seed: z.int().exactOptional(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(4)]).exactOptional(),
  stream: z.boolean().exactOptional(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.literal(false).nullish() })
    .exactOptional(),
};

const chatSchema = z.strictObject({
  ...completionFields,
  messages: z.array(messageSchema).min(1),
  max_completion_tokens: z.int().min(1).exactOptional(),
  tools: z.array(toolSchema).max(128).exactOptional(),
  tool_choice: toolChoiceSchema.exactOptional(),
  parallel_tool_calls: z.boolean().exactOptional(),
  response_format: formatSchema.exactOptional(),
});
type ChatBody = z.infer<typeof chatSchema>;

/** What the model is to do, whatever the form of the request. */
export interface Asked {
  readonly model: string;
  readonly maxTokens: number | undefined;
  readonly sampling: { readonly temperature: number; readonly topP?: number; readonly seed?: number };
  readonly stop: readonly string[];
  readonly isStreamed: boolean;
  readonly includesUsage: boolean;
}

/** How the answer is bound: a call of one of these tools where the model wants one, or in any case, or JSON. */
export type Binding =
  | { readonly kind: 'free' }
  | { readonly kind: 'tools'; readonly tools: readonly ToolSignature[]; readonly isForced: boolean }
  | { readonly kind: 'json'; readonly schema: JsonSchema; readonly isStrict: boolean };

export interface AskedChat extends Asked {
  readonly messages: readonly ChatMessage<unknown>[];
  /** That the model is told of. */
  readonly tools: readonly ToolSignature[];
  readonly binding: Binding;
}

/** @throws Fault 400 that names what is wrong */
export function readChat(value: unknown): AskedChat {
  const body = readParameters(chatSchema, value);
  const tools = (body.tools ?? []).map(({ function: each }) => signatureOf(each));
  return { ...askedOf(body), messages: messagesOf(body.messages), tools, binding: bindingOf(body, tools) };
}

type CompletionBody = z.infer<z.ZodObject<typeof completionFields>>;

/** Greedy unless something else is asked for: the models here copy names and paths, where nearly right is wrong. */
export function askedOf(body: CompletionBody & { readonly max_completion_tokens?: number }): Asked {
  const { max_tokens, max_completion_tokens, stop = [], stream = false } = body;
  if (
    max_tokens !== undefined &&
    max_completion_tokens !== undefined &&
    max_tokens !== max_completion_tokens
  ) {
    throw badParameter('max_tokens', "'max_tokens' and 'max_completion_tokens' contradict each other");
  }
  if (body.stream_options !== undefined && !stream) {
    throw badParameter('stream_options', "'stream_options' is only for a request with 'stream'");
  }
  return {
    model: body.model,
    maxTokens: max_completion_tokens ?? max_tokens,
    sampling: samplingOf(body),
    stop: [stop].flat(),
    isStreamed: stream,
    includesUsage: body.stream_options?.include_usage === true,
  };
}

const samplingOf = ({ temperature = 0, top_p: topP, seed }: CompletionBody): Asked['sampling'] => ({
  temperature,
  ...(topP !== undefined && { topP }),
  ...(seed !== undefined && { seed: seed >>> 0 }),
});

function signatureOf({
  name,
  description,
  parameters,
  strict,
}: z.infer<typeof toolSchema>['function']): ToolSignature {
  const schema = parameters ?? { type: 'object', properties: {} };
  if (schema['type'] !== undefined && schema['type'] !== 'object') {
    throw badParameter('tools', `tool ${name}: its parameters are not an object`);
  }
  return {
    ...{ name, description: description ?? '', parameters: {}, isStrict: strict === true },
    schema: { type: 'object', ...schema },
  };
}

function bindingOf(
  { tool_choice: choice = 'auto', response_format: format = { type: 'text' } }: ChatBody,
  tools: readonly ToolSignature[],
): Binding {
  const mayCall = tools.length > 0 && choice !== 'none';
  if (format.type !== 'text') {
    if (mayCall)
      throw badParameter(
        'response_format',
        "'response_format' cannot be combined with tools that may be called",
      );
    return jsonBinding(format);
  }
  if (!mayCall) {
    if (choice === 'none' || choice === 'auto') return { kind: 'free' };
    throw badParameter('tool_choice', "'tool_choice' is only for a request with 'tools'");
  }
  return toolBinding(choice, tools);
}

function toolBinding(choice: z.infer<typeof toolChoiceSchema>, tools: readonly ToolSignature[]): Binding {
  if (typeof choice === 'string') return { kind: 'tools', tools, isForced: choice === 'required' };
  const chosen = tools.filter(({ name }) => name === choice.function.name);
  if (chosen.length > 0) return { kind: 'tools', tools: chosen, isForced: true };
  throw badParameter(
    'tool_choice',
    `'tool_choice' names ${choice.function.name}, which is not among the tools`,
  );
}

function jsonBinding(format: Exclude<z.infer<typeof formatSchema>, { type: 'text' }>): Binding {
  if (format.type === 'json_object') return { kind: 'json', schema: { type: 'object' }, isStrict: false };
  const { schema, strict } = format.json_schema;
  return { kind: 'json', schema: objectSchema(schema), isStrict: strict === true };
}

/** The end of an answer is that of its object. */
function objectSchema(schema: JsonSchema): JsonSchema {
  if (schema['type'] === 'object' || '$ref' in schema || 'properties' in schema) return schema;
  throw badParameter('response_format', "the schema of 'response_format' is not of an object");
}

const textOf = (content: z.infer<typeof contentSchema> | null | undefined): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text).join('');

/**
 * A message with several calls becomes one message a call, each followed by its result: every chat template has that
 * form.
 */
function messagesOf(given: readonly Message[]): ChatMessage<unknown>[] {
  const results = new Map<string, Message & { role: 'tool' }>();
  for (const message of given) if (message.role === 'tool') results.set(message.tool_call_id, message);
  const called = new Set<string>();
  return given.flatMap((message, index): ChatMessage<unknown>[] => {
    if (message.role === 'assistant') {
      for (const { id } of message.tool_calls ?? []) called.add(id);
      return assistantMessages(message, results, index);
    }
    if (message.role !== 'tool') return [spoken(message)];
    const { tool_call_id: id } = message;
    if (called.has(id)) return [];
    throw badParameter(
      `messages.${index}.tool_call_id`,
      `no message before it calls a tool with the id "${id}"`,
    );
  });
}

/** Who speaks is told where several do. */
function spoken({
  role,
  content,
  name,
}: Message & { role: 'system' | 'developer' | 'user' }): ChatMessage<unknown> {
  const text = textOf(content);
  const isNamed = role === 'user' && typeof name === 'string' && name !== '' && name !== role;
  return { role: role === 'user' ? 'user' : 'system', content: isNamed ? `${name}: ${text}` : text };
}

function assistantMessages(
  { content, tool_calls: calls }: Message & { role: 'assistant' },
  results: ReadonlyMap<string, Message & { role: 'tool' }>,
  index: number,
): ChatMessage<unknown>[] {
  const text = textOf(content);
  if (calls === null || calls === undefined || calls.length === 0)
    return [{ role: 'assistant', content: text }];
  return calls.flatMap(({ id, function: { name, arguments: json } }, at): ChatMessage<unknown>[] => {
    const place = `messages.${index}.tool_calls.${at}`;
    const said: ChatMessage<unknown> = {
      role: 'assistant',
      content: at === 0 ? text : '',
      toolCall: { name, arguments: argumentsOf(json, place) },
    };
    const result = results.get(id);
    if (result === undefined) throw badParameter(place, `the call "${id}" has no message with its result`);
    return [said, { role: 'tool', name, content: textOf(result.content) }];
  });
}

function argumentsOf(json: string, place: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(json === '' ? '{}' : json);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw badParameter(`${place}.function.arguments`, 'the arguments of a call are not a JSON object');
}
