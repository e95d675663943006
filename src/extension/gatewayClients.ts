/**
 * The programs that may call the kernel over HTTP, as the editor's secret storage keeps them: by the hash of their token.
 * A token itself is returned once, when it is made, and is nowhere afterwards.
 */

import { z } from 'zod';
import { createGatewayClient, type NewClient } from '../client/gatewayToken.js';
import { KernelError } from '../shared/errors.js';
import { gatewayClientsSchema, type GatewayClient } from '../shared/protocol.js';
import type { Secrets } from './stateKey.js';

const secretName = 'gatewayClients';

/** @throws KernelError `stateInvalid` when what is there is no list of programs */
export async function gatewayClients(secrets: Pick<Secrets, 'get'>): Promise<readonly GatewayClient[]> {
  const clients = listSchema.safeParse((await secrets.get(secretName)) ?? '[]');
  if (clients.success) return clients.data;
  throw new KernelError('stateInvalid', 'the secret storage of the editor holds no usable list of programs');
}

const listSchema = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue('no JSON');
      return z.NEVER;
    }
  })
  .pipe(gatewayClientsSchema);

/** A program of the same name gets a new token, and its old one holds no more. */
export async function addGatewayClient(secrets: Secrets, name: string): Promise<NewClient> {
  const made = createGatewayClient(name);
  const others = (await gatewayClients(secrets)).filter(({ id }) => id !== made.client.id);
  await secrets.store(secretName, JSON.stringify([...others, made.client]));
  return made;
}

export async function removeGatewayClient(secrets: Secrets, id: string): Promise<void> {
  const others = (await gatewayClients(secrets)).filter((client) => client.id !== id);
  await secrets.store(secretName, JSON.stringify(others));
}
