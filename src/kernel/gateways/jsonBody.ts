/** The body of a request, within a limit: whoever sends more is not read to its end, and is still told so. */

import type { IncomingMessage } from 'node:http';
import { KernelError } from '../../shared/errors.js';

/**
 * @throws KernelError `limitReached` for a body that is too large, `badRequest` for one that is no JSON, `cancelled`
 * when the caller has gone in the middle of it
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const body = await readBytes(request, maxBytes);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch (error) {
    throw new KernelError('badRequest', 'the body is not JSON', { cause: error });
  }
}

async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    // Left early, it would close the connection that the refusal goes over.
    const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > maxBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new KernelError('cancelled', 'the caller has gone', { cause: error });
  }
  if (bytes > maxBytes) throw new KernelError('limitReached', `the body is larger than ${maxBytes} bytes`);
  return Buffer.concat(chunks);
}
