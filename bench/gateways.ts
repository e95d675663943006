/**
 * What the OpenAI gateway adds to a completion, over the same turn computed in this process, and how it holds many
 * streams at once. The simulated driver answers at once, so that what is measured is the gateway alone: sockets, HTTP,
 * JSON and framing, with client and server on one event loop.
 */

import { createHash } from 'node:crypto';
import { Agent as HttpAgent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { systemClock } from '../src/hal/clock.js';
import type { InferenceDriver } from '../src/hal/driver.js';
import { createSimulatedDriver } from '../src/hal/simulated.js';
import type { Agent } from '../src/kernel/agent/agent.js';
import { AssistantTurn } from '../src/kernel/agent/assistantTurn.js';
import { AgentTable } from '../src/kernel/agentTable.js';
import { RowFeed } from '../src/kernel/rowFeed.js';
import { Broker } from '../src/kernel/sandbox/broker.js';
import { Scheduler } from '../src/kernel/scheduler/scheduler.js';
import { Serving } from '../src/kernel/serving.js';
import { tiersOf } from '../src/kernel/stateTiers.js';
import { agentDefinitionSchema } from '../src/shared/agentDefinition.js';
import { percentile, rounded } from './statistics.js';

export interface GatewayBenchOptions {
  /** Completions for the latency. */
  readonly completions: number;
  readonly streams: number;
  readonly streamSeconds: number;
}

interface Latency {
  readonly p50: number;
  readonly p99: number;
}

export interface GatewayFigures {
  readonly inProcessMs: Latency;
  readonly gatewayMs: Latency;
  /** What the gateway adds. */
  readonly addedMs: Latency;
  readonly streams: {
    readonly count: number;
    readonly seconds: number;
    readonly chunks: number;
    readonly lostChunks: number;
    /** Of the heap after a collection where that can be asked for; from the first quarter of the time to its end. */
    readonly heapGrowthMegabytes: number;
  };
}

const token = 'amk-bench';
const client = {
  ...{ id: 'bench', name: 'bench', mostUrgent: 'interactive' as const },
  tokenHash: createHash('sha256').update(token).digest('hex'),
};

export async function benchGateways(options: GatewayBenchOptions): Promise<GatewayFigures> {
  const { inProcess, gateway } = await latencies(options.completions);
  return {
    inProcessMs: inProcess,
    gatewayMs: gateway,
    addedMs: { p50: rounded(gateway.p50 - inProcess.p50), p99: rounded(gateway.p99 - inProcess.p99) },
    streams: await holdStreams(options),
  };
}

interface Rig {
  readonly driver: InferenceDriver;
  readonly scheduler: Scheduler;
  readonly agents: AgentTable;
  readonly serving: Serving;
}

async function withRig(driver: InferenceDriver, body: (rig: Rig) => Promise<void>): Promise<void> {
  const clock = systemClock;
  const scheduler = new Scheduler({ driver, clock });
  const emit = (): void => undefined;
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
    ...{ driver, scheduler, agents, clock, gateways: [], log: () => undefined },
    info: { ...driver.info, bootMs: 0, keepsAgents: false },
    tiers: () => tiersOf(driver, { bytes: 0, quotaBytes: 0 }, undefined),
    limits: { burst: 1e9, openRequests: 10_000 },
  });
  try {
    await body({ driver, scheduler, agents, serving });
  } finally {
    await serving[Symbol.asyncDispose]();
    await agents.stopAll();
    await scheduler.stop();
  }
}

const messages = [{ role: 'user' as const, content: 'Where is roundHalfEven defined?' }];
const answering = (answer: string): InferenceDriver => createSimulatedDriver({ respond: () => answer });
const answer = 'It is defined in a file.';

/** The first ones only warm the program up. */
const warmUp = 50;

