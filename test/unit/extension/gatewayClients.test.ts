// The editor's list of programs that may call the kernel: what is kept of a token, and that it can be taken back.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  addGatewayClient,
  gatewayClients,
  removeGatewayClient,
} from '../../../src/extension/gatewayClients.js';
import { KernelError } from '../../../src/shared/errors.js';

function secretsWith(initial?: string) {
  const kept = new Map<string, string>(initial === undefined ? [] : [['gatewayClients', initial]]);
  return {
    kept,
    get: (name: string) => Promise.resolve(kept.get(name)),
    store: (name: string, value: string) => Promise.resolve(void kept.set(name, value)),
  };
}

suite('programs that may call', () => {
  test('of a token its hash is kept and nothing else', async () => {
    const secrets = secretsWith();
    const { token, client } = await addGatewayClient(secrets, 'planner');
    assert.match(token, /^amk-[\w-]{43}$/);
    assert.equal(client.tokenHash, createHash('sha256').update(token).digest('hex'));
    assert.deepEqual(await gatewayClients(secrets), [client]);
    assert.ok(![...secrets.kept.values()].join('').includes(token));
  });

  test('a new token takes the place of the old one of that program', async () => {
    const secrets = secretsWith();
    const first = await addGatewayClient(secrets, 'planner');
    const second = await addGatewayClient(secrets, 'planner');
    await addGatewayClient(secrets, 'Planner');
    const clients = await gatewayClients(secrets);
    assert.notEqual(first.client.tokenHash, second.client.tokenHash);
    assert.deepEqual(
      clients.map(({ name }) => name),
      ['planner', 'Planner'],
    );
    assert.notEqual(clients[0]?.id, clients[1]?.id);
  });

  test('a program that is taken away is gone', async () => {
    const secrets = secretsWith();
    const { client } = await addGatewayClient(secrets, 'planner');
    await removeGatewayClient(secrets, client.id);
    assert.deepEqual(await gatewayClients(secrets), []);
  });

  for (const text of ['nonsense', '{}', '[{"id":1}]']) {
    test(`${text} is no list`, () =>
      assert.rejects(
        gatewayClients(secretsWith(text)),
        (error) => error instanceof KernelError && error.code === 'stateInvalid',
      ));
  }
});
