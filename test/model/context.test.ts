/**
 * A conversation that is several times the window, on the embedded model with its embedder: agents that go on with one
 * another's conversation, each asked for another file. Nothing stops, nothing is lost, and the last one answers.
 */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/hal/clock.js';
import type { ChatMessage } from '../../src/hal/driver.js';
import { createEmbedder } from '../../src/hal/llama/embedder.js';
import { createLlamaDriver } from '../../src/hal/llama/llamaDriver.js';
import { AgentTable } from '../../src/kernel/agentTable.js';
import { MemoryAudit } from '../../src/kernel/audit/memoryAudit.js';
import { Contexts, withRecall } from '../../src/kernel/contexts.js';
import { RowFeed } from '../../src/kernel/rowFeed.js';
import { Broker } from '../../src/kernel/sandbox/broker.js';
import type { ToolInvocation, Toolbox } from '../../src/kernel/sandbox/toolbox.js';
import { Scheduler } from '../../src/kernel/scheduler/scheduler.js';
import { agentDefinitionSchema } from '../../src/shared/agentDefinition.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';
import { MemoryBlockStore } from '../support/memoryBlockStore.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const fixture = fromRoot('test/fixtures/ledger');
const never = new AbortController().signal;
const windowTokens = 1024;

/** As the tool writes it: `N: line` a line. */
async function numbered({ arguments: { path = '' }, resultBytes }: ToolInvocation): Promise<string> {
  const lines = (await readFile(join(fixture, path), 'utf8')).trimEnd().split('\n');
  const shown = lines.map((line, index) => `${index + 1}: ${line}`).join('\n');
  return shown.length <= resultBytes ? shown : shown.slice(0, shown.lastIndexOf('\n', resultBytes));
}

suite('virtual context on the embedded model', function () {
  this.timeout(60_000);

  test('a conversation of several windows goes on, keeps everything and answers', async () => {
    const log = (): void => undefined;
    const engine = { ...defaultEngineSettings, gpu: 'cpu', contextTokens: windowTokens, slots: 2 } as const;
    await using driver = await createLlamaDriver(
      { ...engine, model: fromRoot('models/amk-embedded.gguf') },
      log,
    );
    await using embedder = await createEmbedder(fromRoot('models/amk-embedder.gguf'), { threads: 1, log });
    const scheduler = new Scheduler({ driver, clock: systemClock, settings: engine });
    const audit = new MemoryAudit();
    const broker = new Broker({
      prompter: { ask: () => Promise.reject(new Error()) },
      clock: systemClock,
      audit,
    });
    const changes: string[] = [];
    const emit = (name: string, payload: unknown): void => {
      if (name === 'contextChanged') changes.push((payload as { text: string }).text);
    };
    const readFixture = (_root: string, path: string): Promise<string | undefined> =>
      readFile(join(fixture, path), 'utf8').catch(() => undefined);
    const contexts = new Contexts({
      ...{ driver, store: new MemoryBlockStore(), embedder, clock: systemClock, emit, log },
      ...{ settings: engine, readFile: readFixture },
    });
    const toolbox: Toolbox = {
      signatures: (names) =>
        names.map((name) => ({ name, description: name, parameters: { path: { description: 'Path.' } } })),
      invoke: async (call) => ({
        ...{ text: await numbered(call), ok: true, capability: 'fs.read', decision: 'granted', ms: 1 },
      }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const agents = new AgentTable({
      ...{ driver, scheduler, broker, clock: systemClock, emit, contexts, feed: new RowFeed(emit) },
      toolbox: withRecall(toolbox, contexts),
    });
    const definition = agentDefinitionSchema.parse({
      name: 'scout',
      tools: ['read_file', 'recall'],
      handsTo: ['scout'],
    });
    const ask = async (path: string, from?: number): Promise<number> => {
      const task = `What does ${path} export?`;
      if (from !== undefined)
        return (await agents.handOff({ from, definition, task, mode: 'move', grants: [] })).pid;
      const workspace = { root: fixture, trusted: true };
      return (await agents.spawn({ definition, task, workspace, grants: [] }, fixture)).pid;
    };
    const files = ['money', 'tax', 'ledger', 'parseCsv', 'report'].map((name) => `src/${name}.ts`);
    let last: number | undefined;
    try {
      const answers: string[] = [];
      for (const path of [...files, ...files, ...files, 'src/money.ts']) {
        const pid: number = await ask(path, last);
        const report = await agents.wait(pid, never);
        assert.deepEqual([report.state, report.error], ['answered', null], path);
        assert.ok(report.tokens.prompt < windowTokens);
        answers.push(report.answer);
        last = pid;
      }
      const agent = agents.get(last ?? 0);
      const whole = driver.render(agent.messages, []);
      const total = driver.tokenize(whole).length;
      console.log(
        `      ${total} tokens in a window of ${windowTokens}; last: ${changes.slice(-2).join('; ')}`,
      );
      assert.ok(total > 3 * windowTokens, String(total));
      assert.ok(changes.some((text) => text.startsWith('paged out ')));
      const exported: readonly ChatMessage[] = await contexts.of(agent.pid).export();
      assert.deepEqual(exported, agent.messages);
      assert.match(answers.at(-1) ?? '', /roundHalfEven/);
    } finally {
      await agents.stopAll();
      await scheduler.stop();
    }
  });
});