/** One of each in turn, so that whatever else the machine does meets both. */
async function latencies(count: number): Promise<{ readonly inProcess: Latency; readonly gateway: Latency }> {
  const [inProcess, gateway]: [number[], number[]] = [[], []];
  await withRig(answering(answer), async (rig) => {
    const { url } = await rig.serving.serve({ port: 0, clients: [client] });
    const connection = new HttpAgent({ keepAlive: true, maxSockets: 1 });
    const definition = agentDefinitionSchema.parse({ name: 'bench' });
    const { agent, end } = rig.agents.host({ definition, task: '', owner: client });
    for (let index = 0; index < count + warmUp; index++) {
      const start = systemClock.now();
      await computeInProcess(rig, agent);
      const between = systemClock.now();
      const text = await post(url, { messages }, connection);
      gateway.push(systemClock.now() - between);
      inProcess.push(between - start);
      if (!text.includes(answer)) throw new Error(`an answer is missing: ${text}`);
    }
    end('answered');
    connection.destroy();
  });
  return { inProcess: latencyOf(inProcess.slice(warmUp)), gateway: latencyOf(gateway.slice(warmUp)) };
}

async function computeInProcess({ driver, scheduler }: Rig, agent: Agent): Promise<void> {
  const turn = new AssistantTurn({
    ...{ driver, constraint: undefined, maxTokens: 100, onToken: () => undefined, onText: () => undefined },
    prompt: driver.tokenize(driver.render(messages, [])),
  });
  await scheduler.compute(agent, turn, agent.cancellation.signal);
}

/** Every stream numbers its words, so that one that is lost is missed. */
async function holdStreams({
  streams,
  streamSeconds,
}: GatewayBenchOptions): Promise<GatewayFigures['streams']> {
  const words = Array.from({ length: 400 }, (_, index) => `w${index}`).join(' ');
  const driver = createSimulatedDriver({ respond: () => words, slots: streams, fault: () => paced() });
  let [chunks, lostChunks] = [0, 0];
  const heaps: number[] = [];
  await withRig(driver, async ({ serving }) => {
    const { url } = await serving.serve({ port: 0, clients: [client] });
    const until = systemClock.now() + streamSeconds * 1000;
    const connections = new HttpAgent({ keepAlive: true, maxSockets: streams });
    const hold = async (index: number): Promise<void> => {
      while (systemClock.now() < until) {
        const asked = { stream: true, messages: [{ role: 'user', content: `stream ${index}` }] };
        let [read, last] = [0, ''];
        await post(url, asked, connections, (event) => {
          const piece = pieceOf(event);
          if (words.startsWith(piece, read)) read += piece.length;
          last = event;
          chunks++;
        });
        if (read !== words.length || last !== 'data: [DONE]') lostChunks++;
      }
    };
    const sampled = sampleHeap(heaps, until, streamSeconds);
    await Promise.all([sampled, ...Array.from({ length: streams }, (_, index) => hold(index))]);
    connections.destroy();
  });
  const early = heaps[Math.floor(heaps.length / 4)] ?? 0;
  const heapGrowthMegabytes = rounded(((heaps.at(-1) ?? 0) - early) / 1e6);
  return { count: streams, seconds: streamSeconds, chunks, lostChunks, heapGrowthMegabytes };
}

/** A step of a device, in which every stream gets a token. */
const paced = (): { readonly kind: 'stall'; readonly until: Promise<void> } => ({
  kind: 'stall',
  until: delay(5),
});

async function sampleHeap(heaps: number[], until: number, seconds: number): Promise<void> {
  while (systemClock.now() < until) {
    (globalThis as { gc?: () => void }).gc?.();
    heaps.push(process.memoryUsage().heapUsed);
    await delay((seconds * 1000) / 12);
  }
}

function pieceOf(event: string): string {
  if (!event.startsWith('data: {')) return '';
  const { choices } = JSON.parse(event.slice('data: '.length)) as {
    readonly choices: readonly { readonly delta: { readonly content?: string } }[];
  };
  return choices[0]?.delta.content ?? '';
}

/** Resolves with the answer, or with nothing where it is read event by event. */
function post(
  url: string,
  body: object,
  agent: HttpAgent,
  onEvent?: (event: string) => void,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` };
    const sent = request(`${url}/v1/chat/completions`, { method: 'POST', headers, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
        if (onEvent === undefined) return;
        const events = text.split('\n\n');
        text = events.pop() ?? '';
        for (const event of events) onEvent(event);
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(JSON.stringify({ model: 'simulated', ...body }));
  });
}

const latencyOf = (times: readonly number[]): Latency => ({
  p50: rounded(percentile(times, 0.5)),
  p99: rounded(percentile(times, 0.99)),
});

export function printGateways(figures: object): void {
  const { streams, ...latencies } = figures as GatewayFigures;
  console.table(latencies);
  console.table({ streams });
}
