/**
 * Asks a person what to run: in which folder, which agents, for what task. Every step can be left with Escape, and
 * then nothing happens. The agents picked last are picked again, so that one key is enough the next time.
 */

import * as vscode from 'vscode';
import type { RunRequest } from './agentRuns.js';
import { readAgents } from './settings.js';

const lastPickKey = 'lastPickedAgents';
const firstPick: readonly string[] = ['scout'];

/** The folder that agents work on, or undefined when there is none or nobody chose one. */
export async function pickFolder(): Promise<vscode.WorkspaceFolder | undefined> {
  const folders = vscode.workspace.workspaceFolders ?? [];
  if (folders.length === 0) {
    void offerFolder();
    return undefined;
  }
  return folders.length === 1
    ? folders[0]
    : vscode.window.showWorkspaceFolderPick({ placeHolder: 'Which folder do the agents work on?' });
}

async function offerFolder(): Promise<void> {
  const open = 'Open Folder…';
  const message = 'Open a folder first: agents work on a workspace folder.';
  const chosen = await vscode.window.showWarningMessage(message, open);
  if (chosen === open) await vscode.commands.executeCommand('vscode.openFolder');
}

export async function pickRun(
  folder: vscode.WorkspaceFolder,
  memory: vscode.Memento,
): Promise<readonly RunRequest[] | undefined> {
  const names = await pickAgents(folder, memory);
  if (names === undefined) return undefined;
  const task = await vscode.window.showInputBox({
    title: `Task for ${names.join(', ')}`,
    placeHolder: 'For example: Where is the configuration parsed?',
    ignoreFocusOut: true,
    validateInput: (text) => (text.trim() === '' ? 'The task is empty.' : undefined),
  });
  return task === undefined ? undefined : names.map((agent) => ({ agent, task }));
}

async function pickAgents(
  folder: vscode.WorkspaceFolder,
  memory: vscode.Memento,
): Promise<readonly string[] | undefined> {
  const last = memory.get<readonly string[]>(lastPickKey, firstPick);
  const items = readAgents(folder).map((agent) => ({
    label: agent.name,
    description: agent.description,
    detail: `${agent.class} · ${agent.tools.join(', ')}`,
    picked: last.includes(agent.name),
  }));
  const picked = await vscode.window.showQuickPick(items, {
    title: 'Run Agent',
    placeHolder: 'Which agents? Each works on the task by itself.',
    canPickMany: true,
    matchOnDescription: true,
  });
  if (picked === undefined || picked.length === 0) return undefined;
  const names = picked.map(({ label }) => label);
  // Not waited for: who types on at once types into the next box, not into a gap.
  void memory.update(lastPickKey, names);
  return names;
}
