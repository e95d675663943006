/**
 * The editor's settings as checked values. Only this file reads them. Engine settings are `machine` scope, so what
 * arrives here was set by the person who owns the machine, never by a workspace.
 */

import * as vscode from 'vscode';
import { parseWith, type AgentDefinition } from '../shared/agentDefinition.js';
import type { Disposable } from '../shared/lifecycle.js';
import {
  editorSettingsSchema,
  engineSettingsSchema,
  settingsSection,
  type EngineSettings,
} from '../shared/settings.js';
import { mergeAgents } from './agentsSetting.js';

const engineKeys = Object.keys(engineSettingsSchema.shape);
const bootKeys = [...engineKeys, ...Object.keys(editorSettingsSchema.shape)];

/** @throws KernelError `badRequest` that names the setting and its fault. */
export function readEngineSettings(): EngineSettings {
  const configuration = vscode.workspace.getConfiguration(settingsSection);
  const values = Object.fromEntries(engineKeys.map((key) => [key, configuration.get<unknown>(key)]));
  return parseWith(engineSettingsSchema, values, `setting ${settingsSection}`);
}

/** Whether what is kept of agents is encrypted. */
export function readEncryptState(): boolean {
  const encryptState = vscode.workspace.getConfiguration(settingsSection).get<unknown>('encryptState');
  return parseWith(editorSettingsSchema, { encryptState }, `setting ${settingsSection}`).encryptState;
}

/** @throws KernelError `badRequest` that names the place, the field and its fault. */
export function readAgents(folder: vscode.WorkspaceFolder): readonly AgentDefinition[] {
  const name = `${settingsSection}.agents`;
  const found = vscode.workspace.getConfiguration(settingsSection, folder.uri).inspect<unknown>('agents');
  return mergeAgents([
    { source: `setting ${name} of the user`, value: found?.globalValue },
    { source: `setting ${name} of the workspace`, value: found?.workspaceValue },
    { source: `setting ${name} of folder ${folder.name}`, value: found?.workspaceFolderValue },
  ]);
}

export function onDidChangeEngineSettings(listener: () => void): Disposable {
  return vscode.workspace.onDidChangeConfiguration((event) => {
    if (bootKeys.some((key) => event.affectsConfiguration(`${settingsSection}.${key}`))) listener();
  });
}

/** An empty path means the embedded model. */
export async function writeModel(path: string): Promise<void> {
  const configuration = vscode.workspace.getConfiguration(settingsSection);
  await configuration.update('model', path === '' ? undefined : path, vscode.ConfigurationTarget.Global);
}
