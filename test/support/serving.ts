/** The kernel's HTTP server on any driver, in this process, with the agents and the scheduler that a kernel has. */

import { createHash } from 'node:crypto';
import { systemClock } from '../../src/hal/clock.js';
import type { InferenceDriver } from '../../src/hal/driver.js';
import type { Embedder } from '../../src/hal/embedder.js';
import { AgentTable } from '../../src/kernel/agentTable.js';
import type { GatewayLimits } from '../../src/kernel/gateways/limits.js';
import { RowFeed } from '../../src/kernel/rowFeed.js';
import { Broker } from '../../src/kernel/sandbox/broker.js';
import { Scheduler } from '../../src/kernel/scheduler/scheduler.js';
import { Serving } from '../../src/kernel/serving.js';
import { tiersOf } from '../../src/kernel/stateTiers.js';
import type { GatewayClient } from '../../src/shared/protocol.js';

export interface ServedKernel {
  readonly url: string;
  readonly port: number;
  readonly serving: Serving;
  readonly agents: AgentTable;
  readonly scheduler: Scheduler;
  readonly log: readonly string[];
  close(): Promise<void>;
}

export interface ServedOptions {
  readonly driver: InferenceDriver;
  readonly clients: readonly GatewayClient[];
  readonly embedder?: { readonly model: string; readonly open: () => Promise<Embedder> };
  readonly limits?: Partial<GatewayLimits>;
  readonly port?: number;
}

export const tokenOf = (name: string): string => `amk-token-of-${name}`;

export const clientNamed = (
  name: string,
  mostUrgent: GatewayClient['mostUrgent'] = 'interactive',
): GatewayClient => ({
  ...{ id: name, name, mostUrgent },
  tokenHash: createHash('sha256').update(tokenOf(name)).digest('hex'),
});

export async function serveKernel(options: ServedOptions): Promise<ServedKernel> {
  const { driver, clients, embedder, limits, port = 0 } = options;
  const clock = systemClock;
  const scheduler = new Scheduler({ driver, clock });
  const emit = (): void => undefined;
  const log: string[] = [];
  const agents = new AgentTable({
    ...{ driver, scheduler, clock, emit, feed: new RowFeed(emit) },
    broker: new Broker({ prompter: { ask: () => Promise.reject(new Error('nobody is asked here')) }, clock }),
    toolbox: {
      signatures: () => [],
      invoke: () => Promise.reject(new Error('no tool runs here')),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  });
  const serving = new Serving({
    ...{ driver, scheduler, agents, clock, gateways: [] },
    info: { ...driver.info, bootMs: 0, keepsAgents: false },
    tiers: () => tiersOf(driver, { bytes: 0, quotaBytes: 0 }, undefined),
    ...(embedder !== undefined && { embedder }),
    log: (_, message) => log.push(message),
    ...(limits !== undefined && { limits }),
  });
  const close = async (): Promise<void> => {
    await serving[Symbol.asyncDispose]();
    await agents.stopAll();
    await scheduler.stop();
  };
  try {
    const { url } = await serving.serve({ port, clients: [...clients] });
    return { url, port: Number(new URL(url).port), serving, agents, scheduler, log, close };
  } catch (error) {
    await close();
    throw error;
  }
}
