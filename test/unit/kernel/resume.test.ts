// Agents over two kernels: what the journal of the first says is where the second goes on.
import assert from 'node:assert/strict';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { createSimulatedDriver, type SimulatedOptions } from '../../../src/hal/simulated.js';
import { AgentTable } from '../../../src/kernel/agentTable.js';
import type { JournalRecord } from '../../../src/kernel/journal/records.js';
import { ReplayedState } from '../../../src/kernel/journal/replay.js';
import { resumeAgents } from '../../../src/kernel/resume.js';
import { RowFeed } from '../../../src/kernel/rowFeed.js';
import { Broker } from '../../../src/kernel/sandbox/broker.js';
import type { ToolInvocation, Toolbox } from '../../../src/kernel/sandbox/toolbox.js';
import { Scheduler } from '../../../src/kernel/scheduler/scheduler.js';
import { agentDefinitionSchema } from '../../../src/shared/agentDefinition.js';
import { KernelError } from '../../../src/shared/errors.js';
import type { StatePlace } from '../../../src/shared/protocol.js';

const never = new AbortController().signal;
const definition = agentDefinitionSchema.parse({ name: 'coder' });
const workspace = { root: '/workspace', trusted: true };
const spawned = (pid: number): JournalRecord => {
  return { type: 'spawned', pid, at: 0, definition, task: 'Where is x?', workspace };
};
const said = (
  pid: number,
  message: Extract<JournalRecord, { type: 'message' }>['message'],
): JournalRecord => {
  return { type: 'message', pid, message };
};
const opening = (pid: number): JournalRecord[] => [
  spawned(pid),
  said(pid, { role: 'system', content: 'You are coder, a coding agent.' }),
  said(pid, { role: 'user', content: 'Where is x?' }),
];
const calling = (pid: number, name: string): JournalRecord[] => [
  ...opening(pid),
  said(pid, { role: 'assistant', content: '', toolCall: { name, arguments: { path: 'a.ts' } } }),
];

/** Repeats what its tool said. */
const repeat: SimulatedOptions['respond'] = (prompt) =>
  `It says ${/<tool_response>\n([^]*?)\n<\/tool_response>/.exec(prompt)?.[1] ?? 'nothing'}.`;

interface Machine {
  readonly agents: AgentTable;
  readonly records: JournalRecord[];
  readonly calls: ToolInvocation[];
  readonly state: ReplayedState;
}

interface Setup {
  readonly mode?: StatePlace['resume'];
  readonly realFolder?: (path: string) => Promise<string>;
  readonly append?: (record: JournalRecord) => Promise<void>;
}

