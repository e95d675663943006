/**
 * Agents that were alive when the window closed. The editor remembers that there were some, so that opening a folder
 * starts a kernel only where somebody waits in it; they come back paused, and a person decides whether they go on.
 */

import * as vscode from 'vscode';
import type { KernelProcess } from '../client/kernelProcess.js';
import { DisposableStore, type Disposable } from '../shared/lifecycle.js';
import type { AgentRow } from '../shared/protocol.js';
import type { AgentRuns } from './agentRuns.js';
import type { Fleet } from './fleet.js';
import { describeReturn } from './kernelNews.js';

export interface LastSessionParts {
  readonly kernel: KernelProcess;
  readonly fleet: Fleet;
  readonly runs: AgentRuns;
  readonly memory: vscode.Memento;
}

const memoryKey = 'liveAgents';

/** Takes care of agents of the last session, now or when the workspace is trusted, and remembers those of this one. */
export function followSessions(parts: LastSessionParts): Disposable {
  const { kernel, fleet, memory } = parts;
  const store = new DisposableStore();
  let remembered = memory.get<number>(memoryKey, 0);
  if (remembered > 0) {
    if (vscode.workspace.isTrusted) void bringBack(parts);
    else store.add(vscode.workspace.onDidGrantWorkspaceTrust(() => void bringBack(parts)));
  }
  store.add(
    fleet.onDidChange(() => {
      const keeps = kernel.state.name === 'running' && kernel.state.info.keepsAgents;
      if (!keeps || fleet.live.length === remembered) return;
      remembered = fleet.live.length;
      void memory.update(memoryKey, remembered);
    }),
  );
  return store;
}

/** A start that fails is told by the kernel's state; the agents are still there next time. */
async function bringBack(parts: LastSessionParts): Promise<void> {
  const { kernel, runs, memory } = parts;
  try {
    await kernel.start();
  } catch {
    return;
  }
  const rows = kernel.rows.filter(({ state }) => state !== 'exited');
  if (rows.length === 0) {
    await memory.update(memoryKey, 0);
    return;
  }
  runs.followAll(rows);
  const goOn = rows.length === 1 ? 'Let It Go On' : 'Let Them Go On';
  const open = 'Open Task Manager';
  const chosen = await vscode.window.showInformationMessage(describeReturn(rows), goOn, open);
  if (chosen === goOn) await resumeAll(rows, kernel);
  if (chosen === open) await vscode.commands.executeCommand('agenticMicrokernel.openTaskManager');
}

/** One may have been stopped or resumed meanwhile. */
async function resumeAll(rows: readonly AgentRow[], kernel: KernelProcess): Promise<void> {
  await Promise.allSettled(rows.map(({ pid }) => kernel.call('resume', { pid })));
}
