/**
 * The inference driver on llama.cpp. Loads one model into one context whose sequences are the slots, and computes
 * what each step says, as one device batch. It decides nothing: no token is sampled, shifted, skipped or added that
 * a step did not ask for. A sequence that fails fails alone; only a batch that failed as a whole throws.
 */

import { LlamaGrammarEvaluationState, type LlamaGrammar } from 'node-llama-cpp';
import type { Token as EngineToken } from 'node-llama-cpp';
import { KernelError, invariant, messageOf, type ErrorCode } from '../../shared/errors.js';
import type { EngineSettings } from '../../shared/settings.js';
import type {
  ChatMessage,
  Constraint,
  DriverInfo,
  InferenceDriver,
  JsonSchema,
  Slot,
  StepResult,
  StepWork,
  Token,
  ToolCallMarkers,
  ToolSignature,
} from '../driver.js';
import { admitStep, overflowOf } from '../stepAdmission.js';
import { LlamaConstraint, engineStateOf } from './constraint.js';
import type { EngineLog } from './engine.js';
import { jsonGrammar, toolCallGrammar } from './grammar.js';
import { splitAtMarks } from './literalText.js';
import { loadModel, type LoadedModel } from './loadModel.js';
import { LlamaSlot } from './slot.js';

/**
 * @param settings with the absolute path of a model file in `model`
 * @throws KernelError `modelUnusable`, `unsafeConfiguration`, `outOfMemory`, or `deviceFailed` when the named device
 * does not work
 */
export async function createLlamaDriver(settings: EngineSettings, log: EngineLog): Promise<InferenceDriver> {
  return new LlamaDriver(await loadModel(settings, log));
}

/** A grammar is small; most programs have a handful of sets of tools. */
const maxKeptGrammars = 256;

class LlamaDriver implements InferenceDriver {
  readonly info: DriverInfo;
  readonly slots: readonly Slot[];
  readonly #parts: LoadedModel;
  readonly #grammars = new Map<string, Promise<LlamaGrammar>>();
  #isSpellable: boolean | undefined;

  constructor(parts: LoadedModel) {
    this.#parts = parts;
    this.info = parts.info;
    this.slots = parts.slots;
  }

  get toolCallMarkers(): ToolCallMarkers {
    return this.#parts.chatFormat.toolCallMarkers;
  }

  tokenize(text: string, after: 'nothing' | 'text' = 'nothing'): Token[] {
    const { model } = this.#parts;
    return splitAtMarks(text).flatMap((piece, index) => {
      const isFirst = index === 0 && after === 'nothing';
      const tokens: readonly number[] = model.tokenize(piece, true, isFirst ? undefined : 'trimLeadingSpace');
      return tokens as Token[];
    });
  }

  detokenize(tokens: readonly Token[]): string {
    return this.#parts.model.detokenize(tokens as readonly number[] as EngineToken[], true);
  }

  isEndOfTurn(token: Token): boolean {
    return this.#parts.model.isEogToken(token as number as EngineToken);
  }

  render(messages: readonly ChatMessage<unknown>[], tools: readonly ToolSignature[]): string {
    return this.#parts.chatFormat.render(messages, tools);
  }

  async createConstraint(tools: readonly ToolSignature[]): Promise<Constraint> {
    return await this.#constrainedBy(toolCallGrammar(tools));
  }

  async createJsonConstraint(schema: JsonSchema, isStrict: boolean): Promise<Constraint> {
    return await this.#constrainedBy(jsonGrammar(schema, isStrict));
  }

