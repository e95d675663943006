/**
 * The kernel's side of MCP before anybody speaks it: the official SDK is loaded with the first request, so that a
 * kernel without MCP clients neither starts later nor holds memory for them.
 */

import type { CallerKernel } from './call.js';
import type { Caller, Gateway } from './caller.js';

export interface Mcp extends AsyncDisposable {
  /** Streamable HTTP, for programs with a token. */
  readonly gateway: Gateway;
  /** A message of the one session that the kernel's own client passes on, as `amk mcp` does. */
  receive(message: unknown): Promise<void>;
}

export interface McpOptions {
  readonly viewOf: (caller: Caller) => CallerKernel;
  /** Who the kernel's own client is. */
  readonly local: Caller;
  readonly send: (message: unknown) => void;
}

/** The code that JSON-RPC leaves to servers. */
const serverError = -32_000;

export function createMcp({ viewOf, local, send }: McpOptions): Mcp {
  let gateway: Promise<Gateway> | undefined;
  let session: Promise<Pick<Mcp, 'receive'> & AsyncDisposable> | undefined;
  const opened = (): Promise<Gateway> =>
    (gateway ??= import('./mcpGateway.js').then(({ createMcpGateway }) => createMcpGateway({ viewOf })));
  const close = async (): Promise<void> => {
    await (await gateway)?.[Symbol.asyncDispose]();
    await (await session)?.[Symbol.asyncDispose]();
  };
  return {
    gateway: {
      paths: ['/mcp'],
      errorForm: ({ message }) => ({ jsonrpc: '2.0', error: { code: serverError, message }, id: null }),
      handle: async (...request) => {
        await (await opened()).handle(...request);
      },
      [Symbol.asyncDispose]: async () => {
        await (await gateway)?.[Symbol.asyncDispose]();
      },
    },
    receive: async (message) => {
      session ??= import('./mcpSession.js').then(({ openMcpSession }) => openMcpSession(viewOf(local), send));
      await (await session).receive(message);
    },
    [Symbol.asyncDispose]: close,
  };
}
