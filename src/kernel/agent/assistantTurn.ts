/**
 * One assistant message under construction: from the prompt's tokens, token by token, to an answer or to one tool
 * call. It turns the model's tokens into text and switches the constraint on where a tool call begins, so that
 * whatever the model, a call is JSON of a known tool. It never runs a tool and never throws for what a model wrote.
 */

import type { Constraint, InferenceDriver, Sampling, Token, ToolCall } from '../../hal/driver.js';
import type { Turn } from '../scheduler/job.js';
import { JsonScanner } from './jsonScanner.js';
import { TextStream } from './textStream.js';

export type TurnResult =
  | { readonly kind: 'answer'; readonly text: string; readonly isComplete: boolean }
  | { readonly kind: 'toolCall'; readonly text: string; readonly call: ToolCall }
  /** What stands where a call should be: the model ended or ran out of tokens inside it. */
  | { readonly kind: 'brokenCall'; readonly text: string; readonly fault: string };

export interface AssistantTurnOptions {
  readonly driver: InferenceDriver;
  readonly prompt: readonly Token[];
  /** Limits a tool call to known tools; undefined when the agent has none, and then no call is looked for. */
  readonly constraint: Constraint | undefined;
  /** Tokens the turn may generate. */
  readonly maxTokens: number;
  /** Told of the number of tokens generated so far, after each. */
  readonly onToken: (generated: number) => void;
  /** Told of the answer's text as it grows, tool calls excluded. */
  readonly onText: (text: string) => void;
}

/** Greedy: a tool call copies names and paths, and a sampled token that is nearly right is wrong. */
const temperature = 0;

export class AssistantTurn implements Turn {
  readonly tokens: Token[];
  readonly sampling: Sampling = { temperature, constraint: undefined };
  readonly #options: AssistantTurnOptions;
  readonly #stream: TextStream;
  readonly #json = new JsonScanner();
  #generated = 0;
  /** The message without what belongs to a tool call. */
  #text = '';
  /** How much of #text was told to `onText`. */
  #told = 0;
  /** Text of the tool call so far; undefined before one began. */
  #call: string | undefined;
  #isCallComplete = false;
  #isComplete = false;

  constructor(options: AssistantTurnOptions) {
    this.#options = options;
    this.tokens = [...options.prompt];
    this.#stream = new TextStream((tokens) => options.driver.detokenize(tokens));
  }

  accept(token: Token): 'continue' | 'done' {
    this.#generated++;
    this.#options.onToken(this.#generated);
    if (this.#options.driver.isEndOfTurn(token)) {
      this.#isComplete = true;
      return this.#finish();
    }
    this.tokens.push(token);
    this.#read(this.#stream.push(token));
    return this.#isCallComplete || this.#generated >= this.#options.maxTokens ? this.#finish() : 'continue';
  }

  result(): TurnResult {
    const text = this.#text.trim();
    if (this.#call === undefined) return { kind: 'answer', text, isComplete: this.#isComplete };
    const call = parseCall(this.#call);
    return typeof call === 'string'
      ? { kind: 'brokenCall', text, fault: call }
      : { kind: 'toolCall', text, call };
  }

  #finish(): 'done' {
    this.#read(this.#stream.end());
    this.#tell(this.#text.length);
    return 'done';
  }

  #read(piece: string): void {
    if (this.#call !== undefined) {
      this.#readCall(piece);
      return;
    }
    this.#text += piece;
    const { open } = this.#options.driver.toolCallMarkers;
    const at = this.#options.constraint === undefined ? -1 : this.#text.indexOf(open);
    if (at >= 0) this.#beginCall(at);
    else this.#tell(this.#text.length - partialSuffix(this.#text, open));
  }

  /** The marker stands at `at`. What came after it in the same token is dropped: the constraint starts right behind. */
  #beginCall(at: number): void {
    const { driver, constraint } = this.#options;
    const { open } = driver.toolCallMarkers;
    const surplus = this.#text.length - (at + open.length);
    if (surplus > 0) this.#dropSurplus(surplus);
    this.#text = this.#text.slice(0, at);
    this.#tell(at);
    this.#call = '';
    this.sampling.constraint = constraint;
  }

  /**
   * Replaces the last token, which is not evaluated yet, by tokens of its text without the last `surplus` characters.
   * A surplus that began in an evaluated token stays: something must be left to evaluate.
   */
  #dropSurplus(surplus: number): void {
    const { driver } = this.#options;
    const text = driver.detokenize(this.tokens.slice(-1));
    const kept = driver.tokenize(text.slice(0, Math.max(0, text.length - surplus)));
    if (kept.length > 0) this.tokens.splice(-1, 1, ...kept);
  }

  #readCall(piece: string): void {
    const end = this.#json.push(piece);
    this.#call = (this.#call ?? '') + (end === undefined ? piece : piece.slice(0, end));
    this.#isCallComplete = end !== undefined;
    if (this.#isCallComplete) this.sampling.constraint = undefined;
  }

  #tell(upTo: number): void {
    if (upTo <= this.#told) return;
    this.#options.onText(this.#text.slice(this.#told, upTo));
    this.#told = upTo;
  }
}

/** Length of the longest end of `text` that could be the beginning of `marker`. */
function partialSuffix(text: string, marker: string): number {
  for (let length = Math.min(marker.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(marker.slice(0, length))) return length;
  }
  return 0;
}

/** The call, or what is wrong with it. */
function parseCall(text: string): ToolCall | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'the tool call is not complete JSON';
  }
  if (typeof value !== 'object' || value === null || !('name' in value) || typeof value.name !== 'string') {
    return 'the tool call names no tool';
  }
  const given = 'arguments' in value && typeof value.arguments === 'object' ? (value.arguments ?? {}) : {};
  const entries = Object.entries(given).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return { name: value.name, arguments: Object.fromEntries(entries) };
}
