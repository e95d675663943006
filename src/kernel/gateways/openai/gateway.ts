/**
 * The kernel's model for programs that speak OpenAI's interface. A request is a turn like any other: it is queued with
 * those of the agents, with the share of the device that its program has, and shown beside them. What cannot be honoured
 * is refused by name. No tool runs here: a call is handed to the program that brought the tool.
 */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import type { InferenceDriver } from '../../../hal/driver.js';
import type { Embedder } from '../../../hal/embedder.js';
import { priorityClasses, type PriorityClass } from '../../../shared/agentDefinition.js';
import { KernelError } from '../../../shared/errors.js';
import type { Scheduler } from '../../scheduler/scheduler.js';
import type { Caller, Gateway } from '../caller.js';
import { gatewayLimits, type GatewayLimits } from '../limits.js';
import { readJson } from '../jsonBody.js';
import { chatForm, textForm, type Form } from './answers.js';
import { askedOf, completionFields, readChat, type Asked, type Binding } from './chatRequest.js';
import { prepare, type Completion } from './completion.js';
import { Conversations, type ConversationParts, type Wanted } from './conversations.js';
import { embeddings, readEmbeddings } from './embeddings.js';
import { EventStream } from './eventStream.js';
import { badParameter, errorBody, Fault, faultOf } from './fault.js';
import { readParameters } from './parameters.js';

export interface OpenAiParts {
  readonly driver: InferenceDriver;
  readonly scheduler: Pick<Scheduler, 'compute' | 'retune'>;
  readonly host: ConversationParts['host'];
  /** Opened when it is first needed. Undefined where there is no model for it. */
  readonly embedder?: { readonly model: string; readonly open: () => Promise<Embedder> } | undefined;
  readonly limits?: Partial<GatewayLimits>;
}

export interface OpenAiGateway extends Gateway {
  /** A program whose token holds no more. */
  forget(callerId: string): void;
}

const textSchema = z.strictObject({
  ...completionFields,
  prompt: z.union(
    [z.string(), z.tuple([z.string()]).transform(([text]) => text)],
    'the prompt is one text; several, or tokens, are not supported',
  ),
});

/** What a completion is made of, whichever interface it was asked for by. */
interface Work {
  readonly form: Form;
  readonly asked: Asked;
  readonly binding: Binding;
  readonly text: string;
  readonly task: string;
}

export function createOpenAiGateway(parts: OpenAiParts): OpenAiGateway {
  return new OpenAi(parts);
}

class OpenAi implements OpenAiGateway {
  readonly paths = ['/v1/'];
  readonly errorForm = errorBody;
  readonly #parts: OpenAiParts;
  readonly #limits: GatewayLimits;
  readonly #conversations: Conversations;
  readonly #created = Math.floor(Date.now() / 1000);

  constructor(parts: OpenAiParts) {
    const { host, scheduler } = parts;
    this.#parts = parts;
    this.#limits = { ...gatewayLimits, ...parts.limits };
    this.#conversations = new Conversations({ host, scheduler, limits: this.#limits });
  }

  forget(callerId: string): void {
    this.#conversations.forget(callerId);
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const answer = await this.#answer(request, response, caller, signal);
      if (answer !== undefined) sendJson(response, 200, answer);
    } catch (error) {
      const fault = faultOf(error);
      if (fault.status >= 500 && !(error instanceof KernelError)) throw error;
      if (!response.headersSent) sendJson(response, fault.status, errorBody(fault));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#conversations[Symbol.asyncDispose]();
  }

