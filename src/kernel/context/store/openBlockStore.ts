/**
 * Opens the store that the setting names. The client of an external store is loaded when it is named, and not before:
 * each is a file of its own beside the kernel's. A store that cannot be opened is the caller's to tell of; the kernel's
 * own opens always, in memory alone where there is no folder or the folder fails.
 */

import type { DurableFolder } from '../../../hal/durableFolder.js';
import { messageOf } from '../../../shared/errors.js';
import { remoteStoreTimeoutMs } from '../../../shared/limits.js';
import type { LogLevel } from '../../../shared/protocol.js';
import type { VectorStoreSetting } from '../../../shared/settings.js';
import { BlockLog } from './blockLog.js';
import type { BlockStore } from './blockStore.js';
import { OramaStore } from './oramaStore.js';

export interface OpenBlockStoreOptions {
  readonly setting: VectorStoreSetting;
  /** For an external store that asks for one. */
  readonly key?: string | undefined;
  /** Of the kernel's own store; it is closed with it. Without it, blocks end with the kernel. */
  readonly folder?: DurableFolder | undefined;
  readonly encryptionKey?: Uint8Array | undefined;
  /** Of the vectors that will come. */
  readonly dimensions: number;
  readonly timeoutMs?: number;
  readonly log: (level: LogLevel, message: string) => void;
}

/** @throws KernelError `storageFailed` that names the address, `badRequest` when a key is missing; for external stores */
export async function openBlockStore(options: OpenBlockStoreOptions): Promise<BlockStore> {
  const { setting, key, dimensions, timeoutMs = remoteStoreTimeoutMs } = options;
  if (setting === 'orama') return openOwnStore(options);
  const { url, collection } = setting;
  const remote = { url, collection, key, dimensions, timeoutMs };
  switch (setting.kind) {
    case 'chroma':
      return await (await import('./chromaStore.js')).openChromaStore(remote);
    case 'weaviate': {
      const { openWeaviateStore } = await import('./weaviateStore.js');
      return await openWeaviateStore({ ...remote, grpcPort: setting.grpcPort });
    }
    case 'pinecone':
      return await (await import('./pineconeStore.js')).openPineconeStore(remote);
    default:
      return setting satisfies never;
  }
}

async function openOwnStore({ folder, encryptionKey, log }: OpenBlockStoreOptions): Promise<BlockStore> {
  if (folder === undefined) {
    log('info', 'paged blocks are kept in memory alone, and end with the kernel');
    return new OramaStore();
  }
  try {
    const onTrouble = (message: string): void => log('warn', message);
    return await OramaStore.open(await BlockLog.open({ folder, encryptionKey, onTrouble }));
  } catch (error) {
    log('warn', `paged blocks are kept in memory alone, and end with the kernel: ${messageOf(error)}`);
    return new OramaStore();
  }
}
