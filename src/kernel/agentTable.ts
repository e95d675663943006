/**
 * The agents of this kernel: starts them, knows them by pid, and keeps the reports of those that exited. One
 * agent's end, however it comes, is an exit with an outcome; it never stops another.
 */

import type { Clock } from '../hal/clock.js';
import type { InferenceDriver } from '../hal/driver.js';
import { KernelError, toErrorData } from '../shared/errors.js';
import { maxKeptReports, maxLiveAgents } from '../shared/limits.js';
import type { AgentReport, Pid, SpawnRequest } from '../shared/protocol.js';
import { Agent } from './agent/agent.js';
import { runAgent } from './agent/loop.js';
import type { RowFeed } from './rowFeed.js';
import type { Broker } from './sandbox/broker.js';
import type { Toolbox } from './sandbox/toolbox.js';
import type { Scheduler } from './scheduler/scheduler.js';
import type { Emit } from './rowFeed.js';

export interface AgentTableParts {
  readonly driver: InferenceDriver;
  readonly scheduler: Scheduler;
  readonly toolbox: Toolbox;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly feed: RowFeed;
  readonly emit: Emit;
}

interface Entry {
  readonly agent: Agent;
  readonly exited: Promise<AgentReport>;
}

export class AgentTable {
  readonly #parts: AgentTableParts;
  readonly #entries = new Map<Pid, Entry>();
  #nextPid = 1;

  constructor(parts: AgentTableParts) {
    this.#parts = parts;
  }

  get live(): Agent[] {
    return [...this.#entries.values()].map(({ agent }) => agent).filter((agent) => agent.isLive);
  }

  all(): Agent[] {
    return [...this.#entries.values()].map(({ agent }) => agent);
  }

  /** @throws KernelError `limitReached` when too many agents are alive. */
  spawn(request: SpawnRequest, workspaceRoot: string): Agent {
    const live = this.live.length;
    if (live >= maxLiveAgents)
      throw new KernelError('limitReached', `${live} agents are running; the limit is ${maxLiveAgents}`);
    const { driver, clock, feed, broker } = this.#parts;
    const agent = new Agent({
      pid: this.#nextPid++,
      definition: request.definition,
      task: request.task,
      workspaceRoot,
      clock,
      kvBytesPerToken: driver.info.kvBytesPerToken,
      onChange: (changed) => feed.agentChanged(changed),
    });
    for (const spec of request.grants) broker.grant(spec, { pid: agent.pid, lifetime: 'run' });
    this.#entries.set(agent.pid, { agent, exited: this.#live(agent) });
    agent.changed();
    this.#forgetOldest();
    return agent;
  }

  /** @throws KernelError `notFound` */
  get(pid: Pid): Agent {
    return this.#entry(pid).agent;
  }

  /** Resolves when the agent has exited; never rejects for what became of the agent. */
  async wait(pid: Pid, signal: AbortSignal): Promise<AgentReport> {
    const { exited } = this.#entry(pid);
    let onAbort = (): void => undefined;
    const cancelled = new Promise<never>((_resolve, reject) => {
      onAbort = () => reject(new KernelError('cancelled', 'wait was cancelled'));
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([exited, cancelled]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  /** Stops everybody and waits until they are gone. */
  async stopAll(): Promise<void> {
    for (const agent of this.live) agent.cancellation.abort();
    await Promise.all([...this.#entries.values()].map(({ exited }) => exited));
  }

  async #live(agent: Agent): Promise<AgentReport> {
    const { scheduler, broker, feed, emit } = this.#parts;
    try {
      await runAgent(agent, {
        ...this.#parts,
        onText: (_, text) => feed.textProduced(agent, text),
        onToolCall: (_, call, result) => {
          feed.flush();
          emit('toolCalled', { pid: agent.pid, call, result });
        },
      });
      agent.exit('answered');
    } catch (error) {
      const wasStopped = agent.cancellation.signal.aborted;
      agent.exit(wasStopped ? 'stopped' : 'failed', toErrorData(error));
    }
    scheduler.release(agent);
    broker.endRun(agent.pid);
    feed.flush();
    return agent.report();
  }

  #entry(pid: Pid): Entry {
    const entry = this.#entries.get(pid);
    if (entry === undefined) throw new KernelError('notFound', `there is no agent with pid ${pid}`);
    return entry;
  }

  #forgetOldest(): void {
    for (const [pid, { agent }] of this.#entries) {
      if (this.#entries.size <= maxKeptReports) return;
      if (!agent.isLive) this.#entries.delete(pid);
    }
  }
}
