/** One MCP session over messages that somebody else carries: `amk mcp` carries them between its stdio and the kernel. */

import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { JSONRPCMessageSchema, type JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js';
import { parseWith } from '../../shared/agentDefinition.js';
import type { CallerKernel } from './call.js';
import { createMcpServer } from './mcpServer.js';

export async function openMcpSession(
  kernel: CallerKernel,
  send: (message: unknown) => void,
): Promise<{ receive(message: unknown): Promise<void> } & AsyncDisposable> {
  const transport: Transport = {
    start: () => Promise.resolve(),
    send: (message) => {
      send(message);
      return Promise.resolve();
    },
    close: () => {
      transport.onclose?.();
      return Promise.resolve();
    },
  };
  const { server } = createMcpServer(kernel);
  await server.connect(transport);
  return {
    /** @throws KernelError `badRequest` for what is no message of JSON-RPC */
    receive: (input) => {
      const message: JSONRPCMessage = parseWith(JSONRPCMessageSchema, input, 'message');
      transport.onmessage?.(message);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}
