// Agents from spawn to report, on the simulated driver: the loop, its limits, and what an end does to others.
import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { createSimulatedDriver, type SimulatedOptions } from '../../../src/hal/simulated.js';
import { AgentTable } from '../../../src/kernel/agentTable.js';
import { RowFeed } from '../../../src/kernel/rowFeed.js';
import { Broker } from '../../../src/kernel/sandbox/broker.js';
import type { ToolInvocation, ToolOutcome, Toolbox } from '../../../src/kernel/sandbox/toolbox.js';
import { Scheduler } from '../../../src/kernel/scheduler/scheduler.js';
import { createSyscalls, type Syscalls } from '../../../src/kernel/syscalls.js';
import { agentDefinitionSchema, type AgentDefinition } from '../../../src/shared/agentDefinition.js';
import { KernelError } from '../../../src/shared/errors.js';
import { maxLiveAgents } from '../../../src/shared/limits.js';
import type { Handlers } from '../../../src/shared/peer.js';
import type { AgentReport, AgentRow, SpawnRequest } from '../../../src/shared/protocol.js';

type Respond = SimulatedOptions['respond'];
type Invoke = (call: ToolInvocation, signal: AbortSignal) => Promise<ToolOutcome> | ToolOutcome;

interface Machine {
  readonly syscalls: Handlers<Syscalls>;
  readonly rows: AgentRow[];
  readonly output: string[];
  readonly run: (task: string, definition?: Partial<AgentDefinition>) => Promise<AgentReport>;
  readonly spawn: (task: string, definition?: Partial<AgentDefinition>) => Promise<number>;
}

const outcome = (text: string, facts: Partial<ToolOutcome> = {}): ToolOutcome => ({
  text,
  ok: true,
  capability: 'fs.read',
  decision: 'granted',
  ms: 1,
  ...facts,
});

const never = new AbortController().signal;
setMaxListeners(0, never);

const request = (task: string, definition: Partial<AgentDefinition> = {}): SpawnRequest => ({
  definition: agentDefinitionSchema.parse({ name: 'scout', ...definition }),
  task,
  workspace: { root: '/workspace', trusted: true },
  grants: [],
});

