/** What the attention reader and its process say to each other: `open` once, then one reading after the other. */

import type { ReadableState } from '../attention.js';

export interface ReaderSetup {
  readonly modelPath: string;
  /** Types of the reader's own cache, which are those of the states that it is given. */
  readonly keyType: string;
  readonly valueType: string;
  readonly threads: number;
}

export type ReaderRequest =
  | { readonly kind: 'open'; readonly setup: ReaderSetup }
  | { readonly kind: 'read'; readonly state: ReadableState };

export type ReaderReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reading'; readonly received: Float32Array }
  | { readonly kind: 'failed'; readonly reason: string }
  /** No reading will ever succeed here. */
  | { readonly kind: 'unavailable'; readonly reason: string };
