// A folder that nobody trusts: nothing runs in it, and a person who tries is told why and where to change it.

import { findKernels } from '../support/processes.js';
import { openInstalledExtension, type InstalledExtension } from '../support/installedExtension.js';
import { notification, runCommand, screenshot, statusBar } from '../support/workbench.js';
import assert from 'node:assert/strict';

suite('an untrusted folder', () => {
  let editor: InstalledExtension;

  suiteSetup(async () => {
    editor = await openInstalledExtension({ untrusted: true });
  });

  suiteTeardown(() => editor.close());

  test('is in Restricted Mode, and running an agent is refused', async () => {
    await statusBar(editor.page).filter({ hasText: 'Restricted Mode' }).waitFor();
    await runCommand(editor.page, 'Agents: Run Agent');
    const refusal = notification(editor.page, /this workspace is not trusted/);
    await refusal.waitFor();
    await screenshot(editor.page, 'restricted-mode');
    await refusal.getByRole('button', { name: 'Manage Workspace Trust' }).waitFor();
    assert.deepEqual(await findKernels(editor.profile.extensions), []);
  });
});
