/**
 * Ends a command together with everything that it started, and returns when nothing of it runs. A process belongs
 * to a command when it is in the command's process group, descends from it, or (on Linux) carries its mark in the
 * environment, which also finds those who left the group and whose parents are gone. It never signals a process
 * that it did not just find.
 */

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ProcessTree {
  /** The command itself; on POSIX it leads a process group of its own. */
  readonly leader: number;
  /** Text that is in the environment of the command and of nobody else's. */
  readonly mark: string;
}

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
}

/** How long a process may take to end when it is asked to; then it is killed. */
const politeMs = 500;
/** A process that the kernel of the system cannot end (it waits for a dead disk) is not waited for any longer. */
const killMs = 2_000;

/** Asks, waits, kills. Resolves when nothing of the tree runs, or nothing more can be done. */
export async function endTree(tree: ProcessTree): Promise<void> {
  if (process.platform === 'win32') {
    await endWindowsTree(tree.leader);
    return;
  }
  if (await signalUntilGone(tree, 'SIGTERM', politeMs)) return;
  await signalUntilGone(tree, 'SIGKILL', killMs);
}

/** A request to end is made once to each; a kill again and again, since a fork may have slipped through. */
async function signalUntilGone(
  tree: ProcessTree,
  signal: 'SIGTERM' | 'SIGKILL',
  withinMs: number,
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  const asked = new Set<number>();
  for (let pauseMs = 5; ; pauseMs = Math.min(2 * pauseMs, 80)) {
    const alive = membersOf(tree, listProcesses(), (pid) => carries(pid, tree.mark));
    if (alive.size === 0) return true;
    if (performance.now() >= deadline) return false;
    if (signal === 'SIGKILL') send(-tree.leader, signal);
    for (const pid of alive) if (signal === 'SIGKILL' || !asked.has(pid)) send(pid, signal);
    for (const pid of alive) asked.add(pid);
    await sleep(pauseMs);
  }
}

function send(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** Which of the processes belong to the tree. Pure but for `isMarked`, which is asked only where nothing else tells. */
export function membersOf(
  tree: ProcessTree,
  rows: readonly ProcessRow[],
  isMarked: (pid: number) => boolean,
): ReadonlySet<number> {
  const members = new Set<number>();
  for (const { pid, group } of rows) if (group === tree.leader || isMarked(pid)) members.add(pid);
  let size = -1;
  while (size !== members.size) {
    size = members.size;
    for (const { pid, parent } of rows) if (members.has(parent)) members.add(pid);
  }
  return members;
}

/** Every process that runs. What has ended and was not collected by its parent yet does not. */
function listProcesses(): ProcessRow[] {
  if (process.platform !== 'linux') return listWithPs();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const stat = readProc(name, 'stat');
      // The name before it is in brackets and may hold brackets and blanks itself.
      const [state = 'Z', parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return state === 'Z' || state === 'X' || parent === undefined
        ? []
        : [{ pid: Number(name), parent: Number(parent), group: Number(group) }];
    });
}

function listWithPs(): ProcessRow[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid=,pgid=,stat='], { encoding: 'utf8' });
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, group, state] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S)/.exec(line) ?? [];
    return state === undefined || state === 'Z'
      ? []
      : [{ pid: Number(pid), parent: Number(parent), group: Number(group) }];
  });
}

function carries(pid: number, mark: string): boolean {
  return process.platform === 'linux' && readProc(String(pid), 'environ').includes(mark);
}

/** Empty when the process is gone, or is somebody else's. */
function readProc(pid: string, name: 'stat' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}

/** Windows has neither groups nor signals; its own tool walks the tree of children. */
async function endWindowsTree(leader: number): Promise<void> {
  const tool = spawn('taskkill', ['/pid', String(leader), '/T', '/F'], {
    stdio: 'ignore',
    windowsHide: true,
  });
  await Promise.race([once(tool, 'exit'), sleep(killMs)]).catch(() => undefined);
}
