/**
 * An inference driver without a model, for tests and for simulations of many agents. What the "model" says is a
 * function of the prompt, time passes on a clock that the caller owns, and failures happen where the caller puts
 * them; the same inputs always give the same run. Every step is asynchronous and takes no real time. It keeps the
 * contract of the interface to the letter, so that what runs against it runs against an engine.
 */

import { KernelError, invariant } from '../shared/errors.js';
import type {
  ChatMessage,
  Constraint,
  DriverInfo,
  InferenceDriver,
  JsonSchema,
  Sampling,
  Slot,
  StateFacts,
  StepResult,
  StepWork,
  Token,
  TokenRange,
  ToolCallMarkers,
  ToolSignature,
} from './driver.js';
import { jsonGrammar, toolCallGrammar } from './llama/grammar.js';
import type { ManualClock } from './manualClock.js';
import { endOfTurn, SimulatedVocabulary } from './simulatedVocabulary.js';
import { admitStep, overflowOf } from './stepAdmission.js';

/** What goes wrong in a step. */
export type SimulatedFault =
  /** The whole batch fails; nothing of it becomes resident. */
  | { readonly kind: 'batch'; readonly error: Error }
  /** One sequence fails; the others go on. */
  | { readonly kind: 'slot'; readonly slot: number; readonly error: Error }
  /** The engine hangs until the promise settles. */
  | { readonly kind: 'stall'; readonly until: Promise<void> };

export interface SimulatedStep {
  /** Counted from 0 over the driver's life. */
  readonly index: number;
  readonly work: readonly StepWork[];
}

/** One save or load of attention state. */
export interface SimulatedStateMove {
  readonly kind: 'save' | 'load';
  readonly slot: number;
  readonly path: string;
  readonly tokens: number;
}

/** What a step does with one sequence. */
export interface StepPart {
  readonly count: number;
  /** Tokens that were in its slot before. */
  readonly resident: number;
}

export interface SimulatedOptions {
  /**
   * The assistant's answer to a prompt, up to but without the end of the turn. Called when sampling starts a turn,
   * with everything resident as text.
   */
  readonly respond: (prompt: string) => string;
  readonly slots?: number;
  readonly contextTokens?: number;
  readonly batchTokens?: number;
  readonly kvBytesPerToken?: number;
  /** True unless given. */
  readonly canRearrange?: boolean;
  /** Moved by what each step costs. */
  readonly clock?: ManualClock;
  readonly costMs?: (prefillTokens: number, decodeSequences: number, parts: readonly StepPart[]) => number;
  readonly saveMs?: (tokens: number) => number;
  readonly loadMs?: (tokens: number) => number;
  /** Asked before each step. */
  readonly fault?: (step: SimulatedStep) => SimulatedFault | undefined;
  /** What would be files, by path: the tokens are all the state that there is. Of the driver's own where left out. */
  readonly states?: Map<string, readonly Token[]>;
  /** Asked before each save and load. A KernelError is thrown as it is, another as the engine's failure. */
  readonly stateFault?: (move: SimulatedStateMove) => Error | undefined;
  /** Asked before tokens are moved within a slot. */
  readonly rearrangeFault?: (slot: number) => Error | undefined;
}

const defaults = { slots: 8, contextTokens: 4096, prefillTokens: 512, kvBytesPerToken: 1024 };

/** Keys and values of two bytes each in four layers of one head of 64: the default bytes of a token. */
const stateFacts: Omit<StateFacts, 'streams'> = {
  model: '0'.repeat(64),
  engine: 'simulated',
  keyType: 'f16',
  valueType: 'f16',
  layers: 4,
  keyValueHeads: 4,
  headDim: 64,
  valueHeadDim: 64,
  flashAttention: false,
};

