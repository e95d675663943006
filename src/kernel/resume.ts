/**
 * Takes over the agents of the kernel before this one, from its journal: each goes on where it was. One that cannot
 * exits with the reason, and never keeps another from going on.
 */

import { KernelError, messageOf, toErrorData } from '../shared/errors.js';
import type { LogLevel, StatePlace } from '../shared/protocol.js';
import { isTeam } from '../shared/team.js';
import type { Agent } from './agent/agent.js';
import type { AgentJournal } from './agent/loop.js';
import type { AgentTable } from './agentTable.js';
import type { JournalState, JournalledAgent } from './journal/replay.js';

export interface ResumeParts {
  readonly state: JournalState;
  readonly journal: AgentJournal;
  readonly agents: AgentTable;
  readonly mode: StatePlace['resume'];
  /** Real path of a folder. Rejects where there is none. */
  readonly realFolder: (path: string) => Promise<string>;
  readonly log: (level: LogLevel, message: string) => void;
}

/** Resolves when every agent is there again; none of them has computed anything yet by then. */
export async function resumeAgents(parts: ResumeParts): Promise<readonly Agent[]> {
  // Each of them may add to the journal, which changes the state that it tells.
  const past = [...parts.state.agents.values()];
  const resumed: Agent[] = [];
  for (const agent of past) {
    try {
      // Who had done what for it is not in the journal; those who worked for it go on by themselves.
      if (isTeam(agent.definition)) throw new KernelError('kernelStopped', 'a team ends with its kernel');
      const root = await checkedRoot(agent, parts);
      resumed.push(parts.agents.resume(agent, root, await heldBecause(agent, parts)));
    } catch (error) {
      parts.log('warn', `agent ${agent.pid} cannot go on: ${messageOf(error)}`);
      parts.agents.giveUp(agent, toErrorData(error));
    }
  }
  return resumed;
}

/** What a person trusted is the folder that was there, not whatever has its name now. */
async function checkedRoot(
  { workspace: { root, trusted } }: JournalledAgent,
  { realFolder }: ResumeParts,
): Promise<string> {
  if (!trusted) throw new KernelError('untrustedWorkspace', `${root} is not trusted, so no agent runs in it`);
  const real = await realFolder(root).catch((cause: unknown) => {
    throw new KernelError('notFound', `its workspace ${root} is gone`, { cause });
  });
  if (real !== root) throw new KernelError('notFound', `its workspace ${root} leads to ${real} now`);
  return real;
}

/**
 * Why it comes back paused, or undefined when it goes on at once. That it is paused is a fact like any other: were
 * this kernel to die as well, the next one would not set it going.
 */
async function heldBecause(
  { pid, isPaused }: JournalledAgent,
  { mode, journal }: ResumeParts,
): Promise<string | undefined> {
  if (isPaused) return 'paused by you';
  if (mode === 'run') return undefined;
  await journal.append({ type: 'paused', pid, isPaused: true });
  return 'resumed from the last session';
}
