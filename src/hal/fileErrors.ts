/** What the file system's error codes mean to the kernel. One table, so that every file of the storage says the same. */

import { KernelError, messageOf, type ErrorCode } from '../shared/errors.js';

/** Whether it is an error of node:fs with one of these codes. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}

/** A system call's failure as a KernelError; a KernelError stays what it is. */
export function storageError(error: unknown, what: string): KernelError {
  if (error instanceof KernelError) return error;
  const [code, reason] = meaningOf(error);
  return new KernelError(code, `${what}: ${reason}`, { cause: error });
}

function meaningOf(error: unknown): readonly [code: ErrorCode, reason: string] {
  if (hasCode(error, 'ENOSPC')) return ['storageFull', 'the disk is full'];
  if (hasCode(error, 'EDQUOT')) return ['storageFull', 'the disk quota of this user is used up'];
  if (hasCode(error, 'EFBIG')) return ['storageFull', 'the file system takes no larger file'];
  if (hasCode(error, 'ENOENT')) return ['notFound', 'it does not exist'];
  return ['storageFailed', messageOf(error)];
}
