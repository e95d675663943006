// What a person does with blocks, what changes on disk, and what fails: the agent goes on, and nothing is lost.
import assert from 'node:assert/strict';
import type { Agent } from '../../../../src/kernel/agent/agent.js';
import { OramaStore } from '../../../../src/kernel/context/store/oramaStore.js';
import { createSyscalls } from '../../../../src/kernel/syscalls.js';
import { KernelError } from '../../../../src/shared/errors.js';
import type { ContextMap } from '../../../../src/shared/protocol.js';
import { MemoryBlockStore } from '../../../support/memoryBlockStore.js';
import { never, say, withPagedMachine, type MachineSetup, type PagedMachine } from './pagedMachine.js';

const fileOf = (index: number): string =>
  Array.from(
    { length: 30 },
    (_, line) => `${line + 1}: const value${index}x${line} = 'word${index * line}';`,
  ).join('\n');

const indexOf = (path: string | undefined): number => Number(/\d+/.exec(path ?? '')?.[0]);

/** Reads so many files, one a turn, and then says so. */
function readsFiles(count: number): MachineSetup {
  let turn = 0;
  return {
    respond: () => (turn < count ? say('read_file', { path: `src/file${turn++}.ts` }) : 'done'),
    result: ({ arguments: { path } }) => fileOf(indexOf(path)),
  };
}

/** Everybody's end, and that nothing of the conversation is lost. */
async function assertWhole({ agents, contexts }: PagedMachine, agent: Agent): Promise<void> {
  const { state, error } = await agents.wait(agent.pid, never);
  assert.deepEqual([state, error], ['answered', null]);
  assert.deepEqual(await contexts.of(agent.pid).export(), agent.messages);
}

/** An agent that handed nothing on keeps its blocks, so that they can be looked at after its end. */
const keeping = { handsTo: ['scout'] };

