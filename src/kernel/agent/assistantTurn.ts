/**
 * One assistant message under construction: from the prompt's tokens, token by token, to an answer or to one tool
 * call. It turns the model's tokens into text and switches the constraint on where a tool call begins, so that
 * whatever the model, a call is JSON of a known tool. It never runs a tool and never throws for what a model wrote.
 */

import type { Constraint, InferenceDriver, Sampling, Token, ToolCall } from '../../hal/driver.js';
import type { Edit, Turn } from '../scheduler/job.js';
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
  /** How the prompt came about from what was computed before, where that was changed in its middle. */
  readonly edits?: readonly Edit[] | undefined;
  /** Limits a tool call to known tools; undefined when the agent has none, and then no call is looked for. */
  readonly constraint: Constraint | undefined;
  /** The prompt ends with the marker of a call, or is to be answered in JSON: the constraint holds from the first token on. */
  readonly begins?: 'call' | 'json';
  readonly sampling?: Pick<Sampling, 'temperature' | 'topP' | 'seed'>;
  /** The answer ends before the first of these. */
  readonly stop?: readonly string[];
  /** Tokens the turn may generate. */
  readonly maxTokens: number;
  /** Told of the number of tokens generated so far, after each. */
  readonly onToken: (generated: number) => void;
  /** Told of the answer's text as it grows, tool calls excluded. */
  readonly onText: (text: string) => void;
}

/** Greedy: a tool call copies names and paths, and a sampled token that is nearly right is wrong. */
const greedy = { temperature: 0 };

export class AssistantTurn implements Turn {
  readonly tokens: Token[];
  readonly edits: readonly Edit[];
  readonly sampling: Sampling;
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
  /** What comes from here on is not part of the answer. */
  #isCut = false;

  constructor(options: AssistantTurnOptions) {
    this.#options = options;
    this.tokens = [...options.prompt];
    this.edits = options.edits ?? [];
    const { begins, constraint, sampling = greedy } = options;
    this.sampling = { ...sampling, constraint: begins === undefined ? undefined : constraint };
    if (begins === 'call') this.#call = '';
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
    const isOver = this.#isCallComplete || this.#isCut || this.#generated >= this.#options.maxTokens;
    return isOver ? this.#finish() : 'continue';
  }

  /** What was generated, the token that ends the turn included. */
  get generated(): number {
    return this.#generated;
  }

  /** The call as the model wrote it; undefined where it began none. */
  get callText(): string | undefined {
    return this.#call;
  }

  result(): TurnResult {
    const text = this.#text.trim();
    if (this.#call === undefined)
      return { kind: 'answer', text, isComplete: this.#isComplete || this.#isCut };
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
    if (this.#isCut) return;
    if (this.#options.begins === 'json') this.#readJson(piece);
    else this.#readText(piece);
  }

  #readText(piece: string): void {
    const { constraint, stop = [], driver } = this.#options;
    const { open } = driver.toolCallMarkers;
    // What was told is certain: no marker begins in it.
    const from = this.#told;
    this.#text += piece;
    const at = constraint === undefined ? -1 : this.#text.indexOf(open, from);
    const end = firstOf(this.#text, stop, from);
    if (end !== undefined && (at < 0 || end < at)) this.#endAt(end);
    else if (at >= 0) this.#beginCall(at);
    else {
      const held = [open, ...stop].map((marker) => partialSuffix(this.#text, marker));
      this.#tell(this.#text.length - Math.max(...held));
    }
  }

  #readJson(piece: string): void {
    const end = this.#json.push(piece);
    this.#text += end === undefined ? piece : piece.slice(0, end);
    this.#isCut = end !== undefined;
    this.#tell(this.#text.length);
  }

  /** Whatever was said after it was not asked for. */
  #endAt(length: number): void {
    this.#text = this.#text.slice(0, length);
    this.#isCut = true;
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

/** Where the first of the markers begins, in what follows `from`. */
function firstOf(text: string, markers: readonly string[], from: number): number | undefined {
  const places = markers.map((marker) => text.indexOf(marker, from)).filter((at) => at >= 0);
  return places.length === 0 ? undefined : Math.min(...places);
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
