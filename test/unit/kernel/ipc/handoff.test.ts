// One agent's conversation becomes another's: what is computed again, who may, and what becomes of the first one.
import assert from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import { createManualClock } from '../../../../src/hal/manualClock.js';
import { createSimulatedDriver, type SimulatedOptions } from '../../../../src/hal/simulated.js';
import { AgentTable } from '../../../../src/kernel/agentTable.js';
import { SwapSpace } from '../../../../src/kernel/kv/swapSpace.js';
import type { JournalRecord } from '../../../../src/kernel/journal/records.js';
import { replay } from '../../../../src/kernel/journal/replay.js';
import { RowFeed } from '../../../../src/kernel/rowFeed.js';
import { Broker } from '../../../../src/kernel/sandbox/broker.js';
import { Scheduler } from '../../../../src/kernel/scheduler/scheduler.js';
import { createSyscalls, type Syscalls } from '../../../../src/kernel/syscalls.js';
import { agentDefinitionSchema, type AgentDefinition } from '../../../../src/shared/agentDefinition.js';
import type { Handlers } from '../../../../src/shared/peer.js';
import type { AgentReport, HandoffRequest } from '../../../../src/shared/protocol.js';

const never = new AbortController().signal;
setMaxListeners(0, never);

type Respond = SimulatedOptions['respond'];

interface Machine {
  readonly syscalls: Handlers<Syscalls>;
  readonly prompts: string[];
  readonly records: JournalRecord[];
  readonly log: string[];
  readonly spawn: (
    task: string,
    definition?: Partial<AgentDefinition>,
    team?: readonly Partial<AgentDefinition>[],
  ) => Promise<number>;
  readonly wait: (pid: number) => Promise<AgentReport>;
  readonly handOff: (from: number, change?: Partial<HandoffRequest>) => Promise<number>;
}

const define = (definition: Partial<AgentDefinition>): AgentDefinition =>
  agentDefinitionSchema.parse({ name: 'coder', tools: [], ...definition });

const reader: Partial<AgentDefinition> = { name: 'reader', tools: [], handsTo: ['coder'] };

