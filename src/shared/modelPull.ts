/** What crosses between a program that wants a model file and the one that downloads it. */

import { z } from 'zod';

export const pullRequestSchema = z.strictObject({
  /** `hf:USER/MODEL:QUANT`, `hf:USER/MODEL/FILE.gguf` or the address of a file. */
  uri: z.string().min(1).max(2000),
  /** Absolute path of the folder it is put into; made where it is missing. */
  folder: z.string().min(1),
  /** SHA-256 that the file must have, in hex. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .exactOptional(),
});
export type PullRequest = z.infer<typeof pullRequestSchema>;

export interface PulledFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

export interface PulledModel {
  /** What to open: of a model in several parts the first one. */
  readonly path: string;
  readonly name: string;
  readonly files: readonly PulledFile[];
  /** Against what the checksums were compared. */
  readonly verified: 'given' | 'repository' | 'nothing';
}

export interface PullCalls {
  pull: { in: PullRequest; out: PulledModel };
}

export interface PullEvents {
  progress: { readonly doneBytes: number; readonly totalBytes: number; readonly bytesPerSecond: number };
  /** All of it is here and is being read once more. */
  checking: { readonly totalBytes: number };
}

/** None in this direction. */
export type Nothing = Record<string, never>;