suite('blocks of a window', () => {
  test('a person looks at them, pins one, and pages one out and in', () =>
    withPagedMachine(readsFiles(2), async (machine) => {
      const { spawn, agents, contexts } = machine;
      const agent = await spawn('Read.', { ...keeping, maxSteps: 3 });
      agent.pause();
      const calls = createSyscalls({
        ...{ agents, contexts, scheduler: undefined as never, broker: undefined as never },
        resolveWorkspace: (root) => Promise.resolve(root),
      });
      agent.messages.push(
        { role: 'system', content: 'You are scout.' },
        { role: 'user', content: 'Read.' },
        { role: 'assistant', content: '', toolCall: { name: 'read_file', arguments: { path: 'a.ts' } } },
        { role: 'tool', name: 'read_file', content: fileOf(3) },
      );
      const { pid } = agent;
      const map = async (): Promise<ContextMap> => await calls.contextMap({ pid }, never);
      const first = (await map()).blocks.find(({ kind }) => kind === 'file');
      assert.ok(first !== undefined);
      const { id } = first;
      assert.ok((await calls.contextBlock({ pid, id }, never)).startsWith('1: const value3x0'));
      const stateOf = async (): Promise<string | undefined> =>
        (await map()).blocks.find((block) => block.id === id)?.state;
      await calls.pinBlock({ pid, id, pinned: true }, never);
      assert.equal((await map()).blocks.find((block) => block.id === id)?.pinned, true);
      const out = async (): Promise<unknown> => await calls.pageBlock({ pid, id, direction: 'out' }, never);
      await assert.rejects(out, /is pinned/);
      await calls.pinBlock({ pid, id, pinned: false }, never);
      await out();
      assert.equal(await stateOf(), 'paged');
      await calls.pageBlock({ pid, id, direction: 'in' }, never);
      await contexts.of(pid).fit(() => ({ tokens: { length: 100 } }));
      assert.notEqual(await stateOf(), 'paged');
      await assert.rejects(async () => await calls.pinBlock({ pid, id: 1, pinned: false }, never), /stays/);
      await assert.rejects(async () => await calls.contextBlock({ pid, id: 999 }, never), /no block 999/);
    }));

  test('the agent that can recall is told once what will leave', () =>
    withPagedMachine(
      { ...readsFiles(60), result: ({ arguments: { path } }) => fileOf(indexOf(path)).slice(0, 180) },
      async ({ run, prompts, records }) => {
        const report = await run('Read.', { tools: ['read_file', 'recall'] });
        assert.equal(report.state, 'answered');
        const told = prompts.filter((prompt) => /\[window \d+% full; next out: #/.test(prompt));
        assert.equal(records.filter(({ type }) => type === 'noted').length, 1);
        assert.ok(told.length > 0);
        for (const prompt of told) assert.equal(prompt.match(/\[window \d+% full/g)?.length, 1);
      },
    ));

  for (const tool of ['edit_file', 'run']) {
    test(`after ${tool} those of files that are others now are stale`, () => {
      const files: Record<string, string> = { 'src/a.ts': 'const a = 1;\nconst b = 2;' };
      let turn = 0;
      return withPagedMachine(
        {
          files,
          respond: () => {
            turn++;
            if (turn === 1) return say('read_file', { path: 'src/a.ts' });
            const args: Record<string, string> = tool === 'run' ? { command: 'fmt' } : { path: 'src/a.ts' };
            return turn === 2 ? say(tool, args) : 'done';
          },
          result: (call) => {
            if (call.tool === 'read_file') return '1: const a = 1;\n2: const b = 2;';
            files['src/a.ts'] = 'const a = 1;\nconst b = 3;';
            return 'ok';
          },
        },
        async ({ spawn, agents, contexts }) => {
          const agent = await spawn('Go.', keeping);
          await agents.wait(agent.pid, never);
          const { blocks } = contexts.of(agent.pid).map();
          assert.equal(blocks.find(({ kind }) => kind === 'file')?.state, 'stale');
        },
      );
    });
  }

  test('whoever goes on with a conversation is shown it as it was', () =>
    withPagedMachine(readsFiles(12), async (machine) => {
      const { spawn, agents, contexts, prompts } = machine;
      const from = await spawn('Read.', keeping);
      await agents.wait(from.pid, never);
      const before = contexts.of(from.pid).history;
      assert.ok(before !== undefined && before.paged.length > 0);
      const last = prompts.at(-1) ?? '';
      const { definition } = from;
      const next = await agents.handOff({
        ...{ from: from.pid, definition, task: 'Go on.', mode: 'copy', grants: [] },
      });
      await assertWhole(machine, next);
      const paged = last.match(/\[paged [^\]]+\]/g) ?? [];
      assert.ok(paged.length > 0);
      const after = contexts.of(next.pid).history;
      assert.ok(before.paged.every((id) => after?.paged.includes(id)));
    }));
});

suite('what fails under a window', () => {
  test('a store that takes nothing once: blocks stay, and leave with the next turn that it takes them', async () => {
    const store = new MemoryBlockStore();
    let puts = 0;
    store.fault = (request) => {
      if (request === 'put' && puts++ === 0) throw new KernelError('storageFailed', 'the disk hiccuped');
    };
    await withPagedMachine({ ...readsFiles(30), store }, async (machine) => {
      const agent = await machine.spawn('Read.', keeping);
      await assertWhole(machine, agent);
    });
  });

  test('a store that never answers costs its time limit, once', async function () {
    this.timeout(15_000);
    const store = new MemoryBlockStore();
    store.fault = (request) => (request === 'put' ? new Promise(() => undefined) : undefined);
    await withPagedMachine({ ...readsFiles(30), store }, async ({ run, logs }) => {
      const start = performance.now();
      const { error } = await run('Read.');
      assert.equal(error?.code, 'limitReached');
      assert.ok(performance.now() - start < 6_000);
      const late = logs.filter((line) => line.includes('did not answer within 2 s'));
      assert.ok(late.length >= 1 && late.length <= 2, logs.join('\n'));
    });
  });

  test('a search that fails finds nothing, and the agent goes on', async () => {
    const store = new MemoryBlockStore();
    store.fault = (request) => {
      if (request === 'search') throw new KernelError('storageFailed', 'the index is gone');
    };
    await withPagedMachine({ ...readsFiles(20), store }, async (machine) => {
      const agent = await machine.spawn('Read.', keeping);
      await assertWhole(machine, agent);
      assert.ok(machine.logs.some((line) => line.includes('nothing is found: the index is gone')));
    });
  });

  test('an embedder that fails is told once, and words alone find what is paged', () =>
    withPagedMachine(
      { ...readsFiles(20), parts: { embedder: { embed: () => Promise.reject(new Error('no model')) } } },
      async (machine) => {
        const agent = await machine.spawn('Read.', keeping);
        await assertWhole(machine, agent);
        const told = machine.logs.filter((line) => line.includes('finds blocks by their words alone'));
        assert.equal(told.length, 1);
      },
    ));

  test('attention that cannot be measured is told once, and blocks leave without it', () =>
    withPagedMachine(
      { ...readsFiles(20), parts: { measureAttention: () => Promise.resolve('another release') } },
      async (machine) => {
        const agent = await machine.spawn('Read.', keeping);
        await assertWhole(machine, agent);
        assert.equal(machine.contexts.of(agent.pid).map().attention, 'another release');
        assert.equal(machine.logs.filter((line) => line.includes('pages without attention')).length, 1);
        assert.ok(machine.logs.some((line) => line.endsWith('without attention: another release')));
      },
    ));

  test('with the kernel’s own store a conversation of many windows is whole', function () {
    this.timeout(20_000);
    return withPagedMachine({ ...readsFiles(40), store: new OramaStore() }, async (machine) => {
      const agent = await machine.spawn('Read.', keeping);
      await assertWhole(machine, agent);
      const { blocks } = machine.contexts.of(agent.pid).map();
      assert.ok(blocks.some(({ state }) => state === 'paged' || state === 'stale'));
    });
  });
});