async function withMachine(
  respond: Respond,
  invoke: Invoke,
  body: (machine: Machine) => Promise<void>,
): Promise<void> {
  const clock = createManualClock();
  const driver = createSimulatedDriver({ respond, clock, costMs: (prefill, decodes) => prefill + decodes });
  const scheduler = new Scheduler({ driver, clock });
  const broker = new Broker({
    prompter: { ask: () => Promise.reject(new Error('nobody is asked here')) },
    clock,
  });
  const [rows, output]: [AgentRow[], string[]] = [[], []];
  const emit = (name: string, payload: unknown): void => {
    if (name === 'agentsChanged') rows.push(...(payload as { rows: AgentRow[] }).rows);
    if (name === 'output') output.push((payload as { text: string }).text);
  };
  const toolbox: Toolbox = {
    signatures: (names) => names.map((name) => ({ name, description: name, parameters: {} })),
    invoke: async (call, signal) => await invoke(call, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const agents = new AgentTable({ driver, scheduler, toolbox, broker, clock, emit, feed: new RowFeed(emit) });
  const syscalls = createSyscalls({
    agents,
    scheduler,
    broker,
    resolveWorkspace: (root) => Promise.resolve(root),
  });
  const spawn = async (task: string, definition?: Partial<AgentDefinition>): Promise<number> =>
    (await syscalls.spawn(request(task, definition), never)).pid;
  try {
    await body({
      syscalls,
      rows,
      output,
      spawn,
      run: async (task, definition) => await syscalls.wait({ pid: await spawn(task, definition) }, never),
    });
  } finally {
    await agents.stopAll();
    await scheduler.stop();
  }
}

const say = (name: string, args: Record<string, string>): string =>
  `<tool_call>${JSON.stringify({ name, arguments: args })}</tool_call>`;

/** Calls a tool on the first turn, repeats the result on the second. */
const callThenRepeat: Respond = (prompt) => {
  const [, result] = /<tool_response>\n([^]*?)\n<\/tool_response>/.exec(prompt) ?? [];
  return result === undefined ? say('search', { query: 'x' }) : `It says ${result}.`;
};

suite('agents', () => {
  test('prompt, tool call, result, answer', () =>
    withMachine(
      callThenRepeat,
      (call) => outcome(`${call.tool} ${call.arguments['query'] ?? ''}`),
      async (machine) => {
        const report = await machine.run('Where is x?');
        assert.equal(report.state, 'answered');
        assert.equal(report.answer, 'It says search x.');
        assert.equal(report.error, null);
        assert.deepEqual(
          report.toolCalls.map(({ tool, capability, decision, ok }) => ({ tool, capability, decision, ok })),
          [{ tool: 'search', capability: 'fs.read', decision: 'granted', ok: true }],
        );
        assert.ok(report.tokens.prompt > 0 && report.tokens.generated > 0);
        assert.ok(report.ms.total >= report.ms.prefill + report.ms.decode);
        assert.equal(machine.output.join(''), 'It says search x.');
        assert.equal(machine.rows.at(-1)?.outcome, 'answered');
      },
    ));

  test('many agents at once, each with its own answer', () =>
    withMachine(
      (prompt) => `answer to ${/task-\d+/.exec(prompt)?.[0] ?? ''}`,
      () => outcome(''),
      async (machine) => {
        const tasks = Array.from({ length: 20 }, (_, index) => `task-${index}`);
        const reports = await Promise.all(tasks.map((task) => machine.run(task)));
        assert.deepEqual(
          reports.map(({ answer }) => answer),
          tasks.map((task) => `answer to ${task}`),
        );
      },
    ));

  test('a refused agent says so and has not succeeded', () =>
    withMachine(
      callThenRepeat,
      () => outcome('denied: no grant for fs.read', { ok: false, decision: 'denied' }),
      async (machine) => {
        const report = await machine.run('Where is x?');
        assert.equal(report.state, 'failed');
        assert.equal(report.error?.code, 'denied');
        assert.match(report.answer, /denied: no grant for fs\.read/);
      },
    ));

  test('a refused agent has not succeeded either when it breaks a call before it answers', () =>
    withMachine(
      (prompt) => {
        if (prompt.includes('error: the tool call')) return 'I may not.';
        return prompt.includes('denied:') ? '<tool_call>{"name": "sea' : say('search', { query: 'x' });
      },
      () => outcome('denied: no grant for fs.read', { ok: false, decision: 'denied' }),
      async (machine) => {
        const { state, error, answer } = await machine.run('Where is x?');
        assert.deepEqual([state, error?.code, answer], ['failed', 'denied', 'I may not.']);
      },
    ));

  test('an agent that never stops ends at its step limit', () =>
    withMachine(
      () => say('search', { query: 'x' }),
      () => outcome('no matches'),
      async (machine) => {
        const report = await machine.run('Loop.', { maxSteps: 5 });
        assert.equal(report.error?.code, 'limitReached');
        assert.equal(report.toolCalls.length, 5);
      },
    ));

  test('an agent that talks for ever ends at its token budget', () =>
    withMachine(
      () => 'word '.repeat(100_000),
      () => outcome(''),
      async (machine) => {
        const report = await machine.run('Talk.', { tokenBudget: 50 });
        assert.equal(report.error?.code, 'limitReached');
        assert.equal(report.tokens.generated, 50);
        assert.match(report.answer, /^word word/);
      },
    ));

  test('a call that is no JSON is told to the model and costs a step', () =>
    withMachine(
      (prompt) => (prompt.includes('error: the tool call') ? 'I could not.' : '<tool_call>{"name": "sea'),
      () => outcome(''),
      async (machine) => {
        const report = await machine.run('Try.');
        assert.equal(report.answer, 'I could not.');
        assert.equal(report.state, 'answered');
      },
    ));

  test('a tool that throws ends its agent and no other', () =>
    withMachine(
      (prompt) => (prompt.includes('careful') ? 'fine' : say('search', { query: 'x' })),
      () => Promise.reject(new Error('wires crossed')),
      async (machine) => {
        const [broken, fine] = await Promise.all([machine.run('reckless'), machine.run('careful')]);
        assert.equal(broken.state, 'failed');
        assert.match(broken.error?.message ?? '', /wires crossed/);
        assert.equal(fine.state, 'answered');
      },
    ));

  test('stop ends an agent that waits for a tool', () =>
    withMachine(
      () => say('search', { query: 'x' }),
      (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(new KernelError('cancelled', 'stopped')), {
            once: true,
          });
        }),
      async ({ syscalls, spawn, rows }) => {
        const pid = await spawn('Wait.');
        while ((await syscalls.list(null, never))[0]?.state !== 'waiting') await Promise.resolve();
        await syscalls.stop({ pid }, never);
        const report = await syscalls.wait({ pid }, never);
        assert.equal(report.state, 'stopped');
        assert.equal(rows.at(-1)?.state, 'exited');
      },
    ));

  test('stop ends an agent that computes', () =>
    withMachine(
      () => 'word '.repeat(1000),
      () => outcome(''),
      async ({ syscalls, spawn }) => {
        const pid = await spawn('Talk.');
        while ((await syscalls.list(null, never))[0]?.generatedTokens === 0) await Promise.resolve();
        await syscalls.stop({ pid }, never);
        assert.equal((await syscalls.wait({ pid }, never)).state, 'stopped');
      },
    ));

  test('a paused agent finishes its tool and computes only after resume', () =>
    withMachine(
      callThenRepeat,
      () => outcome('x'),
      async ({ syscalls, spawn }) => {
        const pid = await spawn('Where is x?');
        await syscalls.pause({ pid }, never);
        for (let round = 0; round < 2000; round++) await Promise.resolve();
        assert.equal((await syscalls.list(null, never))[0]?.state, 'paused');
        await syscalls.resume({ pid }, never);
        assert.equal((await syscalls.wait({ pid }, never)).state, 'answered');
      },
    ));

  test('pause and resume within one step leave the agent running, and its tool call is carried out', () => {
    let duringStep = (): void => undefined;
    return withMachine(
      (prompt) => {
        duringStep();
        return callThenRepeat(prompt);
      },
      () => outcome('x'),
      async ({ syscalls, spawn, rows }) => {
        const pid = await spawn('Where is x?');
        duringStep = () => {
          void syscalls.pause({ pid }, never);
          void syscalls.resume({ pid }, never);
        };
        const { error, state } = await syscalls.wait({ pid }, never);
        assert.deepEqual([error, state], [null, 'answered']);
        assert.equal(rows.at(-1)?.waitMs, 0);
      },
    );
  });

  test('renice and class show in the row', () =>
    withMachine(
      () => 'word '.repeat(500),
      () => outcome(''),
      async ({ syscalls, spawn }) => {
        const pid = await spawn('Talk.');
        await syscalls.renice({ pid, nice: 7, class: 'batch' }, never);
        const [row] = await syscalls.list(null, never);
        assert.deepEqual([row?.nice, row?.class], [7, 'batch']);
      },
    ));
});

