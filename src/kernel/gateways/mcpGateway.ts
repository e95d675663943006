/**
 * MCP over Streamable HTTP: finds the session that a request belongs to, or opens one, and leaves the protocol to the
 * official SDK. A session is its caller's alone. One that nobody uses any more ends, and what it had begun is taken
 * back; a caller whose connection broke has a while to come back to it.
 */

import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { toErrorData } from '../../shared/errors.js';
import { mcpLimits } from '../../shared/limits.js';
import type { CallerKernel } from './call.js';
import type { Caller, Gateway } from './caller.js';
import { createEventStore } from './eventStore.js';
import { createMcpServer, type McpSessionServer } from './mcpServer.js';
import { readJson } from './requestBody.js';

export type McpLimits = Readonly<Record<keyof typeof mcpLimits, number>>;

export interface McpGatewayOptions {
  readonly viewOf: (caller: Caller) => CallerKernel;
  readonly limits?: Partial<McpLimits>;
}

export function createMcpGateway(options: McpGatewayOptions): Gateway {
  return new McpGateway(options);
}

interface Session {
  readonly caller: Caller['id'];
  readonly transport: StreamableHTTPServerTransport;
  readonly server: McpSessionServer;
  /** Answers that are being written. */
  connections: number;
  timer: NodeJS.Timeout | undefined;
}

class McpGateway implements Gateway {
  readonly paths = ['/mcp'];
  readonly #viewOf: McpGatewayOptions['viewOf'];
  readonly #limits: McpLimits;
  readonly #sessions = new Map<string, Session>();

  constructor({ viewOf, limits }: McpGatewayOptions) {
    this.#viewOf = viewOf;
    this.#limits = { ...mcpLimits, ...limits };
  }

  async handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    const id = request.headers['mcp-session-id'];
    const session = typeof id === 'string' ? this.#sessions.get(id) : undefined;
    if (id !== undefined && session?.caller !== caller.id) {
      // The protocol has a client begin anew on this.
      refuse(response, 404, -32001, 'there is no such session');
      return;
    }
    try {
      const { bodyBytes } = this.#limits;
      const body = request.method === 'POST' ? await readJson(request, bodyBytes) : undefined;
      if (session !== undefined) await this.#serve(session, request, response, body);
      else await this.#open(request, response, caller, body);
    } catch (error) {
      refuseFor(error, response);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([...this.#sessions.values()].map((session) => this.#close(session)));
  }

  async #open(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    body: unknown,
  ): Promise<void> {
    if (!isInitializeRequest(body)) {
      refuse(response, 400, -32000, 'a session begins with initialize; afterwards mcp-session-id names it');
      return;
    }
    if (!(await this.#makeRoom(caller))) {
      refuse(response, 429, -32000, 'too many sessions are in use; end one with DELETE');
      return;
    }
    const transport: StreamableHTTPServerTransport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: createEventStore(),
      onsessioninitialized: (id) => void this.#sessions.set(id, session),
    });
    const server = createMcpServer(this.#viewOf(caller));
    const session: Session = { caller: caller.id, transport, server, connections: 0, timer: undefined };
    server.onIdle(() => this.#watch(session));
    await server.server.connect(transport);
    const closed = transport.onclose;
    transport.onclose = () => {
      closed?.();
      this.#forget(session);
    };
    await this.#serve(session, request, response, body);
  }

  async #serve(
    session: Session,
    request: IncomingMessage,
    response: ServerResponse,
    body: unknown,
  ): Promise<void> {
    session.connections++;
    const { sessionId } = session.transport;
    // Sessions stand in the order they were used last.
    if (sessionId !== undefined && this.#sessions.delete(sessionId)) this.#sessions.set(sessionId, session);
    this.#watch(session);
    response.once('close', () => {
      session.connections--;
      this.#watch(session);
    });
    await session.transport.handleRequest(request, response, body);
  }

  /** Many clients never end a session: the one that nobody has used for longest gives way. */
  async #makeRoom({ id }: Caller): Promise<boolean> {
    const all = [...this.#sessions.values()];
    const own = all.filter(({ caller }) => caller === id);
    if (own.length < this.#limits.sessionsPerCaller && all.length < this.#limits.sessions) return true;
    const unused = own.find(({ connections, server }) => connections === 0 && server.openCalls() === 0);
    if (unused !== undefined) await this.#close(unused);
    return unused !== undefined;
  }

  /** As long as somebody is connected, a session stays. */
  #watch(session: Session): void {
    clearTimeout(session.timer);
    if (session.connections > 0) return;
    const { idleMs, resumeMs } = this.#limits;
    const ms = session.server.openCalls() > 0 ? resumeMs : idleMs;
    session.timer = setTimeout(() => void this.#close(session).catch(() => undefined), ms);
    session.timer.unref();
  }

  /** Every call of it is taken back. */
  async #close(session: Session): Promise<void> {
    this.#forget(session);
    await session.server.server.close();
  }

  #forget(session: Session): void {
    clearTimeout(session.timer);
    const { sessionId } = session.transport;
    if (sessionId !== undefined) this.#sessions.delete(sessionId);
  }
}

function refuseFor(error: unknown, response: ServerResponse): void {
  const { code, message } = toErrorData(error);
  if (code === 'limitReached') refuse(response, 413, -32600, message);
  else if (code === 'badRequest') refuse(response, 400, -32700, message);
  else refuse(response, 500, -32603, 'the request failed in the kernel');
}

const errorForm = (code: number, message: string): object => ({
  jsonrpc: '2.0',
  error: { code, message },
  id: null,
});

/** An error that no session answers, in the form of the protocol. */
function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(status === 413 && { connection: 'close' }),
  });
  response.end(JSON.stringify(errorForm(code, message)));
}
