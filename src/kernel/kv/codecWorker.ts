/**
 * Entry point of a codec's worker thread: encodes and decodes snapshots, one after the other, away from the kernel's
 * event loop. Every request gets one reply, whatever is in it.
 */

import { parentPort } from 'node:worker_threads';
import { invariant, toErrorData } from '../../shared/errors.js';
import { attentionInput } from './attentionInput.js';
import type { CodecReply, CodecRequest } from './codecProtocol.js';
import { decodeSnapshot, encodeSnapshot, inspectSnapshot } from './snapshot.js';

function answer(request: CodecRequest): CodecReply {
  try {
    return { ok: true, value: perform(request) };
  } catch (error) {
    return { ok: false, error: toErrorData(error) };
  }
}

function perform(request: CodecRequest) {
  switch (request.kind) {
    case 'encode':
      return encodeSnapshot(request.stateFile, request);
    case 'decode':
      return decodeSnapshot(request.snapshot, request.facts);
    case 'inspect':
      return inspectSnapshot(request.snapshot);
    case 'forAttention':
      return attentionInput(request.stateFile, request);
    default:
      return request satisfies never;
  }
}

/** What is large in an answer is moved. */
function bytesOf(value: Extract<CodecReply, { ok: true }>['value']): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  return 'stateFile' in value ? value.stateFile : undefined;
}

invariant(parentPort, 'a codec worker has a parent');
const parent = parentPort;
parent.on('message', (request: CodecRequest) => {
  const reply = answer(request);
  const bytes = reply.ok ? bytesOf(reply.value) : undefined;
  parent.postMessage(reply, bytes === undefined ? [] : [bytes.buffer as ArrayBuffer]);
});
