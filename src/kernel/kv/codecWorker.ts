/**
 * Entry point of a codec's worker thread: encodes and decodes snapshots, one after the other, away from the kernel's
 * event loop. Every request gets one reply, whatever is in it.
 */

import { parentPort } from 'node:worker_threads';
import { invariant, toErrorData } from '../../shared/errors.js';
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
    default:
      return request satisfies never;
  }
}

invariant(parentPort, 'a codec worker has a parent');
const parent = parentPort;
parent.on('message', (request: CodecRequest) => {
  const reply = answer(request);
  const isBytes = reply.ok && reply.value instanceof Uint8Array;
  parent.postMessage(reply, isBytes ? [reply.value.buffer as ArrayBuffer] : []);
});
