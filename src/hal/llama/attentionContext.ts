/**
 * A model and a context that only reads attention: on the CPU, its weights shared with whoever else has the file open,
 * and without flash attention, which never has the weights of attention in memory. A state is loaded, the tokens after
 * it are computed, and what they attended to is averaged on the way.
 */

import { KernelError } from '../../shared/errors.js';
import type { ReadableState } from '../attention.js';
import type { ReaderSetup } from './attentionProtocol.js';
import { AttentionRows } from './attentionRows.js';
import type { Library, Pointer } from './libllama.js';

/** How the engine names the weights of one layer, before the layer's number. */
const weightsName = 'kq_soft_max';
const floatBytes = 4;
/** The engine allots cells in blocks. */
const cellBlock = 256;
/** Each context that is made costs about 1 MB for good: the next one is larger than asked for. */
const growth = 1.5;

/** Numbers of types in the engine's library. */
const typeCodes: Readonly<Partial<Record<string, number>>> = { f32: 0, f16: 1, q4_0: 2, q8_0: 8, bf16: 30 };
const mapFile = 1;
const withoutFlashAttention = 0;

/** No reading can be right. Anything else that is thrown is about one reading. */
export class Unreadable extends Error {}

export class AttentionContext {
  readonly #library: Library;
  readonly #setup: ReaderSetup;
  readonly #model: Pointer;
  readonly #callback: Pointer;
  #context: { readonly pointer: Pointer; readonly cells: number; readonly batch: number } | undefined;
  #rows: AttentionRows | undefined;
  #fault: string | undefined;
  /** The one that every token of a batch is part of; the engine is given its address. */
  readonly #sequence = new Int32Array(1);

  /** @throws Unreadable */
  constructor(library: Library, setup: ReaderSetup) {
    this.#library = library;
    this.#setup = setup;
    const model = library.loadModel(setup.modelPath, {
      ...library.modelDefaults(),
      // An empty list: no device but the CPU.
      devices: new BigInt64Array(1),
      n_gpu_layers: 0,
      load_mode: mapFile,
      // Weights in another order would be a copy of them.
      use_extra_bufts: false,
    });
    if (model === null) throw new Unreadable(`the engine refuses ${setup.modelPath}`);
    this.#model = model;
    this.#callback = library.callbackOf((tensor, isQuestion) => this.#onTensor(tensor, isQuestion));
  }

  /**
   * One value a cell of the state and then one for each token that follows it.
   * @throws Unreadable when what the engine shows is not attention; KernelError when it is this state
   */
  read({ path, cells, next, nextPosition }: ReadableState): Float32Array {
    const library = this.#library;
    const context = this.#contextFor(cells + next.length, next.length);
    library.clearMemory(library.memoryOf(context), false);
    if (!library.loadState(context, path)) {
      throw new KernelError('stateInvalid', `the engine refuses a state of ${cells} cells`);
    }
    const rows = new AttentionRows(cells, next.length);
    const fault = this.#collect(rows, () => {
      const code = this.#decode(context, next, nextPosition);
      if (code === 0) return;
      throw new KernelError('deviceFailed', `the engine cannot go on at ${nextPosition}: it says ${code}`);
    });
    const mean = fault ?? rows.mean();
    if (typeof mean === 'string') throw new Unreadable(mean);
    return mean;
  }

  /** Adds what the engine shows during `work`; says what was wrong with it. */
  #collect(rows: AttentionRows, work: () => void): string | undefined {
    this.#fault = undefined;
    this.#rows = rows;
    try {
      work();
    } finally {
      this.#rows = undefined;
    }
    return this.#fault;
  }

  #contextFor(cells: number, batch: number): Pointer {
    const present = this.#context;
    if (present !== undefined && present.cells >= cells && present.batch >= batch) return present.pointer;
    const library = this.#library;
    const { keyType, valueType, threads } = this.#setup;
    if (present !== undefined) library.freeContext(present.pointer);
    this.#context = undefined;
    const least = present === undefined ? cells : Math.max(present.cells, cells * growth);
    const size = Math.ceil(least / cellBlock) * cellBlock;
    const pointer = library.createContext(this.#model, {
      ...library.contextDefaults(),
      n_ctx: size,
      n_batch: batch,
      n_ubatch: batch,
      n_threads: threads,
      n_threads_batch: threads,
      flash_attn_type: withoutFlashAttention,
      type_k: codeOf(keyType),
      type_v: codeOf(valueType),
      cb_eval: this.#callback,
      offload_kqv: false,
      op_offload: false,
    });
    if (pointer === null) {
      throw new KernelError('outOfMemory', `the engine makes no context of ${size} cells`);
    }
    this.#context = { pointer, cells: size, batch };
    return pointer;
  }

  /** One batch of one sequence, of which only the last token's prediction is computed. */
  #decode(context: Pointer, tokens: Int32Array, firstPosition: number): number {
    const count = tokens.length;
    const outputs = new Int8Array(count);
    outputs[count - 1] = 1;
    return this.#library.decode(context, {
      n_tokens: count,
      token: tokens,
      embd: null,
      pos: Int32Array.from(tokens, (_, index) => firstPosition + index),
      n_seq_id: new Int32Array(count).fill(1),
      seq_id: new BigInt64Array(count).fill(this.#library.addressOf(this.#sequence)),
      logits: outputs,
    });
  }

  /** It is called out of the engine, through which nothing can be thrown. */
  #onTensor(tensor: Pointer, isQuestion: boolean): boolean {
    try {
      const isWeights = this.#library.tensorName(tensor).startsWith(weightsName);
      if (isWeights && !isQuestion) this.#add(tensor);
      return !isQuestion || isWeights;
    } catch (error) {
      this.#fault ??= String(error);
      return !isQuestion;
    }
  }

  #add(tensor: Pointer): void {
    const elements = this.#library.tensorElements(tensor);
    if (this.#library.tensorBytes(tensor) !== elements * floatBytes) {
      this.#fault ??= `${this.#library.tensorName(tensor)} is not made of numbers of ${floatBytes} bytes`;
      return;
    }
    const weights = new Float32Array(elements);
    this.#library.readTensor(tensor, weights);
    this.#rows?.add(weights, elements / this.#library.tensorRows(tensor));
  }
}

function codeOf(type: string): number {
  const code = typeCodes[type];
  if (code === undefined) throw new Unreadable(`a cache of type ${type} is not known`);
  return code;
}
