// A bare HTTP server for one gateway: who shows a name as its bearer token is the caller of that name. Tests alone.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Gateway } from '../../src/kernel/gateways/caller.js';

export interface GatewayServer extends AsyncDisposable {
  readonly url: URL;
}

export async function serveGateway(gateway: Gateway): Promise<GatewayServer> {
  const server = createServer((request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const name = (request.headers.authorization ?? 'Bearer alice').replace('Bearer ', '');
    void gateway.handle(request, response, { id: name, name, mostUrgent: 'normal' }, gone.signal);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: new URL(`http://127.0.0.1:${port}${gateway.paths[0] ?? ''}`),
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
    },
  };
}
