/** Answers in the forms of the interface: whole, or as the chunks of a stream. Every one has an id of its own. */

import { randomUUID } from 'node:crypto';
import type { Called, Completed, Usage } from './completion.js';

/** What every part of one answer says. */
export interface Heading {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

/** One of the two interfaces to a completion. */
export interface Form {
  heading(model: string, fingerprint: string): Heading;
  whole(heading: Heading, completed: Completed): object;
  /** The first chunk, which says who speaks. */
  opening(heading: Heading): object | undefined;
  piece(heading: Heading, text: string): object;
  closing(heading: Heading, completed: Completed): object;
  /** The chunk after the last, for those who want it. */
  counted(heading: Heading, usage: Usage): object;
}

const headingOf =
  (prefix: string) =>
  (model: string, fingerprint: string): Heading => ({
    id: `${prefix}-${randomUUID().replaceAll('-', '')}`,
    created: Math.floor(Date.now() / 1000),
    model,
    system_fingerprint: fingerprint,
  });

const usageOf = ({ prompt, completion, cached }: Usage): object => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  prompt_tokens_details: { cached_tokens: cached },
});

const toolCall = ({ id, name, arguments: json }: Called): object => ({
  id,
  type: 'function',
  function: { name, arguments: json },
});

const chatChunk = (heading: Heading, delta: object, finish: string | null = null): object => ({
  ...heading,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
});

export const chatForm: Form = {
  heading: headingOf('chatcmpl'),
  whole: (heading, { text, call, finish, usage }) => ({
    ...heading,
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: call !== undefined && text === '' ? null : text,
          refusal: null,
          ...(call !== undefined && { tool_calls: [toolCall(call)] }),
        },
        logprobs: null,
        finish_reason: finish,
      },
    ],
    usage: usageOf(usage),
  }),
  opening: (heading) => chatChunk(heading, { role: 'assistant', content: '' }),
  piece: (heading, text) => chatChunk(heading, { content: text }),
  closing: (heading, { call, finish }) =>
    chatChunk(heading, call === undefined ? {} : { tool_calls: [{ index: 0, ...toolCall(call) }] }, finish),
  counted: (heading, usage) => ({
    ...heading,
    object: 'chat.completion.chunk',
    choices: [],
    usage: usageOf(usage),
  }),
};

const textChoice = (heading: Heading, text: string, finish: string | null): object => ({
  ...heading,
  object: 'text_completion',
  choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
});

export const textForm: Form = {
  heading: headingOf('cmpl'),
  whole: (heading, { text, finish, usage }) => ({
    ...textChoice(heading, text, finish),
    usage: usageOf(usage),
  }),
  opening: () => undefined,
  piece: (heading, text) => textChoice(heading, text, null),
  closing: (heading, { finish }) => textChoice(heading, '', finish),
  counted: (heading, usage) => ({
    ...heading,
    object: 'text_completion',
    choices: [],
    usage: usageOf(usage),
  }),
};
