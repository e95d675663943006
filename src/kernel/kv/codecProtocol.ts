/** What the codec's pool and its worker threads say to each other: one request, then its one reply. */

import type { StateFacts } from '../../hal/driver.js';
import type { ErrorData } from '../../shared/errors.js';
import type { AttentionInput, AttentionInputOptions } from './attentionInput.js';
import type { EncodeOptions, SnapshotInfo } from './snapshot.js';

/** Each with what it is asked and what it answers. Bytes are moved, both ways: the sender has them no more. */
export interface CodecCalls {
  encode: { in: { readonly stateFile: Uint8Array } & EncodeOptions; out: Uint8Array };
  decode: { in: { readonly snapshot: Uint8Array; readonly facts: StateFacts }; out: Uint8Array };
  inspect: { in: { readonly snapshot: Uint8Array }; out: SnapshotInfo };
  forAttention: { in: { readonly stateFile: Uint8Array } & AttentionInputOptions; out: AttentionInput };
}

export type CodecRequest = {
  [Name in keyof CodecCalls]: { readonly kind: Name } & CodecCalls[Name]['in'];
}[keyof CodecCalls];

export type CodecReply =
  | { readonly ok: true; readonly value: CodecCalls[keyof CodecCalls]['out'] }
  | { readonly ok: false; readonly error: ErrorData };
