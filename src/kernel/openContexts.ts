/**
 * The virtual contexts with the store that the settings name and an embedder that is opened when the first text needs
 * a vector. A store that cannot be opened is told once; then nothing is paged, and a conversation has to fit.
 */

import type { DurableFolder } from '../hal/durableFolder.js';
import type { Embedder } from '../hal/embedder.js';
import { messageOf } from '../shared/errors.js';
import type { AsyncDisposableStore } from '../shared/lifecycle.js';
import type { EngineSettings } from '../shared/settings.js';
import type { BlockStore } from './context/store/blockStore.js';
import { openBlockStore } from './context/store/openBlockStore.js';
import { Contexts, type ContextsParts } from './contexts.js';

export interface OpenContextsOptions extends Omit<ContextsParts, 'store' | 'embedder' | 'settings'> {
  readonly engine: EngineSettings;
  /** Of the kernel's own store. Without it, what is paged ends with the kernel. */
  readonly folder?: DurableFolder | undefined;
  /** 32 bytes: what it keeps is encrypted with it. */
  readonly encryptionKey?: Uint8Array | undefined;
  /** For an external store that asks for one. */
  readonly storeKey?: string | undefined;
  readonly openEmbedder: () => Promise<Embedder>;
  /** Of its vectors. */
  readonly dimensions: number;
}

export async function openContexts(
  options: OpenContextsOptions,
  parts: AsyncDisposableStore,
): Promise<Contexts> {
  const { engine, openEmbedder, ...rest } = options;
  const embedder = parts.use(new LazyEmbedder(openEmbedder));
  const store = await openStore(options);
  if (store !== undefined) parts.use(store);
  return parts.use(new Contexts({ ...rest, store, embedder, settings: engine }));
}

async function openStore(options: OpenContextsOptions): Promise<BlockStore | undefined> {
  const { engine, storeKey: key, folder, encryptionKey, log, dimensions } = options;
  try {
    return await openBlockStore({ setting: engine.vectorStore, key, folder, encryptionKey, dimensions, log });
  } catch (error) {
    log('warn', `nothing is paged out, since the block store cannot be opened: ${messageOf(error)}`);
    return undefined;
  }
}

/** Most kernels never need one. */
class LazyEmbedder implements Pick<Embedder, 'embed'>, AsyncDisposable {
  readonly #open: () => Promise<Embedder>;
  #opened: Promise<Embedder> | undefined;

  constructor(open: () => Promise<Embedder>) {
    this.#open = open;
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    this.#opened ??= this.#open();
    return await (await this.#opened).embed(texts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined);
    await opened?.[Symbol.asyncDispose]();
  }
}
