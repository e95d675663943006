// Several agents on one device, as a person sees them: long ones share it, a short question among them is answered at
// once, and a new nice value moves the shares. The model has random weights: its text is noise, which nobody reads, and
// its agents write until somebody stops them. Times are printed; what is asserted leaves room for a busy machine.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { embeddedModel } from '../../bench/models.js';
import { writeRandomModel } from '../../bench/randomModel.js';
import { openInstalledExtension, type InstalledExtension } from '../support/installedExtension.js';
import { until } from '../support/processes.js';
import { pickMany, runCommand, screenshot, taskManager, type } from '../support/workbench.js';

const contextTokens = 16_384;
const longAgents = ['long-a', 'long-b', 'long-c', 'long-d'];
const quickAgent = 'scout';
const firstTokenLimitMs = 2_000;
const shareChangeLimitMs = 5_000;

/** What the page says of one agent. */
interface ShownRow {
  readonly name: string;
  readonly state: string;
  readonly sharePercent: number;
  readonly firstToken: string;
  readonly generated: number;
}

suite('agents that share the device', () => {
  let editor: InstalledExtension;
  let models: string;

  suiteSetup(async () => {
    models = await mkdtemp(join(tmpdir(), 'ui-models-'));
    const model = join(models, 'random.gguf');
    const shape = { layers: 8, width: 512, keyValueHeads: 1, feedForward: 1408, contextTokens };
    await writeRandomModel(model, embeddedModel, shape);
    const long = { tools: [], class: 'batch', tokenBudget: 1_000_000 };
    // In the place of the built-in one, which would be offered tools.
    const quick = { name: quickAgent, tools: [], class: 'interactive', tokenBudget: 1_000_000 };
    editor = await openInstalledExtension({
      settings: {
        'agenticMicrokernel.model': model,
        'agenticMicrokernel.contextTokens': contextTokens,
        'agenticMicrokernel.slots': longAgents.length + 1,
        'agenticMicrokernel.agents': [...longAgents.map((name) => ({ ...long, name })), quick],
      },
    });
  });

  teardown(async function () {
    if (this.currentTest?.state !== 'failed') return;
    await screenshot(editor.page, `failed-${this.currentTest.title.replaceAll(/\W+/g, '-')}`);
    console.error(editor.log.slice(-15).join('\n'));
  });

  suiteTeardown(async () => {
    await editor.close();
    await rm(models, { recursive: true, force: true });
  });

  async function run(names: readonly string[], task: string): Promise<void> {
    await runCommand(editor.page, 'Agents: Run Agent');
    await pickMany(editor.page, 'Run Agent', names);
    await type(editor.page, 'Task for', task);
  }

  const rowOf = (name: string): Locator =>
    taskManager(editor.page)
      .locator('.row.default')
      .filter({ has: editor.page.locator(`.name:text-is("${name}")`) });

  function shownRows(): Promise<readonly ShownRow[]> {
    return taskManager(editor.page)
      .locator('.row.default')
      .evaluateAll((rows) =>
        rows.map((row) => {
          const text = (selector: string): string => row.querySelector(selector)?.textContent ?? '';
          return {
            name: text('.name'),
            state: text('.word'),
            sharePercent: Number.parseInt(text('.share .value'), 10),
            firstToken: text('.cell.first'),
            generated: Number(text('.cell.tokens').split('+')[1]?.replaceAll(',', '')),
          };
        }),
      );
  }

  async function longRows(): Promise<readonly ShownRow[]> {
    return (await shownRows()).filter(({ name }) => longAgents.includes(name));
  }

  /** Waits until each of the long agents has written that many tokens more than `before` says. */
  async function untilAllWrote(tokens: number, before: readonly ShownRow[]): Promise<void> {
    await until(
      `each long agent writes ${tokens} tokens more`,
      async () => {
        const rows = await longRows();
        const isAhead = ({ name, generated }: ShownRow): boolean =>
          generated >= tokens + (before.find((row) => row.name === name)?.generated ?? 0);
        return rows.length === longAgents.length && rows.every(isAhead);
      },
      60_000,
    );
  }

  test('four long ones have a quarter of it each', async () => {
    await runCommand(editor.page, 'Agents: Open Task Manager');
    await taskManager(editor.page).getByText('Kernel').first().waitFor({ timeout: 60_000 });
    await run(longAgents, 'Write on and on.');
    await untilAllWrote(50, []);
    await until('the shares are even', async () =>
      (await longRows()).every(({ sharePercent }) => sharePercent > 15 && sharePercent < 35),
    );
  });

  test('a short question is answered at once, and the four go on', async () => {
    const before = await longRows();
    await run([quickAgent], 'What is this?');
    const row = rowOf(quickAgent);
    const shown = row.locator('.cell.first').filter({ hasText: /\d/ });
    const firstToken = await shown.innerText();
    await screenshot(editor.page, 'fleet-first-token');
    console.log(`      first token after ${firstToken}, with four agents at work`);
    assert.ok(msOf(firstToken) <= firstTokenLimitMs, firstToken);
    await untilAllWrote(20, before);
    await row.locator('vscode-button[aria-label^="Stop"]').click();
    await row.locator('.word').filter({ hasText: 'stopped' }).waitFor();
    assert.deepEqual(
      (await longRows()).filter(({ state }) => !['running', 'ready'].includes(state)),
      [],
    );
    await untilAllWrote(20, await longRows());
  });

  test('a lower nice value gives the larger share soon', async () => {
    const favourite = 'long-c';
    const field = rowOf(favourite).locator('.niceField');
    await field.fill('-10');
    await screenshot(editor.page, 'fleet-before-renice');
    const startedAt = performance.now();
    await field.press('Enter');
    await until(
      'it has by far the largest share',
      async () => {
        const rows = await longRows();
        const shareOf = (row: ShownRow | undefined): number => row?.sharePercent ?? 0;
        const others = rows.filter(({ name }) => name !== favourite);
        const share = shareOf(rows.find(({ name }) => name === favourite));
        return share > 1.3 * Math.max(...others.map(shareOf));
      },
      20_000,
    );
    const ms = performance.now() - startedAt;
    await screenshot(editor.page, 'fleet-reniced');
    console.log(`      the shares changed ${Math.round(ms)} ms after the new nice value`);
    assert.ok(ms <= shareChangeLimitMs, `${ms} ms`);
    assert.equal(await field.inputValue(), '-10');
  });
});

function msOf(text: string): number {
  return text.endsWith(' ms')
    ? Number(text.slice(0, -3).replaceAll(',', ''))
    : Number.parseFloat(text) * 1000;
}
