/**
 * The kernel's HTTP server as its client turns it on and off: the gateways and who may call. Off until a person turns it
 * on; at its end everybody who called is gone. What an agent or a tool does never reaches this.
 */

import type { Clock } from '../hal/clock.js';
import type { InferenceDriver } from '../hal/driver.js';
import type { Embedder } from '../hal/embedder.js';
import { parseWith } from '../shared/agentDefinition.js';
import { KernelError } from '../shared/errors.js';
import { serveRequestSchema, type KernelInfo, type LogLevel, type StateTiers } from '../shared/protocol.js';
import type { AgentTable } from './agentTable.js';
import type { Gateway } from './gateways/caller.js';
import { Callers } from './gateways/callers.js';
import { openHttpServer, type HttpServer } from './gateways/httpServer.js';
import type { GatewayLimits } from './gateways/limits.js';
import { createMetricsGateway } from './gateways/metrics.js';
import { createOpenAiGateway, type OpenAiGateway } from './gateways/openai/gateway.js';
import type { Scheduler } from './scheduler/scheduler.js';

export interface ServingParts {
  readonly driver: InferenceDriver;
  readonly scheduler: Scheduler;
  readonly agents: Pick<AgentTable, 'all' | 'host'>;
  readonly clock: Clock;
  readonly info: KernelInfo;
  readonly tiers: () => StateTiers;
  /** Beside those that every kernel has. Whoever made them ends them. */
  readonly gateways: readonly Gateway[];
  readonly embedder?: { readonly model: string; readonly open: () => Promise<Embedder> } | undefined;
  readonly log: (level: LogLevel, message: string) => void;
  readonly limits?: Partial<GatewayLimits>;
}

export class Serving implements AsyncDisposable {
  readonly #parts: ServingParts;
  readonly #callers = new Callers();
  readonly #openAi: OpenAiGateway;
  #embedder: Promise<Embedder> | undefined;
  #server: Promise<HttpServer> | undefined;

  constructor(parts: ServingParts) {
    const { driver, scheduler, agents, embedder, limits } = parts;
    this.#parts = parts;
    this.#openAi = createOpenAiGateway({
      ...{ driver, scheduler, host: (options) => agents.host(options) },
      embedder: embedder && {
        model: embedder.model,
        open: () => (this.#embedder ??= this.#opened(embedder.open())),
      },
      ...(limits !== undefined && { limits }),
    });
    this.#callers.onDidRevoke(({ id }) => this.#openAi.forget(id));
  }

  /** @throws KernelError `badRequest`, also for a port that cannot be had */
  async serve(input: unknown): Promise<{ readonly url: string }> {
    const { port, clients } = parseWith(serveRequestSchema, input, 'serve');
    const running = await this.#server;
    if (running !== undefined && port !== 0 && port !== running.port) {
      throw new KernelError('badRequest', `the kernel serves on port ${running.port} already`);
    }
    this.#callers.replace(clients);
    if (this.#server === undefined) {
      this.#server = this.#open(port);
      this.#server.catch(() => (this.#server = undefined));
    }
    return { url: (await this.#server).url };
  }

  async stop(): Promise<void> {
    const server = await this.#server?.catch(() => undefined);
    this.#server = undefined;
    this.#callers.replace([]);
    await server?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.#openAi[Symbol.asyncDispose]();
    await (await this.#embedder?.catch(() => undefined))?.[Symbol.asyncDispose]();
  }

  async #open(port: number): Promise<HttpServer> {
    const { agents, info, driver, tiers, gateways, clock, log, limits } = this.#parts;
    const metrics = createMetricsGateway({
      ...{ info, tiers, rows: () => agents.all().map((agent) => agent.row()) },
      slotsInUse: () => driver.slots.filter(({ length }) => length > 0).length,
    });
    return await openHttpServer({
      ...{ port, callers: this.#callers, clock, log },
      gateways: [this.#openAi, metrics, ...gateways],
      ...(limits !== undefined && { limits }),
    });
  }

  /** One that could not be opened is tried again with the next request. */
  async #opened(embedder: Promise<Embedder>): Promise<Embedder> {
    try {
      return await embedder;
    } catch (error) {
      this.#embedder = undefined;
      throw error;
    }
  }
}
