// Three agents one after the other, through the kernel's own calls, on the embedded model: the last one answers from
// what the first one read, which nobody told it and which it has no tool to find.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KernelProcess } from '../../src/client/kernelProcess.js';
import { agentDefinitionSchema, type AgentDefinition } from '../../src/shared/agentDefinition.js';
import type { AgentReport } from '../../src/shared/protocol.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';

const kernelPath = fileURLToPath(new URL('../../../dist/kernel.js', import.meta.url));

const define = (definition: Partial<AgentDefinition>): AgentDefinition =>
  agentDefinitionSchema.parse(definition);
const planner = define({ name: 'planner', tools: ['search'], handsTo: ['coder'] });
const coder = define({ name: 'coder', tools: [], handsTo: ['reviewer'] });
const reviewer = define({ name: 'reviewer', tools: [] });

suite('a pipeline of agents on the embedded model', function () {
  this.timeout(120_000);
  let root: string;
  let kernel: KernelProcess;

  suiteSetup(async () => {
    assert.ok(existsSync(kernelPath), `${kernelPath} is missing: run "npm run build" first`);
    root = await realpath(await mkdtemp(join(tmpdir(), 'amk-pipeline-')));
    await writeFile(
      join(root, 'tax.ts'),
      '\n\n\nexport function taxOf(amount: number): number {\n  return amount;\n}\n',
    );
    kernel = new KernelProcess({
      kernelPath,
      engine: () => ({ ...defaultEngineSettings, gpu: 'cpu', slots: 2 }),
      handlers: { askPermission: () => ({ kind: 'deny', reason: '' }) },
    });
    await kernel.start();
  });
  suiteTeardown(async () => {
    await kernel.dispose();
    await rm(root, { recursive: true, force: true });
  });

  const begin = async (): Promise<AgentReport> => {
    const grants = [{ capability: 'fs.read' as const, scope: '.' }];
    const task = 'Where is taxOf defined?';
    const workspace = { root, trusted: true };
    return await kernel.wait(
      (await kernel.call('spawn', { definition: planner, task, workspace, grants })).pid,
    );
  };
  const goOn = async (from: AgentReport, definition: AgentDefinition): Promise<AgentReport> => {
    const task = 'Repeat your last answer.';
    const request = { from: from.pid, definition, task, mode: 'move' as const, grants: [] };
    return await kernel.wait((await kernel.call('handoff', request)).pid);
  };

  test('the last answer holds what the first one read, and only what each adds is computed', async () => {
    const first = await begin();
    assert.match(first.answer, /tax\.ts:4/);
    const second = await goOn(first, coder);
    const third = await goOn(second, reviewer);
    assert.match(third.answer, /tax\.ts:4/);
    for (const [before, after] of [
      [first, second],
      [second, third],
    ] as const) {
      assert.deepEqual([after.state, after.toolCalls], ['answered', []]);
      // What it goes on from is there as attention state; its task alone is text.
      assert.ok(after.tokens.reused >= before.tokens.prompt, JSON.stringify([before.tokens, after.tokens]));
      const computed = after.tokens.prompt - after.tokens.reused;
      assert.ok(computed <= 32, `${computed} tokens were computed after the move`);
    }
  });
});
