// A window without a folder: there is nothing for an agent to work on, so nothing starts and a person is told why.

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { until } from '../../support/processes.js';
import { activate } from '../extensionAccess.js';

suite('a window without a folder', () => {
  test('runs no agent and starts no kernel', async () => {
    const { kernel } = await activate();
    assert.equal(vscode.workspace.workspaceFolders, undefined);
    const reports = await vscode.commands.executeCommand('agenticMicrokernel.run', {
      agent: 'scout',
      task: 'Where is parseEntries defined?',
    });
    assert.equal(reports, undefined);
    assert.equal(kernel.state.name, 'stopped');
  });

  test('opens an empty task manager', async () => {
    await vscode.commands.executeCommand('agenticMicrokernel.openTaskManager');
    const labels = () => vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs.map(({ label }) => label));
    await until('the task manager has a tab', () => labels().includes('Task Manager'));
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });
});