suite('syscalls refuse', () => {
  const check = (name: string, code: string, call: (machine: Machine) => Promise<unknown>): void => {
    test(name, () =>
      withMachine(
        () => 'x',
        () => outcome(''),
        async (machine) => {
          await assert.rejects(async () => await call(machine), { code });
        },
      ),
    );
  };
  check('an untrusted workspace', 'untrustedWorkspace', async ({ syscalls }) =>
    syscalls.spawn({ ...request('x'), workspace: { root: '/w', trusted: false } }, never),
  );
  check('an empty task', 'badRequest', ({ spawn }) => spawn('  '));
  check('nice out of range', 'badRequest', async ({ syscalls, spawn }) =>
    syscalls.renice({ pid: await spawn('x'), nice: 20 }, never),
  );
  check('an unknown class', 'badRequest', async ({ syscalls, spawn }) =>
    syscalls.renice({ pid: await spawn('x'), class: 'urgent' as 'batch' }, never),
  );
  check('an unknown pid', 'notFound', async ({ syscalls }) => syscalls.stop({ pid: 99 }, never));
  check('renice of an agent that has exited', 'notFound', async ({ syscalls, run }) =>
    syscalls.renice({ pid: (await run('x')).pid, nice: 1 }, never),
  );
  check('a flood of spawns', 'limitReached', async ({ spawn }) =>
    Promise.all(Array.from({ length: maxLiveAgents + 1 }, (_, index) => spawn(`task ${index}`))),
  );
});