/** A second kernel on a journal with these records. */
async function onJournal(
  past: readonly JournalRecord[],
  setup: Setup,
  body: (machine: Machine) => Promise<void>,
): Promise<void> {
  const state = new ReplayedState();
  for (const record of past) state.apply(record);
  const [records, calls]: [JournalRecord[], ToolInvocation[]] = [[], []];
  const append = async (record: JournalRecord): Promise<void> => {
    await setup.append?.(record);
    state.apply(record);
    records.push(record);
  };
  const clock = createManualClock();
  const driver = createSimulatedDriver({ respond: repeat, clock, costMs: () => 1 });
  const scheduler = new Scheduler({ driver, clock });
  const broker = new Broker({ prompter: { ask: () => Promise.reject(new Error('nobody')) }, clock });
  const toolbox: Toolbox = {
    signatures: (names) => names.map((name) => ({ name, description: name, parameters: {} })),
    invoke: (call) => {
      calls.push(call);
      const facts = { ok: true, capability: 'fs.read', decision: 'granted', ms: 1 } as const;
      return Promise.resolve({ text: `result of ${call.tool}`, ...facts });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const emit = (): void => undefined;
  const feed = new RowFeed(emit);
  const journal = { append };
  const agents = new AgentTable({
    ...{ driver, scheduler, toolbox, broker, clock, emit, feed },
    ...{ journal, past: state },
  });
  const realFolder = setup.realFolder ?? ((path: string) => Promise.resolve(path));
  await resumeAgents({ state, journal, agents, mode: setup.mode ?? 'run', realFolder, log: emit });
  try {
    await body({ agents, records, calls, state });
  } finally {
    await agents.stopAll();
    await scheduler.stop();
  }
}

suite('a kernel that goes on with the agents of another', () => {
  test('makes a call again that changes nothing', () =>
    onJournal(calling(3, 'read_file'), {}, async ({ agents, calls, state }) => {
      const report = await agents.wait(3, never);
      assert.equal(report.answer, 'It says result of read_file.');
      assert.equal(calls.length, 1);
      assert.equal(state.agents.size, 0);
      assert.equal(state.reports.get(3)?.answer, report.answer);
    }));

  for (const tool of ['edit_file', 'run']) {
    test(`does not repeat ${tool}, and says so to the agent`, () =>
      onJournal(calling(1, tool), {}, async ({ agents, calls }) => {
        const { answer } = await agents.wait(1, never);
        assert.match(answer, /interrupted by a restart; check the state before repeating/);
        assert.deepEqual(calls, []);
      }));
  }

  test('thinks where the last word was a tool’s, without the words before it again', () =>
    onJournal(
      [...calling(1, 'search'), said(1, { role: 'tool', name: 'search', content: 'a.ts:1' })],
      {},
      async ({ agents, records }) => {
        assert.equal((await agents.wait(1, never)).answer, 'It says a.ts:1.');
        assert.deepEqual(
          records.map(({ type }) => type),
          ['exited'],
        );
      },
    ));

  test('writes the opening where only a part of it was written', () =>
    onJournal(opening(1).slice(0, 2), {}, async ({ agents, records }) => {
      assert.equal((await agents.wait(1, never)).state, 'answered');
      assert.equal(records[0]?.type === 'message' ? records[0].message.role : '', 'user');
    }));

  test('gives pids above all that were given, and knows the reports of those that exited', () =>
    onJournal(calling(7, 'read_file'), {}, async ({ agents }) => {
      await agents.wait(7, never);
      const agent = await agents.spawn({ definition, task: 'x', workspace, grants: [] }, '/workspace');
      assert.equal(agent.pid, 8);
    }));

  test('after a new session brings them back paused, which outlives it too', () =>
    onJournal(calling(1, 'read_file'), { mode: 'pause' }, async ({ agents, calls, state }) => {
      const agent = agents.get(1);
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual([agent.state, agent.row().reason], ['paused', 'resumed from the last session']);
      assert.deepEqual(calls, []);
      assert.equal(state.agents.get(1)?.isPaused, true);
      agent.resume();
      assert.equal((await agents.wait(1, never)).state, 'answered');
    }));

  test('ends an agent whose workspace is gone, or leads elsewhere now', async () => {
    const gone = () => Promise.reject(new Error('no such folder'));
    await onJournal(opening(1), { realFolder: gone }, async ({ agents, state }) => {
      const { state: outcome, error } = await agents.wait(1, never);
      assert.equal(outcome, 'failed');
      assert.equal(error?.message, 'its workspace /workspace is gone');
      assert.equal(state.agents.size, 0);
    });
    await onJournal(opening(1), { realFolder: () => Promise.resolve('/other') }, async ({ agents }) => {
      assert.match((await agents.wait(1, never)).error?.message ?? '', /leads to \/other now/);
    });
  });

  test('a full disk ends the agent that cannot be journalled, and no other', () =>
    onJournal(
      [...calling(1, 'read_file'), ...calling(2, 'read_file')],
      {
        append: (record) =>
          record.type === 'message' && record.pid === 1
            ? Promise.reject(new KernelError('storageFull', 'the disk is full'))
            : Promise.resolve(),
      },
      async ({ agents }) => {
        assert.equal((await agents.wait(1, never)).error?.code, 'storageFull');
        assert.equal((await agents.wait(2, never)).state, 'answered');
      },
    ));

  test('suspended agents have not ended: nobody is told so, and the journal keeps them', () =>
    onJournal(opening(1), { mode: 'pause' }, async ({ agents, state }) => {
      const waiting = agents.wait(1, never);
      await Promise.all([assert.rejects(waiting, { code: 'kernelStopped' }), agents.suspendAll()]);
      assert.equal(state.agents.size, 1);
    }));
});
