/**
 * A copy of what a client has computed, for whoever keeps it or looks at it: of its slot, or of what the memory tier holds
 * of it. The copy is a file of the memory tier's folder and belongs to whoever asked for it, who removes it.
 */

import type { Token } from '../hal/driver.js';
import type { ParkedState, SwapSpace } from './kv/swapSpace.js';
import type { Client } from './scheduler/job.js';
import type { Scheduler } from './scheduler/scheduler.js';

export interface StateCopySources {
  readonly scheduler: Pick<Scheduler, 'snapshot'>;
  readonly swap: Pick<SwapSpace, 'of'>;
  /** The memory tier's folder. */
  readonly files: {
    path(name: string): string;
    link(name: string, second: string): Promise<void>;
    remove(name: string): Promise<void>;
  };
}

export interface StateCopy {
  readonly name: string;
  readonly tokens: readonly Token[];
}

/** Undefined where nothing of it is left, or it could not be written; then there is no file. */
export async function copyState(
  client: Client,
  name: string,
  { scheduler, swap, files }: StateCopySources,
): Promise<StateCopy | undefined> {
  const tokens = await scheduler.snapshot(client, files.path(name));
  if (tokens !== undefined) return { name, tokens };
  await files.remove(name);
  const parked = swap.of(client);
  return parked === undefined ? undefined : await linkState(parked, name, files);
}

/** The memory tier may have removed the file; then there is nothing to keep. */
export async function linkState(
  parked: Pick<ParkedState, 'name' | 'tokens'>,
  name: string,
  files: Pick<StateCopySources['files'], 'link'>,
): Promise<StateCopy | undefined> {
  try {
    await files.link(parked.name, name);
    return { name, tokens: parked.tokens };
  } catch {
    return undefined;
  }
}
