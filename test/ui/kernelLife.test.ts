// The kernel beside the editor, as the operating system sees it: it dies and the editor says so; the editor goes and
// the kernel does not stay.

import assert from 'node:assert/strict';
import { openInstalledExtension, type InstalledExtension } from '../support/installedExtension.js';
import { processExists } from '../../src/hal/processIdentity.js';
import { findKernels, listProcesses, until, type ProcessEntry } from '../support/processes.js';
import {
  answer,
  notification,
  outputText,
  pickMany,
  runCommand,
  screenshot,
  type,
  waitForWorkbench,
} from '../support/workbench.js';

suite('the kernel beside the editor', () => {
  let editor: InstalledExtension;

  suiteSetup(async () => {
    editor = await openInstalledExtension();
  });

  teardown(async function () {
    if (this.currentTest?.state !== 'failed') return;
    await screenshot(editor.page, `failed-${this.currentTest.title.replaceAll(/\W+/g, '-')}`);
  });

  suiteTeardown(() => editor.close());

  async function startRun(): Promise<ProcessEntry> {
    await runCommand(editor.page, 'Agents: Run Agent');
    await pickMany(editor.page, 'Run Agent', ['scout']);
    await type(editor.page, 'Task for', 'Where is parseEntries defined?');
    // The status bar, and not the notification: another one, about agents of the last session, may hide that.
    await editor.page.locator('.statusbar-item', { hasText: /needs? you/ }).waitFor();
    const kernels = await findKernels(editor.profile.extensions);
    assert.equal(kernels.length, 1);
    return kernels[0]!;
  }

  test('killed during a run, the editor says so and the agent goes on', async () => {
    const kernel = await startRun();
    process.kill(kernel.pid, 'SIGKILL');
    await notification(editor.page, /Kernel stopped.*was restarted.*1 agent goes on: scout/).waitFor();
    await screenshot(editor.page, 'kernel-restarted');
    // The dead kernel's question may still be on the screen, with the same words as the next one's: the status bar
    // counts the open one, and shows it again.
    await runCommand(editor.page, 'Notifications: Clear All Notifications');
    await notification(editor.page, /./).waitFor({ state: 'detached' });
    await runCommand(editor.page, 'Agents: Answer Open Question');
    await answer(editor.page, /scout wants to/, 'Allow Once');
    await until(
      'the agent answers',
      async () => (await outputText(editor.page)).includes('✓ answered'),
      60_000,
    );
  });

  test('the window is reloaded and its kernel ends', async () => {
    const kernel = await startRun();
    await editor.page.reload();
    await waitForWorkbench(editor.page);
    await until('the kernel of the old window is gone', () => !processExists(kernel.pid), 30_000);
  });

  test('the extension host is killed and its kernel ends by itself', async () => {
    const kernel = await startRun();
    const host = (await listProcesses()).find(({ pid }) => pid === kernel.parent);
    assert.ok(host?.command.includes('extensionHost') === true, host?.command);
    process.kill(host.pid, 'SIGKILL');
    await until('the orphaned kernel is gone', () => !processExists(kernel.pid), 30_000);
  });
});
