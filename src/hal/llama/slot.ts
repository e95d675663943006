/**
 * One sequence of the engine's context. Keeps the engine's sampler alive for as long as one turn lasts, wherever its
 * tokens come from, and evaluates exactly what it is told to: the engine's own idea of the next token is used only
 * as the result of a step, never as its input. `length` counts resident tokens; a sampled token is not resident
 * until a later step passes it.
 */

import type { LlamaContext, LlamaContextSequence, LlamaGrammarEvaluationState } from 'node-llama-cpp';
import type { Token as EngineToken } from 'node-llama-cpp';
import { KernelError, invariant } from '../../shared/errors.js';
import type { Sampling, Slot, Token, TokenRange } from '../driver.js';
import { engineStateOf } from './constraint.js';
import { rearrange } from './rearrange.js';

type Sampler = AsyncGenerator<EngineToken, void, EngineToken[]>;

export class LlamaSlot implements Slot {
  readonly id: number;
  readonly #context: LlamaContext;
  #sequence: LlamaContextSequence;
  #turn: { readonly sampling: Sampling; readonly sampler: Sampler } | undefined;
  #grammar: LlamaGrammarEvaluationState | undefined;
  #isBusy = false;

  constructor(id: number, context: LlamaContext) {
    this.id = id;
    this.#context = context;
    this.#sequence = takeSequence(context);
  }

  get length(): number {
    return this.#sequence.nextTokenIndex;
  }

  get tokens(): readonly Token[] {
    return this.#sequence.contextTokens as readonly number[] as Token[];
  }

  commonPrefix(tokens: readonly Token[]): number {
    return this.#sequence.compareContextTokens(tokens as readonly number[] as EngineToken[])
      .firstDifferentIndex;
  }

  /** An engine that cannot take back tokens one by one forgets all of them; `length` tells. */
  async truncate(length: number): Promise<void> {
    if (length >= this.length) return;
    await this.#exclusive(async () => {
      const start = this.#sequence.needsCheckpoints ? 0 : Math.max(0, length);
      await this.#sequence.eraseContextTokenRanges([{ start, end: this.length }]);
    });
  }

  /** Whether the engine keeps a cell a token, and not a running summary or the last ones alone. */
  get hasCells(): boolean {
    return !this.#sequence.needsCheckpoints;
  }

  async rearrange(ranges: readonly TokenRange[]): Promise<void> {
    await this.#exclusive(async () => {
      await this.#endTurn();
      rearrange(this.#sequence, ranges);
    });
  }

  /** Makes `tokens` resident, and samples what follows where `sampling` is given. */
  async evaluate(tokens: readonly Token[], sampling: Sampling | undefined): Promise<Token | undefined> {
    return this.#exclusive(async () => {
      if (sampling === undefined) {
        await this.#sequence.evaluateWithoutGeneratingNewTokens(engineTokens(tokens));
        return undefined;
      }
      this.#grammar = engineStateOf(sampling.constraint);
      const { value, done } = await this.#sample(engineTokens(tokens), sampling);
      if (done === true) throw new KernelError('deviceFailed', `the engine ended sequence ${this.id}`);
      return value as number as Token;
    });
  }

  async reset(): Promise<void> {
    await this.#exclusive(() => this.#renew());
  }

  async saveState(path: string): Promise<void> {
    await this.#exclusive(() => this.#sequence.saveStateToFile(path));
  }

  /** After a file that the engine refuses, its sequence is out of step with ours: it is replaced by a new one. */
  async loadState(path: string): Promise<void> {
    await this.#exclusive(async () => {
      await this.#endTurn();
      try {
        await this.#sequence.loadStateFromFile(path, { acceptRisk: true });
      } catch (error) {
        await this.#renew();
        throw error;
      }
    });
  }

  async dispose(): Promise<void> {
    await this.#endTurn();
    await this.#sequence.dispose();
  }

  /** The sampler's first request starts the generator; each later one hands it the tokens to go on with. */
  async #sample(tokens: EngineToken[], sampling: Sampling): Promise<IteratorResult<EngineToken, void>> {
    if (this.#turn?.sampling === sampling) return this.#turn.sampler.next(tokens);
    await this.#endTurn();
    const sampler = this.#sequence.evaluate(tokens, {
      temperature: sampling.temperature,
      topK: sampling.topK ?? 0,
      topP: sampling.topP ?? 1,
      minP: sampling.minP ?? 0,
      // Given once for the turn: the engine starts its random numbers again whenever the seed changes.
      seed: sampling.seed ?? Math.floor(Math.random() * 0x1_0000_0000),
      grammarEvaluationState: () => this.#grammar,
      yieldEogToken: true,
    }) as Sampler;
    this.#turn = { sampling, sampler };
    return sampler.next(tokens);
  }

  async #renew(): Promise<void> {
    await this.#endTurn();
    await this.#sequence.dispose();
    this.#sequence = takeSequence(this.#context);
  }

  async #endTurn(): Promise<void> {
    const turn = this.#turn;
    this.#turn = undefined;
    await turn?.sampler.return();
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    invariant(!this.#isBusy, 'one operation per slot at a time');
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
    }
  }
}

/** No checkpoints: they would be taken in the middle of a step, and restored by a prefill that nobody scheduled. */
function takeSequence(context: LlamaContext): LlamaContextSequence {
  return context.getSequence({ checkpoints: { max: 0, interval: false } });
}

/** The same numbers under the engine's own brand; copied, since the engine keeps the array. */
const engineTokens = (tokens: readonly Token[]): EngineToken[] =>
  (tokens as readonly number[]).slice() as EngineToken[];