  /** Undefined where the answer was written as it came. */
  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    signal: AbortSignal,
  ): Promise<object | undefined> {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const { method } = request;
    if (path === '/v1/models' || path.startsWith('/v1/models/')) {
      if (method !== 'GET') throw wrongMethod(method, path);
      return path === '/v1/models' ? { object: 'list', data: this.#models() } : this.#model(path);
    }
    const known = ['/v1/chat/completions', '/v1/completions', '/v1/embeddings'];
    if (!known.includes(path))
      throw new Fault(404, `Unknown request URL: ${method ?? ''} ${path}`, 'unknown_url');
    if (method !== 'POST') throw wrongMethod(method, path);
    const body = await this.#read(request);
    if (path === '/v1/embeddings') return await this.#embed(body, signal);
    const work = path === '/v1/completions' ? this.#textWork(body) : this.#chatWork(body);
    this.#assertModel(work.asked.model, this.#chatModel);
    const wanted = { caller, ...placeOf(request, caller), ...work };
    const completion = await prepare({ ...this.#parts, conversations: this.#conversations }, wanted);
    return await this.#complete(completion, work, response, signal);
  }

  async #read(request: IncomingMessage): Promise<unknown> {
    try {
      return await readJson(request, this.#limits.bodyBytes);
    } catch (error) {
      if (!(error instanceof KernelError) || error.code !== 'limitReached') throw error;
      throw new Fault(413, error.message, 'request_too_large');
    }
  }

  #chatWork(body: unknown): Work {
    const { messages, tools, binding, ...asked } = readChat(body);
    const text = this.#parts.driver.render(messages, tools);
    const first = messages.find(({ role }) => role === 'user');
    return { form: chatForm, asked, binding, text, task: taskOf(first?.content ?? '') };
  }

  #textWork(value: unknown): Work {
    const { prompt: text, ...body } = readParameters(textSchema, value);
    return { form: textForm, asked: askedOf(body), binding: { kind: 'free' }, text, task: taskOf(text) };
  }

  async #complete(
    completion: Completion,
    { form, asked }: Work,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<object | undefined> {
    const { state } = this.#parts.driver.info;
    const heading = form.heading(this.#chatModel, `amk-${state.model.slice(0, 12)}`);
    if (!asked.isStreamed) return form.whole(heading, await completion.run(() => undefined, signal));
    const stream = new EventStream(response, this.#limits.unsentBytes);
    const opening = form.opening(heading);
    if (opening !== undefined) stream.send(opening);
    try {
      const completed = await completion.run((text) => stream.send(form.piece(heading, text)), signal);
      stream.send(form.closing(heading, completed));
      if (asked.includesUsage) stream.send(form.counted(heading, completed.usage));
      stream.end();
    } catch (error) {
      stream.fail(errorBody(faultOf(error)));
    }
    return undefined;
  }

  async #embed(value: unknown, signal: AbortSignal): Promise<object> {
    const asked = readEmbeddings(value);
    const { embedder } = this.#parts;
    this.#assertModel(asked.model, embedder?.model);
    if (embedder === undefined)
      throw new Fault(404, 'this kernel has no model for embeddings', 'model_not_found');
    return await embeddings(asked, embedder.model, await embedder.open(), signal);
  }

  get #chatModel(): string {
    return modelId(this.#parts.driver.info.model);
  }

  #assertModel(asked: string, there: string | undefined): void {
    if (asked === there) return;
    const hint = there === undefined ? '' : `; there is ${there}`;
    throw new Fault(404, `The model '${asked}' does not exist here${hint}`, 'model_not_found', 'model');
  }

  #models(): readonly (object & { readonly id: string })[] {
    const { embedder, driver } = this.#parts;
    const about = { object: 'model', created: this.#created, owned_by: 'local' };
    const chat = { id: this.#chatModel, ...about, context_length: driver.info.contextTokens };
    return embedder === undefined ? [chat] : [chat, { id: embedder.model, ...about }];
  }

  #model(path: string): object {
    const id = decodeName(path.slice('/v1/models/'.length));
    const model = this.#models().find((each) => each.id === id);
    if (model === undefined) this.#assertModel(id, undefined);
    return model ?? {};
  }
}

/** A name without what a URL or a shell would read otherwise. */
const modelId = (name: string): string => name.trim().replaceAll(/[^\w.:-]+/g, '-');

const wrongMethod = (method: string | undefined, path: string): Fault =>
  new Fault(405, `Not allowed to ${method ?? ''} on ${path}`, 'method_not_supported');

const maxTaskLength = 200;
const taskOf = (text: string): string => text.trim().slice(0, maxTaskLength);

function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** What the headers say of the conversation. */
function placeOf({ headers }: IncomingMessage, caller: Caller): Pick<Wanted, 'session' | 'class'> {
  const { 'x-amk-agent': session, 'x-amk-class': wanted } = headers;
  if (session !== undefined && (typeof session !== 'string' || !/^[\w.-]{1,64}$/.test(session))) {
    throw badParameter('x-amk-agent', 'x-amk-agent is a word of up to 64 letters, digits, dots and dashes');
  }
  if (wanted === undefined) return { session, class: undefined };
  const priority = priorityClasses.find((each) => each === wanted);
  if (priority === undefined) {
    throw badParameter('x-amk-class', `x-amk-class is one of ${priorityClasses.join(', ')}`);
  }
  if (urgencyOf(priority) < urgencyOf(caller.mostUrgent)) {
    const message = `${caller.name} may ask for class ${caller.mostUrgent} and below, not ${priority}`;
    throw new Fault(403, message, 'class_not_allowed', 'x-amk-class');
  }
  return { session, class: priority };
}

const urgencyOf = (priority: PriorityClass): number => priorityClasses.indexOf(priority);

function sendJson(response: ServerResponse, status: number, body: object): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}
