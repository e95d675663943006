// The extension as these tests see it: activated by the real editor, with the one door it opens in test mode. In that
// mode nobody can click a notification, so a test answers the agents' questions itself, through the same queue that
// the notifications answer through.

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import type { TestAccess } from '../../src/extension/extension.js';
import type { Disposable } from '../../src/shared/lifecycle.js';
import type { AgentReport, PermissionAnswer, PermissionRequest } from '../../src/shared/protocol.js';

const extensionId = 'agentic-microkernel.agentic-microkernel';

export function findExtension(): vscode.Extension<TestAccess> {
  const extension = vscode.extensions.getExtension<TestAccess>(extensionId);
  assert.ok(extension, `${extensionId} is not there`);
  return extension;
}

export async function activate(): Promise<TestAccess> {
  const access: TestAccess | undefined = await findExtension().activate();
  assert.ok(access, 'in test mode the extension opens a door to its tests');
  return access;
}

export interface Answering extends Disposable {
  /** What was asked so far, in order. */
  readonly asked: readonly PermissionRequest[];
}

/** Answers every question from now on, the way a person would: after it was shown. Without an answer it stays open. */
export function answerWith(
  { permissions }: TestAccess,
  decide: (request: PermissionRequest) => PermissionAnswer | undefined,
): Answering {
  const asked: PermissionRequest[] = [];
  const seen = new Set<number>();
  const subscription = permissions.onDidChange(() => {
    for (const { id, request } of permissions.pending) {
      if (seen.has(id)) continue;
      seen.add(id);
      asked.push(request);
      const answer = decide(request);
      if (answer !== undefined) setImmediate(() => permissions.answer(id, answer));
    }
  });
  return { asked, dispose: () => subscription.dispose() };
}

export const deny = (): PermissionAnswer => ({ kind: 'deny', reason: '' });

/** Allows once exactly what was asked for. */
export function allowOnce(request: PermissionRequest): PermissionAnswer {
  const { access } = request;
  const scope = access.capability === 'process.run' ? access.argv.join(' ') : access.path;
  return { kind: 'allow', lifetime: 'once', scope };
}

export async function run(agent: string, task: string): Promise<AgentReport> {
  const reports = await vscode.commands.executeCommand<AgentReport[]>('agenticMicrokernel.run', {
    agent,
    task,
  });
  assert.equal(reports.length, 1);
  return reports[0]!;
}

export function workspacePath(...parts: readonly string[]): vscode.Uri {
  const folder = vscode.workspace.workspaceFolders?.[0];
  assert.ok(folder, 'the window has a folder');
  return vscode.Uri.joinPath(folder.uri, ...parts);
}

export async function readText(path: vscode.Uri): Promise<string> {
  return new TextDecoder().decode(await vscode.workspace.fs.readFile(path));
}
