// Second thoughts, in the task manager: what agents hold in a window that is too small for their conversation, a block
// brought back by hand, and a right that is given for the session, listed, and taken back. A team works at one task in
// turn, each member going on with the conversation of the one before, until the last one waits for its answer.

import assert from 'node:assert/strict';
import type { Locator } from 'playwright-core';
import { openInstalledExtension, type InstalledExtension } from '../support/installedExtension.js';
import { until } from '../support/processes.js';
import {
  answer,
  notification,
  pick,
  pickMany,
  runCommand,
  screenshot,
  taskManager,
  type,
} from '../support/workbench.js';

const windowTokens = 1024;
const members = 8;
const read = /reader wants to read src\/money\.ts/;

suite('the context map and the grants', () => {
  let editor: InstalledExtension;

  suiteSetup(async () => {
    const reader = { name: 'reader', tools: ['read_file'] };
    const team = { name: 'team', tools: [], pipeline: Array.from({ length: members }, () => 'reader') };
    editor = await openInstalledExtension({
      settings: {
        'agenticMicrokernel.contextTokens': windowTokens,
        'agenticMicrokernel.agents': [reader, team],
      },
    });
  });

  teardown(async function () {
    if (this.currentTest?.state !== 'failed') return;
    await screenshot(editor.page, `failed-${this.currentTest.title.replaceAll(/\W+/g, '-')}`);
    console.error(editor.log.slice(-15).join('\n'));
  });

  suiteTeardown(() => editor.close());

  const manager = (): ReturnType<typeof taskManager> => taskManager(editor.page);
  const rowWith = (text: string): Locator => manager().locator('.row.default').filter({ hasText: text });
  const blocks = (state: string): Locator => manager().locator(`.strip .block[data-state="${state}"]`);
  const section = (name: string): Locator =>
    manager()
      .locator('.rights')
      .filter({ has: editor.page.locator(`.rightsName:text-is("${name}")`) });

  test('a window that is full shows which blocks left it, and what they say', async () => {
    await runCommand(editor.page, 'Agents: Open Task Manager');
    await runCommand(editor.page, 'Agents: Run Agent');
    await pickMany(editor.page, 'Run Agent', ['team']);
    await type(editor.page, 'Task for', 'What does src/money.ts export?');
    for (let member = 1; member < members; member++) {
      await answer(editor.page, read, 'Allow Once');
      await until(
        `member ${member} has answered`,
        async () => (await manager().locator('.row[data-outcome="answered"]').count()) === member,
      );
    }
    await notification(editor.page, read).waitFor();
    await runCommand(editor.page, 'View: Toggle Panel Visibility');
    await section('Review')
      .getByText(/reader \(\d+\) wants to read src\/money\.ts/)
      .waitFor();
    const waiting = rowWith('blocked');
    await waiting.locator('.expander').click();
    await blocks('paged').first().waitFor();
    await manager()
      .getByText(`of ${windowTokens.toLocaleString('en')} tokens`)
      .waitFor();
    await blocks('paged').first().hover();
    const text = manager().locator('.blockText');
    await until('the text of a block is shown', async () => (await text.innerText()).length > 0);
    await screenshot(editor.page, 'context-map');
    const counts = await Promise.all(['resident', 'paged'].map((state) => blocks(state).count()));
    console.log(`      ${counts[0]} blocks in the window, ${counts[1]} paged out`);
    assert.ok(counts.every((count) => count > 0));
  });

  test('a block that a person wants back is there with the next turn', async () => {
    const block = manager().locator('.strip .block[data-state="paged"][data-kind="file"]').first();
    const label = (await block.getAttribute('aria-label'))?.split(':')[0] ?? '';
    await block.click();
    await manager().getByRole('button', { name: 'Bring Back' }).click();
    await manager().locator('.block[data-asked="true"]').waitFor();
    await screenshot(editor.page, 'context-map-asked');
    await section('Review').getByRole('button', { name: 'Answer' }).click();
    await answer(editor.page, read, 'Allow Longer…');
    await pick(editor.page, 'Allow fs.read', 'whole workspace');
    await blocks('recalled').first().waitFor();
    const recalled = await blocks('recalled').evaluateAll((cells) =>
      cells.map((cell) => cell.getAttribute('aria-label') ?? ''),
    );
    assert.ok(
      recalled.some((each) => each.startsWith(`${label}:`)),
      `${label} is not among ${recalled.join('; ')}`,
    );
    await manager().getByText('It has ended').waitFor();
    await screenshot(editor.page, 'context-map-recalled');
  });

  test('a right for the session is listed with its uses, and gone when it is revoked', async () => {
    const grants = section('Grants');
    await grants.getByText('every agent · every file of the workspace').waitFor();
    await grants.getByText('used once').waitFor();
    await section('Review').waitFor({ state: 'hidden' });
    await grants.scrollIntoViewIfNeeded();
    await screenshot(editor.page, 'grants');
    await grants.getByRole('button', { name: 'Revoke' }).click();
    await grants.getByText('none').waitFor();
    await screenshot(editor.page, 'grants-revoked');
    await runCommand(editor.page, 'Agents: Run Agent');
    await pickMany(editor.page, 'Run Agent', ['reader']);
    await type(editor.page, 'Task for', 'What does src/money.ts export?');
    await rowWith('blocked').waitFor();
  });
});
