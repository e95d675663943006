/**
 * Tokens of programs that may call a kernel over HTTP. A token is made here, shown to the person once, and known to the
 * kernel by its hash alone.
 */

import { createHash, randomBytes } from 'node:crypto';
import type { GatewayClient } from '../shared/protocol.js';

export interface NewClient {
  readonly client: GatewayClient;
  readonly token: string;
}

/** @param name as the person calls it; the id that follows from it is the same every time */
export function createGatewayClient(name: string): NewClient {
  const token = `amk-${randomBytes(32).toString('base64url')}`;
  return { token, client: gatewayClientOf(name, token) };
}

function gatewayClientOf(name: string, token: string): GatewayClient {
  return {
    id: idOf(name),
    name,
    tokenHash: createHash('sha256').update(token).digest('hex'),
    mostUrgent: 'interactive',
  };
}

/** Names that differ only in what an id cannot hold are told apart by their digest. */
const idOf = (name: string): string => {
  const word = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return word === name ? name : `${word}-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
};
