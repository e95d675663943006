/**
 * `/metrics`: the kernel in figures, in the text form that Prometheus and its like read. Counters only grow, also when
 * the agents that they come from are forgotten. It tells numbers alone, no task and no text.
 */

import { agentStates } from '../../shared/agentState.js';
import type { AgentRow, KernelInfo, Pid, StateTiers, TierUsage } from '../../shared/protocol.js';
import type { Gateway } from './caller.js';

export interface MetricsSources {
  readonly rows: () => readonly AgentRow[];
  readonly info: Pick<KernelInfo, 'model' | 'device' | 'slots' | 'contextTokens'>;
  /** Slots that hold attention state. */
  readonly slotsInUse: () => number;
  readonly tiers: () => StateTiers;
}

type Counted = Pick<AgentRow, 'promptTokens' | 'generatedTokens' | 'waitMs' | 'deviceMs'>;
const nothing: Counted = { promptTokens: 0, generatedTokens: 0, waitMs: 0, deviceMs: 0 };

const sum = (a: Counted, b: Counted): Counted => ({
  promptTokens: a.promptTokens + b.promptTokens,
  generatedTokens: a.generatedTokens + b.generatedTokens,
  waitMs: a.waitMs + b.waitMs,
  deviceMs: a.deviceMs + b.deviceMs,
});

export function createMetricsGateway(sources: MetricsSources): Gateway {
  /** As they were when they were last looked at. */
  let seen = new Map<Pid, Counted>();
  let gone = nothing;
  const totals = (rows: readonly AgentRow[]): Counted => {
    const now = new Map<Pid, Counted>(rows.map((row) => [row.pid, row]));
    for (const [pid, counted] of seen) if (!now.has(pid)) gone = sum(gone, counted);
    seen = now;
    return [...now.values()].reduce(sum, gone);
  };
  return {
    paths: ['/metrics'],
    handle: (request, response) => {
      const rows = sources.rows();
      response.statusCode = request.method === 'GET' ? 200 : 405;
      response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
      response.end(request.method === 'GET' ? metricsText(rows, totals(rows), sources) : '');
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Metrics of one name: what they tell, and the value for each set of labels. */
function family(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  values: readonly (readonly [labels: Readonly<Record<string, string | number>>, value: number])[],
): string {
  const lines = values.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([key, label]) => `${key}="${escapeLabel(String(label))}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
  });
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
}

const escapeLabel = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

function metricsText(rows: readonly AgentRow[], counted: Counted, sources: MetricsSources): string {
  const { info, slotsInUse, tiers } = sources;
  const { model, device } = info;
  const bytes = Object.entries<TierUsage>({ ...tiers() });
  return [
    family('amk_info', 'gauge', 'The model and its device.', [[{ model, device }, 1]]),
    family(
      'amk_agents',
      'gauge',
      'Agents by state.',
      agentStates.map((state) => [{ state }, rows.filter((row) => row.state === state).length]),
    ),
    family('amk_tokens_total', 'counter', 'Tokens of prompts, each once, and tokens generated.', [
      [{ kind: 'prompt' }, counted.promptTokens],
      [{ kind: 'generated' }, counted.generatedTokens],
    ]),
    family('amk_queue_wait_seconds_total', 'counter', 'Time that agents waited for the device.', [
      [{}, counted.waitMs / 1000],
    ]),
    family('amk_device_seconds_total', 'counter', 'Time that the device computed for agents.', [
      [{}, counted.deviceMs / 1000],
    ]),
    family('amk_slots', 'gauge', 'Slots for attention state.', [
      [{ state: 'used' }, slotsInUse()],
      [{ state: 'free' }, info.slots - slotsInUse()],
    ]),
    family('amk_context_tokens', 'gauge', 'Tokens that a slot holds.', [[{}, info.contextTokens]]),
    family(
      'amk_kv_bytes',
      'gauge',
      'Attention state by the place where it is.',
      bytes.map(([tier, usage]) => [{ tier }, usage.bytes]),
    ),
    family(
      'amk_kv_quota_bytes',
      'gauge',
      'The most that there may be in each place.',
      bytes.map(([tier, usage]) => [{ tier }, usage.quotaBytes]),
    ),
  ].join('');
}
