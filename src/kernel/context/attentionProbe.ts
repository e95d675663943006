/**
 * Reads real attention for the pager: brings an agent's state into the form that a reader takes, off the kernel's event
 * loop, and what the reader sees back to the agent's tokens. It is bounded by its budget, one reading at a time, and
 * whatever goes wrong is said once in the log and answered by undefined: nobody depends on it.
 */

import type { AttentionProbe, AttentionReader, AttentionReading } from '../../hal/attention.js';
import type { Clock } from '../../hal/clock.js';
import type { StateFacts, Token } from '../../hal/driver.js';
import { messageOf } from '../../shared/errors.js';
import type { LogLevel } from '../../shared/protocol.js';
import type { CodecPool } from '../kv/codecPool.js';
import type { AttentionInput } from '../kv/attentionInput.js';
import { ReadingCost } from './readingCost.js';

/** Where states in the reader's form lie while they are read. `Scratch` of the HAL is one. */
export interface ProbeFiles {
  path(name: string): string;
  write(name: string, content: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
}

export interface AttentionProbeParts {
  readonly reader: AttentionReader;
  readonly codec: Pick<CodecPool, 'forAttention'>;
  readonly files: ProbeFiles;
  /** A state file's bytes, by its path. */
  readonly readState: (path: string) => Promise<Uint8Array>;
  readonly facts: Pick<StateFacts, 'valueHeadDim'>;
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string) => void;
}

interface Task {
  readonly statePath: string;
  readonly tokens: readonly Token[];
  readonly probeTokens: number;
  readonly deadline: number;
  readonly start: number;
}

const late = 'a reading took longer than its budget';
let probes = 0;

export function createAttentionProbe(parts: AttentionProbeParts): AttentionProbe {
  return new StateProbe(parts);
}

class StateProbe implements AttentionProbe {
  readonly #parts: AttentionProbeParts;
  readonly #cost = new ReadingCost();
  readonly #told = new Set<string>();
  readonly #name = `attention-${++probes}`;
  #isBusy = false;
  #lastFailure: string | undefined;
  #isClosed = false;
  #files = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: AttentionProbeParts) {
    this.#parts = parts;
  }

  get unavailable(): string | undefined {
    return this.#parts.reader.unavailable;
  }

  get lastFailure(): string | undefined {
    return this.#lastFailure;
  }

  prepare(): void {
    this.#parts.reader.prepare();
  }

  async read(
    statePath: string,
    tokens: readonly Token[],
    { probeTokens, budgetMs }: { readonly probeTokens: number; readonly budgetMs: number },
  ): Promise<AttentionReading | undefined> {
    if (this.#isBusy) return this.#without('another reading is not over yet');
    if (this.unavailable !== undefined) return this.#without(this.unavailable);
    this.#isBusy = true;
    const start = this.#parts.clock.now();
    const task = { statePath, tokens, probeTokens, start, deadline: start + budgetMs };
    const reading = this.#measure(task)
      .catch(messageOf)
      .then((outcome) => (typeof outcome === 'string' ? this.#without(outcome) : outcome))
      .finally(() => (this.#isBusy = false));
    this.#last = reading;
    return await within(reading, budgetMs, () => (this.#lastFailure = late));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#parts.reader[Symbol.asyncDispose]();
    await this.#last;
  }

  /** Or why it cannot be. */
  async #measure(task: Task): Promise<AttentionReading | string> {
    const { readState, codec, facts } = this.#parts;
    if (!this.#cost.admits(task.tokens.length, task.deadline - task.start)) {
      return 'the state is too large for the budget';
    }
    const input = await codec.forAttention(await readState(task.statePath), {
      tokens: Int32Array.from(task.tokens),
      probeTokens: task.probeTokens,
      facts,
    });
    return await this.#readInput(input, task);
  }

  async #readInput(input: AttentionInput, task: Task): Promise<AttentionReading | string> {
    const { files, reader, clock } = this.#parts;
    const name = `${this.#name}-${++this.#files}`;
    const { next, nextPosition, tokenOfCell } = input;
    try {
      await files.write(name, input.stateFile);
      const left = task.deadline - clock.now();
      const cells = tokenOfCell.length - next.length;
      const answer =
        left > 0
          ? await reader.read({ path: files.path(name), cells, next, nextPosition }, left)
          : ({ kind: 'late' } as const);
      const ms = clock.now() - task.start;
      if (answer.kind !== 'failed') this.#cost.learn(task.tokens.length, ms);
      if (answer.kind === 'late') return late;
      if (answer.kind === 'failed') return answer.reason;
      return { received: byToken(answer.received, input, task.tokens.length), probedTokens: next.length, ms };
    } finally {
      await files.remove(name);
    }
  }

  /** Said once: the pager asks often, and what keeps it from an answer rarely changes. */
  #without(reason: string): AttentionReading | undefined {
    this.#lastFailure = reason;
    if (!this.#isClosed && !this.#told.has(reason)) {
      this.#told.add(reason);
      this.#parts.log('info', `attention is not measured: ${reason}`);
    }
    return undefined;
  }
}

/** Tokens without a cell received nothing. */
function byToken(received: Float32Array, { tokenOfCell }: AttentionInput, tokens: number): Float32Array {
  const values = new Float32Array(tokens);
  tokenOfCell.forEach((token, cell) => (values[token] = received[cell] ?? 0));
  return values;
}

/** What comes later is nobody's any more. */
async function within<T>(work: Promise<T>, ms: number, onLate: () => void): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => {
      onLate();
      resolve(undefined);
    }, ms);
  });
  return await Promise.race([work, overdue]).finally(() => clearTimeout(timer));
}