async function withMachine(
  respond: Respond,
  body: (machine: Machine) => Promise<void>,
  slots = 2,
): Promise<void> {
  const clock = createManualClock();
  const [prompts, records, log]: [string[], JournalRecord[], string[]] = [[], [], []];
  const driver = createSimulatedDriver({
    respond: (prompt) => {
      prompts.push(prompt);
      return respond(prompt);
    },
    clock,
    slots,
    costMs: (prefill, decodes) => prefill + decodes,
    saveMs: () => 1,
    loadMs: () => 1,
  });
  const files = {
    path: (name: string) => name,
    bytes: () => Promise.resolve(1),
    remove: () => Promise.resolve(),
  };
  const swap = new SwapSpace({ driver, files, quotaBytes: 1e9 });
  const scheduler = new Scheduler({ driver, clock, swap });
  const ask = (): Promise<never> => Promise.reject(new Error('nobody is asked here'));
  const broker = new Broker({ prompter: { ask }, clock });
  const emit = (name: string, payload: unknown): void => {
    if (name === 'log') log.push((payload as { message: string }).message);
  };
  const journal = {
    append: (record: JournalRecord) => {
      records.push(record);
      return Promise.resolve();
    },
  };
  const agents = new AgentTable({
    ...{ driver, scheduler, broker, clock, emit, journal, feed: new RowFeed(emit) },
    toolbox: {
      signatures: (names) => names.map((name) => ({ name, description: name, parameters: {} })),
      invoke: () => ask(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
  });
  const resolveWorkspace = (root: string): Promise<string> => Promise.resolve(root);
  const syscalls = createSyscalls({ agents, scheduler, broker, resolveWorkspace, journal });
  const workspace = { root: '/workspace', trusted: true };
  try {
    await body({
      syscalls,
      prompts,
      records,
      log,
      spawn: async (task, definition, team = []) => {
        const request = { definition: define(definition ?? {}), task, workspace, grants: [] };
        return (await syscalls.spawn({ ...request, team: team.map(define) }, never)).pid;
      },
      wait: async (pid) => await syscalls.wait({ pid }, never),
      handOff: async (from, change) => {
        const request = { from, definition: define({}), task: 'Go on.', mode: 'move' as const, grants: [] };
        return (await syscalls.handoff({ ...request, ...change }, never)).pid;
      },
    });
  } finally {
    await agents.stopAll();
    await scheduler.stop();
  }
}

const long = `Read this: ${'word '.repeat(300)}`;

suite('handoff', () => {
  for (const mode of ['move', 'copy'] as const) {
    test(`${mode}: the next agent reads on where the other one answered, and computes only its own part`, () =>
      withMachine(
        (prompt) => (prompt.includes('Go on.') ? 'I go on.' : 'I have read it.'),
        async ({ spawn, wait, handOff, prompts }) => {
          const first = await spawn(long, reader);
          const before = await wait(first);
          const next = await wait(
            await handOff(first, { mode, definition: define({ instructions: 'Be brief.' }) }),
          );
          assert.equal(next.answer, 'I go on.');
          const prompt = prompts.at(-1) ?? '';
          assert.ok(prompt.startsWith(`${prompts[0]}I have read it.`), prompt);
          assert.match(prompt, /I have read it\.[^]*Be brief\.\n\nGo on\./);
          assert.ok(next.tokens.reused >= before.tokens.prompt, JSON.stringify(next.tokens));
          assert.ok(next.ms.prefill + next.ms.decode < 60, JSON.stringify(next.ms));
        },
      ));
  }

  test('a moved context is moved once: whoever takes it over again has its text alone, and the log says so', () =>
    withMachine(
      () => 'Done.',
      async ({ spawn, wait, handOff, log }) => {
        const first = await spawn(long, reader);
        await wait(first);
        await wait(await handOff(first));
        assert.deepEqual(log, []);
        const again = await wait(await handOff(first));
        assert.equal(again.state, 'answered');
        assert.match(log.join('\n'), /agent 3 \(coder\) goes on from the text of agent 1 alone/);
      },
    ));

  test('what lost its slot meanwhile is handed over as well', () =>
    withMachine(
      (prompt) => (prompt.includes('Go on.') ? 'I go on.' : 'Done.'),
      async ({ spawn, wait, handOff, log }) => {
        const first = await spawn(long, reader);
        await wait(first);
        await wait(await spawn(`Something else: ${'other '.repeat(300)}`, { name: 'other', tools: [] }));
        const { tokens } = await wait(await handOff(first));
        assert.ok(tokens.reused > 300, JSON.stringify(tokens));
        assert.deepEqual(log, []);
      },
      1,
    ));

  test('an agent that still works ends as one who answered when it is moved, and goes on when it is copied', () =>
    withMachine(
      (prompt) => (prompt.includes('Go on.') ? 'I go on.' : 'word '.repeat(2000)),
      async ({ spawn, wait, handOff, syscalls }) => {
        const first = await spawn('Talk.', reader);
        while ((await syscalls.list(null, never))[0]?.generatedTokens === 0) await Promise.resolve();
        const copied = await wait(await handOff(first, { mode: 'copy' }));
        assert.equal(copied.answer, 'I go on.');
        assert.equal((await syscalls.list(null, never))[0]?.outcome, undefined);
        const moved = await wait(await handOff(first));
        assert.equal(moved.answer, 'I go on.');
        assert.deepEqual([(await wait(first)).state, (await wait(first)).error], ['answered', null]);
      },
    ));

  test('the steps of the one before do not count for the next', () =>
    withMachine(
      () => 'Done.',
      async ({ spawn, wait, handOff }) => {
        const first = await spawn('Read.', { ...reader, maxSteps: 1 });
        await wait(first);
        const next = await wait(await handOff(first, { definition: define({ maxSteps: 1 }) }));
        assert.deepEqual([next.state, next.error], ['answered', null]);
      },
    ));

  test('it is in the journal with all that it took over', () =>
    withMachine(
      () => 'Done.',
      async ({ spawn, wait, handOff, records }) => {
        const first = await spawn('Read.', { ...reader, tools: ['search'] });
        await wait(first);
        const next = await handOff(first);
        const agent = replay(records).agents.get(next);
        assert.deepEqual(
          agent?.messages.map(({ role }) => role),
          ['system', 'user', 'assistant', 'user'],
        );
        assert.deepEqual(agent.inherited, { messages: 4, tools: ['search'] });
        await wait(next);
      },
    ));

  test('only whom the definition names may take over, also for the person', () =>
    withMachine(
      () => 'Done.',
      async ({ spawn, wait, handOff }) => {
        const closed = await spawn('Read.', { name: 'reader', tools: [] });
        const open = await spawn('Read.', reader);
        await Promise.all([wait(closed), wait(open)]);
        await assert.rejects(handOff(closed), {
          code: 'denied',
          message: /hands its conversation to nobody/,
        });
        await assert.rejects(handOff(open, { definition: define({ name: 'spy' }) }), {
          code: 'denied',
          message: /agent 2 \(reader\) hands its conversation to coder, not to spy/,
        });
        await assert.rejects(handOff(99), { code: 'notFound' });
        await assert.rejects(handOff(open, { task: ' ' }), { code: 'badRequest' });
      },
    ));
});

suite('teams', () => {
  const ship: Partial<AgentDefinition> = { name: 'ship', pipeline: ['planner', 'coder', 'reviewer'] };
  const crew: Partial<AgentDefinition>[] = [
    { name: 'planner', tools: [], instructions: 'Plan.' },
    { name: 'coder', tools: [], instructions: 'Write.' },
    { name: 'reviewer', tools: [], instructions: 'Review.' },
  ];
  /** The last role that is named in the prompt. */
  const roleIn = (prompt: string): string =>
    /(Plan|Write|Review)\.(?!.*(Plan|Write|Review)\.)/s.exec(prompt)?.[1] ?? '';

  test('a pipeline works one after the other on one conversation, and the last answer is the answer', () =>
    withMachine(
      (prompt) => `${roleIn(prompt)} done`,
      async ({ spawn, wait, syscalls, prompts }) => {
        const { state, answer, tokens } = await wait(await spawn(long, ship, crew));
        assert.deepEqual([state, answer], ['answered', 'Review done']);
        assert.deepEqual(
          (await syscalls.list(null, never)).map(({ name, outcome }) => [name, outcome]),
          ['ship', 'ship/planner', 'ship/coder', 'ship/reviewer'].map((name) => [name, 'answered']),
        );
        assert.ok(prompts[2]?.startsWith(prompts[1] ?? '-'));
        assert.match(prompts[2] ?? '', /Plan done[^]*Write done/);
        assert.ok(tokens.reused > 1200, JSON.stringify(tokens));
      },
    ));

  test('workers go on with copies of what the reader read, and answer in order', () =>
    withMachine(
      (prompt) => `${roleIn(prompt)} done`,
      async ({ spawn, wait }) => {
        const fanOut = { reader: 'planner', workers: ['coder', 'reviewer', 'coder'] };
        const { answer, tokens } = await wait(await spawn(long, { name: 'many', fanOut }, crew));
        assert.equal(answer, 'coder: Write done\n\nreviewer: Review done\n\ncoder: Write done');
        assert.ok(tokens.reused > 900, JSON.stringify(tokens));
      },
      4,
    ));

  test('a member that fails ends the team with its error', () =>
    withMachine(
      (prompt) => (roleIn(prompt) === 'Write' ? 'word '.repeat(2000) : 'done'),
      async ({ spawn, wait, syscalls }) => {
        const members = crew.map((each) => ({ ...each, tokenBudget: 20 }));
        const { state, error } = await wait(await spawn('Ship it.', ship, members));
        assert.deepEqual([state, error?.code], ['failed', 'limitReached']);
        assert.match(error?.message ?? '', /^ship\/coder: /);
        assert.equal((await syscalls.list(null, never)).length, 3);
      },
    ));

  test('a team that is stopped stops whoever works for it', () =>
    withMachine(
      () => 'word '.repeat(2000),
      async ({ spawn, wait, syscalls }) => {
        const pid = await spawn('Ship it.', ship, crew);
        while ((await syscalls.list(null, never))[1]?.generatedTokens !== 1) await Promise.resolve();
        await syscalls.stop({ pid }, never);
        assert.equal((await wait(pid)).state, 'stopped');
        assert.equal((await wait(pid + 1)).state, 'stopped');
      },
    ));

  test('unknown members, teams in teams and two kinds at once are refused', () =>
    withMachine(
      () => 'x',
      async ({ spawn }) => {
        await assert.rejects(spawn('x', ship, crew.slice(0, 2)), {
          message: /ship names reviewer, and there is no/,
        });
        const nested = [...crew.slice(0, 2), { ...crew[2], pipeline: ['planner', 'coder'] }];
        await assert.rejects(spawn('x', ship, nested), { message: /reviewer, which names others itself/ });
        const fanOut = { reader: 'planner', workers: ['coder'] };
        await assert.rejects(spawn('x', { ...ship, fanOut }, crew), {
          message: /both a pipeline and a fanOut/,
        });
      },
    ));
});