  async step(work: readonly StepWork[]): Promise<readonly StepResult[]> {
    admitStep(work, this.info.batchTokens);
    for (const { sampling } of work) engineStateOf(sampling?.constraint);
    // All of them are requested before the engine's next cycle, which is what makes them one batch.
    const outcomes = await Promise.all(work.map((each) => this.#evaluate(each)));
    const requested = outcomes.filter(({ wasRequested }) => wasRequested);
    const batchError = requested[0]?.batchError;
    if (batchError !== undefined && requested.every((outcome) => outcome.batchError !== undefined)) {
      throw batchError;
    }
    return outcomes.map(({ result }) => result);
  }

  async reset(slot: Slot): Promise<void> {
    await ownSlot(slot).reset();
  }

  async saveState(slot: Slot, path: string): Promise<void> {
    try {
      await ownSlot(slot).saveState(path);
    } catch (error) {
      throw this.#stateError('deviceFailed', `cannot write the state of slot ${slot.id} to ${path}`, error);
    }
  }

  async loadState(slot: Slot, path: string): Promise<void> {
    try {
      await ownSlot(slot).loadState(path);
    } catch (error) {
      throw this.#stateError('stateInvalid', `refuses the state file ${path}`, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { slots, context, model, engine } = this.#parts;
    this.#grammars.clear();
    await Promise.allSettled(slots.map((slot) => slot.dispose()));
    await context.dispose();
    await model.dispose();
    await engine.llama.dispose();
  }

  async #constrainedBy(text: string): Promise<Constraint> {
    this.#isSpellable ??= canSpellJson(this);
    if (!this.#isSpellable) {
      throw new KernelError('modelUnusable', `the vocabulary of ${this.info.model} cannot spell JSON`);
    }
    const [, foreign] = /([^ -~\n]+)/u.exec(text) ?? [];
    if (foreign !== undefined && !canSpell(this, foreign)) {
      throw new KernelError('badRequest', `the vocabulary of ${this.info.model} cannot spell "${foreign}"`);
    }
    try {
      const grammar = await this.#grammarOf(text);
      return new LlamaConstraint(new LlamaGrammarEvaluationState({ model: this.#parts.model, grammar }));
    } catch (error) {
      this.#grammars.delete(text);
      const reason = this.#parts.engine.takeComplaints() || messageOf(error);
      throw new KernelError('badRequest', `the engine refuses a grammar: ${reason}`, { cause: error });
    }
  }

  /** Made once for each text, of which the last ones are kept: other programs may bring any number of them. */
  async #grammarOf(text: string): Promise<LlamaGrammar> {
    const made = this.#grammars.get(text) ?? this.#parts.engine.llama.createGrammar({ grammar: text });
    this.#grammars.delete(text);
    this.#grammars.set(text, made);
    const [oldest] = this.#grammars.keys();
    if (this.#grammars.size > maxKeptGrammars && oldest !== undefined) this.#grammars.delete(oldest);
    return await made;
  }

  /** The engine's own error says the same for every cause; what it logged is the reason. */
  #stateError(code: ErrorCode, what: string, cause: unknown): KernelError {
    const reason = this.#parts.engine.takeComplaints() || messageOf(cause);
    return new KernelError(code, `the engine ${what}: ${reason}`, { cause });
  }

  async #evaluate(work: StepWork): Promise<Outcome> {
    const overflow = overflowOf(work, this.info.contextTokens);
    if (overflow !== undefined) return { wasRequested: false, result: { ok: false, error: overflow } };
    const slot = ownSlot(work.slot);
    const before = slot.length;
    try {
      const token = await slot.evaluate(work.tokens, work.sampling);
      return { wasRequested: true, result: token === undefined ? { ok: true } : { ok: true, token } };
    } catch (thrown) {
      const reasons = [messageOf(thrown), this.#parts.engine.takeComplaints()].filter((text) => text !== '');
      const error = new KernelError('deviceFailed', `the engine failed: ${reasons.join('; ')}`, {
        cause: thrown,
      });
      // A batch that failed left nothing resident; a failure afterwards is this sequence's own.
      const batchError = slot.length === before ? error : undefined;
      return { wasRequested: true, batchError, result: { ok: false, error } };
    }
  }
}

interface Outcome {
  readonly wasRequested: boolean;
  readonly result: StepResult;
  readonly batchError?: KernelError | undefined;
}

function ownSlot(slot: Slot): LlamaSlot {
  invariant(slot instanceof LlamaSlot, 'a slot belongs to the driver that made it');
  return slot;
}

/** A grammar that no token can continue would stop the engine's sampling for good, for every sequence. */
function canSpellJson(driver: LlamaDriver): boolean {
  const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));
  return printable.every((character) => canSpell(driver, character));
}

const canSpell = (driver: LlamaDriver, text: string): boolean =>
  driver.detokenize(driver.tokenize(text)).includes(text);
