/** Reads a request's body as JSON, within a number of bytes. How long it may take is the server's business. */

import type { IncomingMessage } from 'node:http';
import { KernelError } from '../../shared/errors.js';

/**
 * @throws KernelError `limitReached` as soon as the body is longer than that: the rest is read and forgotten, so that
 *   an answer can be sent; `badRequest` when it is not JSON, or ends in its middle
 */
export async function readJson(request: IncomingMessage, bodyBytes: number): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(request, bodyBytes));
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new KernelError('badRequest', 'the body is not JSON', { cause });
  }
}

function readBytes(request: IncomingMessage, bodyBytes: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    let length = 0;
    request.on('data', (piece: Uint8Array) => {
      length += piece.length;
      if (length <= bodyBytes) {
        pieces.push(piece);
        return;
      }
      pieces.length = 0;
      reject(new KernelError('limitReached', `the body is longer than ${bodyBytes} bytes`));
    });
    request.once('end', () => resolve(Buffer.concat(pieces)));
    request.once('close', () => reject(new KernelError('badRequest', 'the body ends in its middle')));
  });
}
