/**
 * The kernel's HTTP server, for programs of the same machine that the person gave a token to. It decides who comes in
 * (this machine alone, no foreign page, a known token, not too often and not too much) and hands each request to the
 * gateway of its path. Whatever comes over the wire, it answers or closes, and never throws. When a caller has gone,
 * its token was revoked or the server ends, the signal of the request is aborted at once.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Clock } from '../../hal/clock.js';
import { KernelError, messageOf } from '../../shared/errors.js';
import type { LogLevel } from '../../shared/protocol.js';
import type { Caller, Gateway } from './caller.js';
import type { Callers } from './callers.js';
import { gatewayLimits, type GatewayLimits } from './limits.js';
import { RateLimit } from './rateLimit.js';
import { refuse, type Refusal } from './refusal.js';

export interface HttpServerOptions {
  /** 0: any that is free. */
  readonly port: number;
  readonly callers: Callers;
  readonly gateways: readonly Gateway[];
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string) => void;
  readonly limits?: Partial<GatewayLimits>;
}

const host = '127.0.0.1';

/** One request that is being answered. */
interface Open {
  readonly caller: Caller;
  readonly abort: AbortController;
}

/** @throws KernelError `badRequest` when the port is in use or not to be had */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const server = new HttpServer(options);
  try {
    await server.listen(options.port);
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw new KernelError('badRequest', `port ${options.port} cannot be used: ${messageOf(error)}`, {
      cause: error,
    });
  }
  return server;
}

export class HttpServer implements AsyncDisposable {
  readonly #options: HttpServerOptions;
  readonly #limits: GatewayLimits;
  readonly #server: Server;
  readonly #rates: RateLimit;
  readonly #open = new Set<Open>();
  readonly #revocations: { dispose(): void };

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const limits = { ...gatewayLimits, ...options.limits };
    this.#limits = limits;
    this.#rates = new RateLimit(options.clock, limits);
    this.#server = createServer({
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: limits.idleMs,
      connectionsCheckingInterval: limits.checkMs,
      maxHeaderSize: 16 * 1024,
      noDelay: true,
    });
    this.#server.maxConnections = limits.connections;
    this.#server.on('request', (request, response) => this.#answer(request, response));
    // Who asks whether it may send a large body is told before it does.
    this.#server.on('checkContinue', (request, response) => this.#answer(request, response));
    this.#server.on('connection', (socket: Socket) => socket.on('error', () => undefined));
    this.#revocations = options.callers.onDidRevoke(({ id }) => this.#end(id));
  }

  get url(): string {
    return `http://${host}:${this.port}`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    this.#server.on('error', (error) => this.#options.log('warn', `the HTTP server: ${messageOf(error)}`));
  }

  /** Nobody is let in any more, and who is in is put out. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#revocations.dispose();
    for (const { abort } of this.#open) abort.abort();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** The requests of a caller whose token holds no more. */
  #end(id: string): void {
    for (const { caller, abort } of this.#open) if (caller.id === id) abort.abort();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '' } = request;
    const path = url.split('?', 1)[0] ?? '';
    response.on('error', () => undefined);
    response.setHeader('cache-control', 'no-store');
    response.setHeader('x-content-type-options', 'nosniff');
    const start = this.#options.clock.now();
    let name = '-';
    response.once('close', () => {
      const ms = Math.round(this.#options.clock.now() - start);
      const status = response.writableFinished ? String(response.statusCode) : 'caller gone';
      this.#options.log('info', `${name} ${method} ${path.slice(0, 100)}: ${status}, ${ms} ms`);
    });
    const gateway = this.#gatewayOf(path);
    const admitted = this.#admit(request);
    if (gateway === undefined || 'status' in admitted) {
      const unknown = { status: 404, code: 'unknown_url', message: `there is no ${path.slice(0, 100)}` };
      refuse(response, 'status' in admitted ? admitted : unknown, gateway);
      return;
    }
    name = admitted.name;
    if (request.headers.expect !== undefined) response.writeContinue();
    void this.#handle(request, response, admitted, gateway);
  }

  /** The checks that need nothing of the body, cheapest and least telling first. */
  #admit(request: IncomingMessage): Caller | Refusal {
    const { headers } = request;
    if (!this.#isOwnHost(headers.host))
      return { status: 403, code: 'foreign_host', message: 'the Host header is not this server' };
    const { origin } = headers;
    if (origin !== undefined && !this.#isOwnOrigin(origin)) {
      return { status: 403, code: 'foreign_origin', message: 'requests of this Origin are not answered' };
    }
    const caller = this.#options.callers.find(headers.authorization);
    if (caller === undefined) {
      const message = 'the request has no token, or one that is not known or was revoked';
      return { status: 401, code: 'invalid_api_key', message };
    }
    if (Number(headers['content-length'] ?? 0) > this.#limits.bodyBytes) {
      const message = `the body is larger than ${this.#limits.bodyBytes} bytes`;
      return { status: 413, code: 'request_too_large', message };
    }
    return this.#tooMuch(caller) ?? caller;
  }

  #tooMuch(caller: Caller): Refusal | undefined {
    const open = [...this.#open].filter((each) => each.caller.id === caller.id).length;
    const waitSeconds = open >= this.#limits.openRequests ? 1 : this.#rates.take(caller.id);
    if (waitSeconds === 0) return undefined;
    const message = `${caller.name} asks too often, or too much at once`;
    return { status: 429, code: 'rate_limit_exceeded', message, retryAfterSeconds: Math.ceil(waitSeconds) };
  }

  async #handle(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    gateway: Gateway,
  ): Promise<void> {
    const open: Open = { caller, abort: new AbortController() };
    this.#open.add(open);
    response.once('close', () => {
      this.#open.delete(open);
      open.abort.abort();
    });
    try {
      await gateway.handle(request, response, caller, open.abort.signal);
    } catch (error) {
      this.#options.log('error', `a request of ${caller.name} failed: ${messageOf(error)}`);
      const refusal = { status: 500, code: 'internal_error', message: 'the request failed in the kernel' };
      if (response.headersSent) response.destroy();
      else refuse(response, refusal, gateway);
    }
  }

  #gatewayOf(path: string): Gateway | undefined {
    return this.#options.gateways.find(({ paths }) =>
      paths.some((each) => (each.endsWith('/') ? path.startsWith(each) : path === each)),
    );
  }

  #isOwnHost(name: string | undefined): boolean {
    return [host, 'localhost'].some((own) => name?.toLowerCase() === `${own}:${this.port}`);
  }

  #isOwnOrigin(origin: string): boolean {
    return origin.startsWith('http://') && this.#isOwnHost(origin.slice('http://'.length));
  }
}
