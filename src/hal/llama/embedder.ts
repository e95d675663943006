/**
 * Embeds texts with a GGUF model through the engine. A text longer than the model's window is taken in pieces whose
 * vectors are averaged; a model that reads words gets the words of a text. One text is computed at a time, and only
 * between two of them can it be closed. Text is data: control tokens written in it are never interpreted.
 */

import type { LlamaEmbeddingContext, LlamaModel } from 'node-llama-cpp';
import { KernelError, messageOf } from '../../shared/errors.js';
import { AsyncDisposableStore } from '../../shared/lifecycle.js';
import type { Embedder } from '../embedder.js';
import { openEngine, type Engine, type EngineLog } from './engine.js';
import { inspectModelFile, type ModelFile } from './modelFile.js';

export interface EmbedderOptions {
  /** The engine of this process, where there is one already: it stays open. Without it, one of its own is opened. */
  readonly engine?: Engine | undefined;
  readonly threads: number;
  readonly log: EngineLog;
}

/** A block of a store is rarely longer, and the work grows with the square. */
const windowTokens = 512;
/** The model may add a token before and one behind, and the engine needs one to spare. */
const reservedTokens = 3;

/**
 * Opens an embedder on the CPU: it is small, and what it saves on a GPU it would cost the language model there.
 * @throws KernelError `modelUnusable` or `deviceFailed`; nothing stays open then
 */
export async function createEmbedder(path: string, options: EmbedderOptions): Promise<Embedder> {
  const file = await inspectModelFile(path);
  const opened = new AsyncDisposableStore();
  try {
    const engine = options.engine ?? (await openEngine('cpu', options.threads, options.log));
    if (engine !== options.engine) opened.defer(() => engine.llama.dispose());
    const model = await loadWeights(engine, file);
    opened.defer(() => model.dispose());
    const context = await createContext(engine, model, file, options.threads);
    opened.defer(() => context.dispose());
    return new LlamaEmbedder(file, engine, context, opened);
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

async function loadWeights(engine: Engine, { path }: ModelFile): Promise<LlamaModel> {
  try {
    return await engine.llama.loadModel({ modelPath: path, gpuLayers: 0 });
  } catch (error) {
    const reason = engine.takeComplaints() || messageOf(error);
    throw new KernelError('modelUnusable', `the engine refuses ${path}: ${reason}`, { cause: error });
  }
}

async function createContext(
  engine: Engine,
  model: LlamaModel,
  { name, shape }: ModelFile,
  threads: number,
): Promise<LlamaEmbeddingContext> {
  const contextSize = Math.min(windowTokens, shape.trainedTokens ?? windowTokens);
  try {
    // The average over a text is taken batch by batch: all of it has to be in one.
    return await model.createEmbeddingContext({ contextSize, batchSize: contextSize, threads });
  } catch (error) {
    const reason = engine.takeComplaints() || messageOf(error);
    throw new KernelError('deviceFailed', `the engine cannot embed with ${name}: ${reason}`, {
      cause: error,
    });
  }
}

class LlamaEmbedder implements Embedder {
  readonly model: string;
  readonly fingerprint: string;
  readonly dimensions: number;
  readonly #engine: Engine;
  readonly #context: LlamaEmbeddingContext;
  readonly #opened: AsyncDisposableStore;
  readonly #pieceTokens: number;
  readonly #readsWords: boolean;
  /** Ends when everything asked for so far is done. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(file: ModelFile, engine: Engine, context: LlamaEmbeddingContext, opened: AsyncDisposableStore) {
    this.model = file.name;
    this.fingerprint = file.fingerprint;
    this.dimensions = context.model.embeddingVectorSize;
    this.#engine = engine;
    this.#context = context;
    this.#opened = opened;
    this.#readsWords = readsWords(context.model);
    this.#pieceTokens = Math.min(windowTokens, file.shape.trainedTokens ?? windowTokens) - reservedTokens;
  }

  embed(texts: readonly string[]): Promise<Float32Array[]> {
    const done = this.#work.then(async () => {
      const vectors: Float32Array[] = [];
      for (const text of texts) vectors.push(await this.#embedOne(text));
      return vectors;
    });
    this.#work = done.catch(() => undefined);
    return done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#work;
    await this.#opened[Symbol.asyncDispose]();
  }

  async #embedOne(text: string): Promise<Float32Array> {
    try {
      return await this.#vectorOf(this.#readsWords ? asWords(text) : text);
    } catch (error) {
      const reason = this.#engine.takeComplaints() || messageOf(error);
      throw new KernelError(
        'deviceFailed',
        `the engine cannot embed a text of ${text.length} characters: ${reason}`,
        { cause: error },
      );
    }
  }

  async #vectorOf(text: string): Promise<Float32Array> {
    const tokens = this.#context.model.tokenize(text, false);
    const sum = new Float32Array(this.dimensions);
    for (let start = 0; start < tokens.length; start += this.#pieceTokens) {
      const piece = tokens.slice(start, start + this.#pieceTokens);
      const { vector } = await this.#context.getEmbeddingFor(piece);
      addScaled(sum, normalised(Float32Array.from(vector)), piece.length);
    }
    return normalised(sum);
  }
}

/** Whether the file says that texts are to be given as lower-case words. The key is our own: no other file has it. */
function readsWords({ fileInfo }: LlamaModel): boolean {
  const metadata = fileInfo.metadata as {
    readonly amk?: { readonly embedding?: { readonly words?: unknown } };
  };
  return metadata.amk?.embedding?.words === true;
}

const word = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\p{Nd}+|(?:(?![A-Za-z])\p{L})+/gu;

/** Names are taken apart, so that `readLines` and a question about reading lines have the same words. */
function asWords(text: string): string {
  return Array.from(text.matchAll(word), ([part]) => ` ${part.toLowerCase()}`).join('');
}

function addScaled(sum: Float32Array, vector: Float32Array, factor: number): void {
  for (let index = 0; index < sum.length; index++) {
    sum[index] = (sum[index] ?? 0) + factor * (vector[index] ?? 0);
  }
}

/** The vector at length 1; the zero vector stays what it is. */
function normalised(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length > 0 ? vector.map((value) => value / length) : vector;
}
