/**
 * One completion: a turn of the model in a conversation. What can be wrong with a request is found before anything is
 * computed, so that an answer that has begun ends only with the model, its caller or the device.
 */

import { randomUUID } from 'node:crypto';
import type { Constraint, InferenceDriver } from '../../../hal/driver.js';
import { KernelError, messageOf } from '../../../shared/errors.js';
import { AssistantTurn, type AssistantTurnOptions } from '../../agent/assistantTurn.js';
import { promptOf, saidBy } from '../../agent/computedText.js';
import type { Spliced } from '../../agent/splice.js';
import type { Scheduler } from '../../scheduler/scheduler.js';
import type { Asked, Binding } from './chatRequest.js';
import type { Conversation, Conversations, Wanted } from './conversations.js';
import { badParameter, Fault } from './fault.js';

export interface CompletionParts {
  readonly driver: InferenceDriver;
  readonly scheduler: Pick<Scheduler, 'compute'>;
  readonly conversations: Conversations;
}

export interface Usage {
  readonly prompt: number;
  readonly completion: number;
  /** Tokens of the prompt that were computed before. */
  readonly cached: number;
}

export interface Completed {
  readonly usage: Usage;
  readonly text: string;
  readonly finish: 'stop' | 'length' | 'tool_calls';
  readonly call: Called | undefined;
}

export interface Called {
  readonly id: string;
  readonly name: string;
  /** As JSON. */
  readonly arguments: string;
}

export interface Completion {
  /**
   * Computes it; the conversation is free for others afterwards.
   * @throws KernelError `cancelled`, `deviceFailed`
   */
  run(onText: (text: string) => void, signal: AbortSignal): Promise<Completed>;
}

/** @throws Fault 400 for what no grammar can express, or does not fit into the context */
export async function prepare(
  parts: CompletionParts,
  { asked, binding, ...wanted }: Wanted & { readonly asked: Asked; readonly binding: Binding },
): Promise<Completion> {
  const { driver, conversations } = parts;
  const constraint = await constraintOf(binding, driver);
  const isForced = binding.kind === 'tools' && binding.isForced;
  const text = isForced ? wanted.text + driver.toolCallMarkers.open : wanted.text;
  const conversation = conversations.take({ ...wanted, text });
  try {
    const prompt = promptOf(text, conversation.computed, driver);
    const room = driver.info.contextTokens - prompt.tokens.length;
    if (room < 1) throw tooLong(prompt.tokens.length, driver.info.contextTokens);
    const options = {
      ...{ driver, constraint, sampling: asked.sampling, stop: asked.stop },
      ...{ prompt: prompt.tokens, edits: prompt.edits },
      maxTokens: Math.min(room, asked.maxTokens ?? room),
      ...(isForced && { begins: 'call' as const }),
      ...(binding.kind === 'json' && { begins: 'json' as const }),
    };
    return { run: (onText, signal) => run(parts, { conversation, text, prompt, options, onText, signal }) };
  } catch (error) {
    conversations.leave(conversation);
    throw error;
  }
}

async function constraintOf(binding: Binding, driver: InferenceDriver): Promise<Constraint | undefined> {
  if (binding.kind === 'free') return undefined;
  try {
    return binding.kind === 'tools'
      ? await driver.createConstraint(binding.tools)
      : await driver.createJsonConstraint(binding.schema, binding.isStrict);
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'badRequest') throw error;
    throw badParameter(binding.kind === 'tools' ? 'tools' : 'response_format', messageOf(error));
  }
}

const tooLong = (needed: number, holds: number): Fault =>
  new Fault(
    400,
    `This model's maximum context length is ${holds} tokens, and the conversation has ${needed}`,
    'context_length_exceeded',
    'messages',
  );

interface Run {
  readonly conversation: Conversation;
  readonly text: string;
  readonly prompt: Spliced;
  readonly options: Omit<AssistantTurnOptions, 'onToken' | 'onText'>;
  readonly onText: (text: string) => void;
  readonly signal: AbortSignal;
}

async function run(
  { driver, scheduler, conversations }: CompletionParts,
  { conversation, text, prompt, options, onText, signal }: Run,
): Promise<Completed> {
  const { agent } = conversation.hosted;
  const [before, prefilled] = [agent.generatedTokens, agent.usage.prefillTokens];
  let said = '';
  const turn = new AssistantTurn({
    ...options,
    onToken: (generated) => agent.tokenGenerated(before + generated),
    onText: (piece) => {
      said += piece;
      onText(piece);
    },
  });
  const promptTokens = prompt.tokens.length;
  agent.promptTokens = Math.max(agent.promptTokens, promptTokens);
  const computed = { text, tokens: prompt.tokens };
  const [earlier] = conversation.computed;
  conversation.computed = [computed, ...(earlier === undefined ? [] : [earlier])];
  try {
    agent.turnStarted();
    await scheduler.compute(agent, turn, AbortSignal.any([signal, agent.cancellation.signal]));
    conversation.computed = [saidBy(computed, turn.tokens, driver), ...conversation.computed];
    agent.answer = said;
    const computedNow = agent.usage.prefillTokens - prefilled;
    // The last token of a prompt is computed in any case: what follows it is read off it.
    const cached = Math.max(0, promptTokens - Math.max(1, computedNow));
    return { ...outcomeOf(turn, said), usage: { prompt: promptTokens, completion: turn.generated, cached } };
  } finally {
    conversations.leave(conversation);
  }
}

function outcomeOf(turn: AssistantTurn, text: string): Omit<Completed, 'usage'> {
  const result = turn.result();
  if (result.kind === 'answer')
    return { text, finish: result.isComplete ? 'stop' : 'length', call: undefined };
  // A call that was cut off by the limit is none.
  if (result.kind === 'brokenCall') return { text, finish: 'length', call: undefined };
  const { arguments: given } = JSON.parse(turn.callText ?? '{}') as { readonly arguments?: unknown };
  const call = {
    id: `call_${randomUUID().replaceAll('-', '')}`,
    name: result.call.name,
    arguments: JSON.stringify(given ?? {}),
  };
  return { text, finish: 'tool_calls', call };
}
