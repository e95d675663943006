/**
 * The one error type that crosses a process boundary. Three kinds of failure stay apart: an expected failure
 * carries a code of the closed union below; a bug carries the code `bug` and comes from `invariant`; bad output
 * of a model or tool is data and is never thrown.
 */

export type ErrorCode =
  | 'badRequest' // the caller's input is wrong; the message names the field and the value
  | 'unknownCall' // no such call in the protocol table
  | 'protocolMismatch' // the two processes were built from different protocol versions
  | 'peerGone' // the other process ended or closed the channel
  | 'cancelled' // the caller took the call back
  | 'denied' // no grant covers it, or a person refused
  | 'notFound' // no such agent, grant, tool or file
  | 'modelUnusable' // model file missing, truncated, not GGUF, or refused by the engine
  | 'outOfMemory' // model or context does not fit
  | 'unsafeConfiguration' // a setting known to crash the engine
  | 'untrustedWorkspace' // nothing runs in Restricted Mode
  | 'limitReached' // a quota or limit of shared/limits was hit
  | 'deviceFailed' // the inference engine failed in the middle of a step
  | 'stateInvalid' // a snapshot or a state file is damaged, incomplete or not one of ours
  | 'stateMismatch' // attention state of another model, engine release or cache layout
  | 'storeLocked' // another kernel uses the same store
  | 'storageFull' // the disk or a storage quota is full
  | 'storageFailed' // the disk refused to read, write or flush
  | 'sandboxStopped' // a module was stopped by one of its limits
  | 'kernelStopped' // the kernel process ended while the call was open
  | 'bug';

/** Plain form of a {@link KernelError}, as it crosses a channel. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
}

export class KernelError extends Error {
  readonly code: ErrorCode;

  /** @param message one sentence: what was wrong, and with which value. What the user can do is added at the edge. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KernelError';
    this.code = code;
  }
}

/** Anything thrown, as data. What is not a KernelError is a bug by definition. */
export function toErrorData(thrown: unknown): ErrorData {
  if (thrown instanceof KernelError) return { code: thrown.code, message: thrown.message };
  return {
    code: 'bug',
    message: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
  };
}

export function fromErrorData(data: ErrorData): KernelError {
  return new KernelError(data.code, data.message);
}

/** Any thrown value's message, for text that a person reads. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Stops at the place where an assumption broke, by name (as a kernel's panic does). */
export function invariant(condition: unknown, name: string): asserts condition {
  if (!condition) throw new KernelError('bug', `invariant broken: ${name}`);
}
