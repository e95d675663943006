// What an installed extension is before anybody uses it: its commands and settings are there, and nothing runs.

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { settingsSection } from '../../../src/shared/settings.js';
import { findKernels } from '../../support/processes.js';
import { activate, findExtension } from '../extensionAccess.js';

suite('activation', () => {
  test('registers every command that package.json contributes', async () => {
    await activate();
    const registered = await vscode.commands.getCommands(true);
    const manifest = findExtension().packageJSON as {
      contributes: { commands: { command: string; title: string }[] };
    };
    const contributed = manifest.contributes.commands.map(({ command }) => command);
    for (const id of ['run', 'stop', 'openTaskManager', 'restartKernel']) {
      assert.ok(contributed.includes(`agenticMicrokernel.${id}`), `${id} is contributed`);
    }
    assert.deepEqual(
      contributed.filter((id) => !registered.includes(id)),
      [],
    );
  });

  test('starts no kernel', async () => {
    const { kernel } = await activate();
    assert.equal(kernel.state.name, 'stopped');
    assert.deepEqual(await findKernels(findExtension().extensionPath), []);
  });

  test('has the defaults of its settings', () => {
    const settings = vscode.workspace.getConfiguration(settingsSection);
    assert.equal(settings.get('model'), '');
    assert.equal(settings.get('gpu'), 'auto');
    assert.equal(settings.get('kvType'), 'f16');
  });

  test('lets no workspace choose the model or the device', async () => {
    const settings = vscode.workspace.getConfiguration(settingsSection);
    for (const key of ['model', 'gpu', 'kvType', 'threads', 'slots', 'contextTokens']) {
      await assert.rejects(
        async () => settings.update(key, settings.get(key), vscode.ConfigurationTarget.Workspace),
        /workspace|machine/i,
        key,
      );
    }
  });
});