const noConstraint: Constraint = {
  brand: 'Constraint',
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

export function createSimulatedDriver(options: SimulatedOptions): InferenceDriver {
  return new SimulatedDriver(options);
}

class SimulatedDriver implements InferenceDriver {
  readonly info: DriverInfo;
  readonly slots: readonly SimulatedSlot[];
  readonly toolCallMarkers: ToolCallMarkers = { open: '<tool_call>', close: '</tool_call>' };
  readonly #options: SimulatedOptions;
  readonly #vocabulary = new SimulatedVocabulary();
  readonly #answers = new WeakMap<Sampling, Answer>();
  readonly #saved: Map<string, readonly Token[]>;
  #steps = 0;

  constructor(options: SimulatedOptions) {
    this.#options = options;
    this.#saved = options.states ?? new Map<string, readonly Token[]>();
    const slots = options.slots ?? defaults.slots;
    this.slots = Array.from({ length: slots }, (_, id) => new SimulatedSlot(id, options.rearrangeFault));
    this.info = {
      driver: 'simulated',
      model: 'simulated',
      modelPath: '',
      modelBytes: 0,
      device: 'simulated',
      slots,
      contextTokens: options.contextTokens ?? defaults.contextTokens,
      kvBytesPerToken: options.kvBytesPerToken ?? defaults.kvBytesPerToken,
      batchTokens: options.batchTokens ?? defaults.prefillTokens + slots,
      canRearrange: options.canRearrange ?? true,
      state: { ...stateFacts, streams: slots },
    };
  }

  tokenize(text: string): Token[] {
    return this.#vocabulary.tokenize(text);
  }

  detokenize(tokens: readonly Token[]): string {
    return this.#vocabulary.detokenize(tokens);
  }

  isEndOfTurn(token: Token): boolean {
    return token === endOfTurn;
  }

  render(messages: readonly ChatMessage<unknown>[], tools: readonly ToolSignature[]): string {
    const turns = messages.map((message) => renderTurn(message));
    const told =
      tools.length === 0 ? [] : [turn('system', `Tools: ${tools.map(({ name }) => name).join(', ')}`)];
    return [...told, ...turns, '<|im_start|>assistant\n'].join('');
  }

  /** Restricts nothing: what `respond` says is what the model says. What no engine could hold is refused all the same. */
  async createConstraint(tools: readonly ToolSignature[]): Promise<Constraint> {
    await Promise.resolve();
    toolCallGrammar(tools);
    return noConstraint;
  }

  async createJsonConstraint(schema: JsonSchema, isStrict: boolean): Promise<Constraint> {
    await Promise.resolve();
    jsonGrammar(schema, isStrict);
    return noConstraint;
  }

  async step(work: readonly StepWork[]): Promise<readonly StepResult[]> {
    admitStep(work, this.info.batchTokens);
    const { clock, costMs, fault } = this.#options;
    const failure = fault?.({ index: this.#steps++, work });
    await (failure?.kind === 'stall' ? failure.until : Promise.resolve());
    clock?.advance(costMs?.(...countsOf(work)) ?? 0);
    if (failure?.kind === 'batch') {
      throw new KernelError('deviceFailed', `the engine failed: ${failure.error.message}`, {
        cause: failure.error,
      });
    }
    return work.map((each) => this.#evaluate(each, failure));
  }

  reset(slot: Slot): Promise<void> {
    ownSlot(slot).reset();
    return Promise.resolve();
  }

  async saveState(slot: Slot, path: string): Promise<void> {
    const { failure, tokens } = ownSlot(slot);
    const fault =
      failure ?? (await this.#moveState({ kind: 'save', slot: slot.id, path, tokens: slot.length }));
    if (fault instanceof KernelError) throw fault;
    if (fault !== undefined) {
      throw new KernelError('deviceFailed', `the state could not be saved: ${fault.message}`, {
        cause: fault,
      });
    }
    this.#saved.set(path, [...tokens]);
  }

  async loadState(slot: Slot, path: string): Promise<void> {
    const target = ownSlot(slot);
    target.reset();
    const tokens = this.#saved.get(path);
    const fault = await this.#moveState({ kind: 'load', slot: slot.id, path, tokens: tokens?.length ?? 0 });
    if (fault instanceof KernelError) throw fault;
    if (fault !== undefined || tokens === undefined || tokens.length > this.info.contextTokens) {
      const reason = fault?.message ?? (tokens === undefined ? 'nothing was saved there' : 'too many tokens');
      throw new KernelError('stateInvalid', `the engine refused the state in ${path}: ${reason}`);
    }
    target.append(tokens);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** Takes the time of it, and says what goes wrong. */
  async #moveState(move: SimulatedStateMove): Promise<Error | undefined> {
    const { clock, saveMs, loadMs, stateFault } = this.#options;
    await Promise.resolve();
    clock?.advance((move.kind === 'save' ? saveMs : loadMs)?.(move.tokens) ?? 0);
    return stateFault?.(move);
  }

  #evaluate(work: StepWork, failure: SimulatedFault | undefined): StepResult {
    const slot = ownSlot(work.slot);
    if (failure?.kind === 'slot' && failure.slot === slot.id) slot.failure = failure.error;
    const error = slot.failure ?? overflowOf(work, this.info.contextTokens);
    if (error !== undefined) return { ok: false, error };
    slot.append(work.tokens);
    return work.sampling === undefined
      ? { ok: true }
      : { ok: true, token: this.#sample(slot, work.sampling) };
  }

  /**
   * An answer belongs to the turn, not to the slot: a turn that moves to another slot goes on where it was. When the
   * tokens leave the answer's text, as they do when the kernel replaces one, the model answers to what is there.
   */
  #sample(slot: SimulatedSlot, sampling: Sampling): Token {
    let answer = this.#answers.get(sampling);
    if (answer === undefined || !continues(answer, slot)) {
      const text = this.#options.respond(this.#vocabulary.detokenize(slot.tokens));
      answer = { start: slot.length, tokens: [...this.#vocabulary.tokenize(text), endOfTurn] };
      this.#answers.set(sampling, answer);
    }
    return answer.tokens[slot.length - answer.start] ?? endOfTurn;
  }
}

interface Answer {
  /** The position of its first token in the sequence. */
  readonly start: number;
  readonly tokens: readonly Token[];
}

/** Whether what is resident after the prompt is a beginning of the answer. */
function continues({ start, tokens }: Answer, slot: SimulatedSlot): boolean {
  if (slot.length < start || slot.length - start >= tokens.length) return false;
  for (let position = start; position < slot.length; position++) {
    if (slot.tokens[position] !== tokens[position - start]) return false;
  }
  return true;
}

class SimulatedSlot implements Slot {
  readonly id: number;
  #tokens: Token[] = [];
  /** Set by a failed step; only a reset makes the slot usable again. */
  failure: Error | undefined;
  readonly #rearrangeFault: SimulatedOptions['rearrangeFault'];

  constructor(id: number, rearrangeFault: SimulatedOptions['rearrangeFault']) {
    this.id = id;
    this.#rearrangeFault = rearrangeFault;
  }

  get tokens(): readonly Token[] {
    return this.#tokens;
  }

  get length(): number {
    return this.#tokens.length;
  }

  commonPrefix(tokens: readonly Token[]): number {
    const end = Math.min(this.#tokens.length, tokens.length);
    let length = 0;
    while (length < end && this.#tokens[length] === tokens[length]) length++;
    return length;
  }

  truncate(length: number): Promise<void> {
    if (length < this.#tokens.length) this.#tokens.length = Math.max(0, length);
    return Promise.resolve();
  }

  async rearrange(ranges: readonly TokenRange[]): Promise<void> {
    await Promise.resolve();
    const kept = ranges.flatMap(({ start, end }) => this.#tokens.slice(start, end));
    const places = ranges.flatMap(({ start, end }) =>
      Array.from({ length: end - start }, (_, at) => start + at),
    );
    const isApart = new Set(places).size === places.length && places.length === kept.length;
    invariant(isApart, 'ranges lie in the slot and apart from each other');
    this.failure = this.#rearrangeFault?.(this.id);
    if (this.failure !== undefined) {
      throw new KernelError('deviceFailed', `slot ${this.id} was not rearranged: ${this.failure.message}`);
    }
    this.#tokens = kept;
  }

  append(tokens: readonly Token[]): void {
    for (const token of tokens) this.#tokens.push(token);
  }

  reset(): void {
    this.#tokens = [];
    this.failure = undefined;
  }
}

function ownSlot(slot: Slot): SimulatedSlot {
  invariant(slot instanceof SimulatedSlot, 'a slot belongs to the driver that made it');
  return slot;
}

/** A sequence decodes when it is given one token and asked for the next; every other token is prefill. */
function countsOf(
  work: readonly StepWork[],
): [prefillTokens: number, decodeSequences: number, parts: StepPart[]] {
  const decodes = work.filter(({ tokens, sampling }) => tokens.length === 1 && sampling !== undefined).length;
  const parts = work.map(({ slot, tokens }) => ({ count: tokens.length, resident: slot.length }));
  return [parts.reduce((sum, { count }) => sum + count, 0) - decodes, decodes, parts];
}

function renderTurn(message: ChatMessage<unknown>): string {
  if (message.role === 'tool') return turn('user', `<tool_response>\n${message.content}\n</tool_response>`);
  if (message.role !== 'assistant' || message.toolCall === undefined)
    return turn(message.role, message.content);
  return turn('assistant', `${message.content}<tool_call>${JSON.stringify(message.toolCall)}</tool_call>`);
}

const turn = (role: string, content: string): string => `<|im_start|>${role}\n${content}<|im_end|>\n`;
