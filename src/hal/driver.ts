/**
 * What the kernel knows of an inference engine. A driver computes what it is told to and decides nothing: which
 * sequences advance, by how much and when is the scheduler's alone, and only the scheduler calls `step`.
 *
 * One `step` is one device batch, and its end is the only safe point: prompts arrive in slices, decoding advances
 * one token per sequence, and everything named in one step runs together in one batch. It must never sample, skip
 * or add tokens on its own.
 */

export type Token = number & { readonly brand: 'Token' };

export interface DriverInfo {
  readonly driver: 'llama' | 'simulated';
  /** Name of the model as its file gives it. */
  readonly model: string;
  readonly modelPath: string;
  readonly modelBytes: number;
  readonly device: 'cpu' | 'cuda' | 'vulkan' | 'metal' | 'simulated';
  /** Sequences that can be resident at once. */
  readonly slots: number;
  /** Tokens one slot can hold. */
  readonly contextTokens: number;
  /** Device memory that one resident token takes. */
  readonly kvBytesPerToken: number;
  /** The most tokens one step may carry over all its sequences. */
  readonly batchTokens: number;
  /** Whether tokens can be taken out of the middle of a slot, and moved within it, without computing others again. */
  readonly canRearrange: boolean;
  readonly state: StateFacts;
}

/**
 * What attention state depends on: state is usable where all of it is equal, except `streams`, which only says how
 * the engine's state files are laid out.
 */
export interface StateFacts {
  /** SHA-256 of what identifies the model file, in hex. */
  readonly model: string;
  /** Release of the engine, as `llama.cpp b1234`. */
  readonly engine: string;
  /** Types of the cache: `f16`, `q8_0`, … */
  readonly keyType: string;
  readonly valueType: string;
  readonly layers: number;
  /** Summed over the layers, which need not have the same number. */
  readonly keyValueHeads: number;
  /** Elements of one head's key, and of its value. */
  readonly headDim: number;
  readonly valueHeadDim: number;
  readonly flashAttention: boolean;
  /** Sequences of the engine's context. */
  readonly streams: number;
}

/**
 * One message of a conversation, in the form every chat template knows. The kernel's own tools take strings; those of
 * other programs take any JSON.
 */
export type ChatMessage<Value = string> =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly toolCall?: ToolCall<Value> }
  | { readonly role: 'tool'; readonly name: string; readonly content: string };

export interface ToolCall<Value = string> {
  readonly name: string;
  readonly arguments: Readonly<Record<string, Value>>;
}

/** A schema in the words of JSON Schema. It may come from another program: nothing about it is certain. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** A tool as the model is told of it. */
export interface ToolSignature {
  readonly name: string;
  readonly description: string;
  /** Each is a string and required. */
  readonly parameters: Readonly<Record<string, { readonly description: string }>>;
  /** Of the arguments of another program's tool, as that wrote it. It takes the place of `parameters`. */
  readonly schema?: JsonSchema;
  /** Every word of its schema must hold; where not, those that no grammar can express are the model's business. */
  readonly isStrict?: boolean;
}

/** Restricts what may be sampled to one JSON text. Stateful: one object for one text. */
export interface Constraint extends AsyncDisposable {
  readonly brand: 'Constraint';
}

/** How the next token is chosen. One object lasts for one turn; the driver may keep sampler state by identity. */
export interface Sampling {
  /** 0 is greedy. */
  readonly temperature: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly seed?: number;
  /** Read before each token; may be set and cleared in the course of a turn. */
  constraint: Constraint | undefined;
}

/** Tokens from `start` up to but without `end`. */
export interface TokenRange {
  readonly start: number;
  readonly end: number;
}

/** One sequence of the engine: its tokens are in the KV cache. */
export interface Slot {
  readonly id: number;
  /** Tokens whose attention state is resident, in order. */
  readonly length: number;
  /** Those tokens. */
  readonly tokens: readonly Token[];
  /** How many leading tokens of `tokens` are resident already. */
  commonPrefix(tokens: readonly Token[]): number;
  /** Forgets everything from position `length` on; more where the engine cannot forget a part, as `length` then tells. */
  truncate(length: number): Promise<void>;
  /**
   * Leaves exactly these ranges of what is resident, in this order, and computes nothing: they lie apart from each other,
   * none is empty. Each token keeps what it saw when it was computed, also what is gone or comes after it now. Only
   * where the driver's `canRearrange` says so.
   * @throws KernelError `deviceFailed`; the slot must be reset before it is used again
   */
  rearrange(ranges: readonly TokenRange[]): Promise<void>;
}

export interface StepWork {
  readonly slot: Slot;
  /** Evaluated in order after what is resident. At least one. */
  readonly tokens: readonly Token[];
  /** Where given, the token after the last one is sampled. */
  readonly sampling?: Sampling;
}

export type StepResult =
  | { readonly ok: true; readonly token?: Token }
  /** This sequence failed; the others of the step are not affected. Its slot must be reset before it is used again. */
  | { readonly ok: false; readonly error: Error };

/** How a model writes a tool call in its answer, learnt from its chat template. */
export interface ToolCallMarkers {
  readonly open: string;
  readonly close: string;
}

export interface InferenceDriver extends AsyncDisposable {
  readonly info: DriverInfo;
  readonly slots: readonly Slot[];
  readonly toolCallMarkers: ToolCallMarkers;

  /**
   * Text with the model's special tokens recognised, as a rendered prompt needs.
   * @param after whether it goes on after other text, or stands at the beginning of everything
   */
  tokenize(text: string, after?: 'nothing' | 'text'): Token[];
  /** Text of tokens, special tokens included. A token may end inside a character: decode from the start of a run. */
  detokenize(tokens: readonly Token[]): string;
  isEndOfTurn(token: Token): boolean;

  /** The conversation in the model's own chat template, ending where the assistant's answer begins. */
  render(messages: readonly ChatMessage<unknown>[], tools: readonly ToolSignature[]): string;

  /**
   * Only `{"name": …, "arguments": {…}}` of one of these tools can be sampled while it is set.
   * @throws KernelError `badRequest` where there is no tool, or for a schema that no grammar can express, naming its tool
   */
  createConstraint(tools: readonly ToolSignature[]): Promise<Constraint>;

  /**
   * Only a JSON text of this schema can be sampled while it is set.
   * @param isStrict whether every word of the schema must hold
   * @throws KernelError `badRequest` for a schema that no grammar can express
   */
  createJsonConstraint(schema: JsonSchema, isStrict: boolean): Promise<Constraint>;

  /**
   * Runs one device batch. Results stand in the order of `work`; each slot at most once.
   * @throws KernelError `deviceFailed` when the whole batch failed.
   */
  step(work: readonly StepWork[]): Promise<readonly StepResult[]>;

  /** Makes a slot usable again after a failure, empty. */
  reset(slot: Slot): Promise<void>;

  /**
   * Writes tokens and attention state of the slot to a new file, in the engine's own form. The slot is unchanged.
   * @throws KernelError `deviceFailed`, also when the file cannot be written
   */
  saveState(slot: Slot, path: string): Promise<void>;

  /**
   * Replaces the slot's content by that of a file that `saveState` wrote. Whatever the file is, the slot is usable
   * afterwards: it holds all of it, or nothing.
   * @throws KernelError `stateInvalid` where the engine refuses the file; the slot is then empty
   */
  loadState(slot: Slot, path: string): Promise<void>;
}
