/**
 * Turns conversations into prompts by the model's own chat template. How tools are put to it is found out once, by
 * rendering a probe, so that the same conversation gives the same prompt for as long as the model is loaded and the
 * KV cache can be reused. A template that is missing, does not parse or loses messages is replaced by ChatML, never
 * by an error.
 */

import { Template } from '@huggingface/jinja';
import { messageOf } from '../../shared/errors.js';
import type { ChatMessage, ToolCallMarkers, ToolSignature } from '../driver.js';
import {
  hermesMarkers,
  nativeTools,
  writtenTools,
  writtenToolsWithoutSystem,
  type Dialect,
} from './chatDialects.js';
import { createLiteralMarker } from './literalText.js';

export interface ChatFormatOptions {
  readonly template: string | undefined;
  readonly bosText: string | undefined;
  readonly eosText: string | undefined;
  /** The model expects its first token to be the beginning-of-sequence token. */
  readonly prependBos: boolean;
  /** Texts of the tokens that steer the model. */
  readonly controlTexts: readonly string[];
  readonly warn: (message: string) => void;
}

export interface ChatFormat {
  readonly toolCallMarkers: ToolCallMarkers;
  render(messages: readonly ChatMessage<unknown>[], tools: readonly ToolSignature[]): string;
}

const chatMl =
  "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/** One template with one dialect. */
type Renderer = (messages: readonly ChatMessage<unknown>[], tools: readonly ToolSignature[]) => string;

export function createChatFormat(options: ChatFormatOptions): ChatFormat {
  const { bosText, warn } = options;
  const literal = createLiteralMarker(options.controlTexts);
  const renderers = [...ownRenderers(options), rendererOf(new Template(chatMl), writtenTools, options)];
  if (renderers.length === 1) warn('the model has no usable chat template; ChatML is used');
  const needsBos = (prompt: string): boolean =>
    options.prependBos && bosText !== undefined && !prompt.startsWith(bosText);
  return {
    toolCallMarkers: hermesMarkers,
    render(messages, tools) {
      const prompt = firstThatWorks(renderers, (renderer) =>
        renderer(
          messages.map((message) => literalMessage(message, literal)),
          tools,
        ),
      );
      return needsBos(prompt) ? `${bosText ?? ''}${prompt}` : prompt;
    },
  };
}

/** What the model's template can be used with, best first. */
function ownRenderers(options: ChatFormatOptions): Renderer[] {
  if (options.template === undefined) return [];
  let template: Template;
  try {
    template = new Template(options.template);
  } catch (error) {
    options.warn(`the model's chat template does not parse: ${messageOf(error)}`);
    return [];
  }
  const native = rendererOf(template, nativeTools, options);
  const written = [writtenTools, writtenToolsWithoutSystem].map((dialect) =>
    rendererOf(template, dialect, options),
  );
  return [...(knowsTools(native) ? [native] : []), ...written.filter((renderer) => keepsMessages(renderer))];
}

function rendererOf(template: Template, dialect: Dialect, options: ChatFormatOptions): Renderer {
  return (messages, tools) =>
    template.render({
      ...dialect(messages, tools),
      add_generation_prompt: true,
      bos_token: options.bosText ?? '',
      eos_token: options.eosText ?? '',
    });
}

/** A template that rejects this conversation hands over to the next; the last takes every conversation. */
function firstThatWorks(renderers: readonly Renderer[], render: (renderer: Renderer) => string): string {
  let failure: unknown;
  for (const renderer of renderers) {
    try {
      return render(renderer);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function literalMessage(
  message: ChatMessage<unknown>,
  literal: (text: string) => string,
): ChatMessage<unknown> {
  const content = literal(message.content);
  if (message.role !== 'assistant' || message.toolCall === undefined) return { ...message, content };
  const { name, arguments: values } = message.toolCall;
  const toolCall = { name, arguments: literalFields(values, literal) };
  return { ...message, content, toolCall };
}

function literalFields(
  fields: Readonly<Record<string, unknown>>,
  literal: (text: string) => string,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [literal(key), literalValue(value, literal)] as const),
  );
}

function literalValue(value: unknown, literal: (text: string) => string): unknown {
  if (typeof value === 'string') return literal(value);
  if (Array.isArray(value)) return value.map((each) => literalValue(each, literal));
  if (typeof value !== 'object' || value === null) return value;
  return literalFields(value as Readonly<Record<string, unknown>>, literal);
}

const probeTool: ToolSignature = {
  name: 'probe_tool',
  description: 'probe description',
  parameters: { probe_key: { description: 'probe parameter' } },
};
const probeOpening: readonly ChatMessage[] = [
  { role: 'system', content: 'probe system' },
  { role: 'user', content: 'probe question' },
];
const probeConversation: readonly ChatMessage[] = [
  ...probeOpening,
  {
    role: 'assistant',
    content: '',
    toolCall: { name: probeTool.name, arguments: { probe_key: 'probe value' } },
  },
  { role: 'tool', name: probeTool.name, content: 'probe result' },
  { role: 'assistant', content: 'probe answer' },
  { role: 'user', content: 'probe sequel' },
];

/** Whether the template tells of tools and writes a call the way the grammar and the markers do. */
function knowsTools(renderer: Renderer): boolean {
  try {
    const told = renderer(probeOpening, [probeTool]).includes(probeTool.name);
    const call =
      /<tool_call>\s*\{"name": ?"probe_tool", ?"arguments": ?\{"probe_key": ?"probe value"\}\}\s*<\/tool_call>/;
    return told && call.test(renderer(probeConversation, [probeTool])) && keepsMessages(renderer);
  } catch {
    return false;
  }
}

/** Whether everything said comes out, in order. */
function keepsMessages(renderer: Renderer): boolean {
  const said = /probe system.*probe question.*probe value.*probe result.*probe answer.*probe sequel/s;
  try {
    return said.test(renderer(probeConversation, [probeTool]));
  } catch {
    return false;
  }
}
