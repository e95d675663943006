/**
 * What the kernel and a sandbox's worker thread say to each other. Host calls take a second way, a port of their
 * own, on which the worker waits with its thread stopped: a module sees a host call as an ordinary function.
 */

import type { MessagePort } from 'node:worker_threads';

/** The functions a module may import from `extism:host/user`, beside `take_reply`. */
export type HostFunctionName = 'fs_read' | 'fs_list' | 'fs_write' | 'process_run';

/** Extism's functions that are offered; variables, configuration, logging and network are not there at all. */
export const environmentFunctionNames = [
  'alloc',
  'free',
  'length',
  'load_u8',
  'load_u64',
  'store_u8',
  'store_u64',
  'input_length',
  'input_load_u8',
  'input_load_u64',
  'output_set',
  'error_set',
] as const;

/** The function that every tool module exports. */
export const entryPoint = 'execute';

export interface CallLimits {
  /** Bytes of Extism memory that one call may ask for: its result lies there. */
  readonly allocationBytes: number;
  readonly outputBytes: number;
  /** Bytes that one host call may carry to the kernel. */
  readonly requestBytes: number;
  readonly hostCalls: number;
}

export interface WorkerStart {
  readonly module: WebAssembly.Module;
  /** What the module may import; the rest is not there at all. */
  readonly hostFunctions: readonly HostFunctionName[];
  readonly limits: CallLimits;
  readonly hostPort: MessagePort;
  /** One 32-bit word: 0 while the worker waits for a reply, 1 when it is on the port. */
  readonly replied: SharedArrayBuffer;
}

/** worker → kernel */
export type WorkerMessage =
  /** A fresh instance waits for its call. Sent once at the start and once after each call. */
  | { readonly kind: 'ready' }
  /** The module said that it succeeded, or why it failed. */
  | { readonly kind: 'done'; readonly ok: boolean; readonly output: Uint8Array }
  /** The module went beyond a limit. */
  | { readonly kind: 'stopped'; readonly reason: string }
  /** The module trapped, or could not be made an instance of. */
  | { readonly kind: 'failed'; readonly reason: string };

/** worker → kernel, on the port; the answer is the reply's bytes. */
export interface HostRequest {
  readonly name: HostFunctionName;
  readonly bytes: Uint8Array;
}
