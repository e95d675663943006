/** Whether a model and the attention state of all slots fit into memory. Says no with figures, and reduces nothing. */

import { KernelError } from '../../shared/errors.js';
import { formatBytes } from '../byteSize.js';

export interface MemoryBudget {
  readonly modelBytes: number;
  readonly kvBytes: number;
  readonly slots: number;
  readonly contextTokens: number;
  readonly freeBytes: number;
}

/** @throws KernelError `outOfMemory` */
export function checkMemory(budget: MemoryBudget): void {
  if (budget.modelBytes + budget.kvBytes > budget.freeBytes) throw outOfMemory(budget);
}

export function outOfMemory(budget: MemoryBudget, cause?: unknown): KernelError {
  const { modelBytes, kvBytes, slots, contextTokens, freeBytes } = budget;
  return new KernelError(
    'outOfMemory',
    `the model needs ${formatBytes(modelBytes)} and the KV cache of ${slots} × ${contextTokens} tokens ` +
      `${formatBytes(kvBytes)}, but ${formatBytes(freeBytes)} of memory are free`,
    { cause },
  );
}
