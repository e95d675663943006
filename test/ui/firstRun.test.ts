// The main job as a person does it, in the editor's own page: run an agent, be asked, allow, read the answer, see the row.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openInstalledExtension, type InstalledExtension } from '../support/installedExtension.js';
import { until } from '../support/processes.js';
import {
  answer,
  notification,
  outputText,
  pick,
  pickMany,
  runCommand,
  screenshot,
  statusBar,
  taskManager,
  type,
} from '../support/workbench.js';

suite('an agent in the installed extension', () => {
  let editor: InstalledExtension;

  suiteSetup(async () => {
    editor = await openInstalledExtension();
  });

  teardown(async function () {
    if (this.currentTest?.state !== 'failed') return;
    await screenshot(editor.page, `failed-${this.currentTest.title.replaceAll(/\W+/g, '-')}`);
    console.error(editor.log.slice(-15).join('\n'));
  });

  suiteTeardown(() => editor.close());

  async function runAgent(name: string, task: string): Promise<void> {
    await runCommand(editor.page, 'Agents: Run Agent');
    await pickMany(editor.page, 'Run Agent', [name]);
    await type(editor.page, 'Task for', task);
  }

  async function untilOutput(pattern: RegExp): Promise<void> {
    await until(
      `output matches ${pattern.source}`,
      async () => pattern.test(await outputText(editor.page)),
      60_000,
    );
  }

  test('asks before it reads, and answers when it may', async () => {
    await runAgent('scout', 'Where is parseEntries defined?');
    await notification(editor.page, /scout wants to/).waitFor();
    await statusBar(editor.page).filter({ hasText: '1 needs you' }).waitFor();
    await screenshot(editor.page, 'prompt');
    await answer(editor.page, /scout wants to/, 'Allow This Run…');
    await pick(editor.page, 'Allow fs.read', 'Whole workspace');
    await untilOutput(/scout \d+ │ .*src\/parseCsv\.ts/);
    await untilOutput(/✓ answered/);
    await screenshot(editor.page, 'answer');
  });

  test('names a place in a file that opens with a click', async () => {
    const link = editor.page.locator('.part.panel .detected-link').filter({ hasText: 'parseCsv.ts' });
    await link.last().click({ modifiers: ['ControlOrMeta'] });
    await editor.page.locator('.part.editor .tab').filter({ hasText: 'parseCsv.ts' }).waitFor();
  });

  test('has a row in the task manager, with its state and tokens', async () => {
    await runCommand(editor.page, 'View: Close All Editors');
    await runCommand(editor.page, 'Agents: Open Task Manager');
    const manager = taskManager(editor.page);
    await manager.getByText('Where is parseEntries defined?').first().waitFor();
    await manager.getByText('scout').first().waitFor();
    await manager.getByText('answered').first().waitFor();
    const heads = manager.getByRole('columnheader');
    // A panel of this width has no room for two of them.
    assert.deepEqual(await manager.getByRole('columnheader', { includeHidden: true }).allInnerTexts(), [
      ...['Agent', 'State', 'Class', 'Nice', 'Share', 'First token'],
      ...['Tokens', 'Tokens/s', 'KV cache', 'Queue wait', ''],
    ]);
    const middles = await heads.evaluateAll((cells) =>
      cells
        .map((cell) => cell.getBoundingClientRect())
        .map(({ top, bottom }) => Math.round((top + bottom) / 2)),
    );
    assert.equal(new Set(middles).size, 1, 'the heads of the columns stand side by side');
    await manager
      .locator('.cell.tokens')
      .filter({ hasText: /\d+ \+ \d+/ })
      .waitFor();
    await screenshot(editor.page, 'task-manager');
  });

  test('is reniced and stopped from its row, and a late answer grants nothing', async () => {
    await runAgent('scout', 'Where is printReport defined?');
    await notification(editor.page, /scout wants to/).waitFor();
    const row = taskManager(editor.page)
      .getByRole('row')
      .filter({ hasText: 'Where is printReport defined?' });
    await row.getByText('blocked').waitFor();
    await row.locator('vscode-button[aria-label^="Raise nice"]').click();
    await until(
      'the row has the new nice value',
      async () => (await row.locator('.niceField').inputValue()) === '1',
    );
    await row.locator('vscode-button[aria-label^="Stop scout"]').click();
    await row.getByText('stopped').first().waitFor();
    await statusBar(editor.page).filter({ hasText: '0 agents' }).waitFor();
    await screenshot(editor.page, 'stopped');
    await answer(editor.page, /scout wants to/, 'Allow Once');
    await notification(editor.page, /scout no longer asks; nothing was granted/).waitFor();
  });

  test('changes a file only after that was allowed', async () => {
    const file = join(editor.folder, 'src', 'report.ts');
    const before = await readFile(file, 'utf8');
    await runAgent('coder', 'Rename calcTotal to totalOf in src/report.ts.');
    await notification(editor.page, /coder wants to change src\/report\.ts/).waitFor();
    await screenshot(editor.page, 'prompt-change');
    assert.equal(await readFile(file, 'utf8'), before);
    await answer(editor.page, /coder wants to change/, 'Allow Once');
    await until(
      'the file has the new name',
      async () => (await readFile(file, 'utf8')).includes('totalOf'),
      60_000,
    );
    assert.equal(await readFile(file, 'utf8'), before.replaceAll('calcTotal', 'totalOf'));
  });

  test('says so when it is refused', async () => {
    const file = join(editor.folder, 'src', 'report.ts');
    const before = await readFile(file, 'utf8');
    await runAgent('coder', 'Rename printReport to showReport in src/report.ts.');
    await answer(editor.page, /coder wants to change/, 'Deny');
    await untilOutput(/✗ failed: fs\.write was refused/);
    await screenshot(editor.page, 'denied');
    assert.equal(await readFile(file, 'utf8'), before);
  });
});
