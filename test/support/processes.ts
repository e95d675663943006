// Looks at the operating system's processes, so that a test can see the kernel as an outsider does: is it there, is it
// gone, did anything stay behind. On Linux it reads /proc, elsewhere it asks `ps`.

import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

export async function listProcesses(): Promise<readonly ProcessEntry[]> {
  if (process.platform !== 'linux') return listWithPs();
  const names = await readdir('/proc');
  const entries = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(readEntry));
  return entries.filter((entry) => entry !== undefined);
}

/** Kernels that were started from a folder, such as an extension's. */
export async function findKernels(folder: string): Promise<readonly ProcessEntry[]> {
  const all = await listProcesses();
  return all.filter(({ command }) => command.includes(folder) && /[\\/]dist[\\/]kernel\.js/.test(command));
}

/** Resolves when a condition holds. @throws Error that names what did not come true in time. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  timeoutMs = 15_000,
): Promise<void> {
  const endsAt = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > endsAt) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(50);
  }
}

/** A process may end while it is read. One that has ended and was not collected yet has no command, and no entry. */
async function readEntry(name: string): Promise<ProcessEntry | undefined> {
  try {
    const command = (await readFile(`/proc/${name}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
    const stat = await readFile(`/proc/${name}/stat`, 'utf8');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    return command === '' ? undefined : { pid: Number(name), parent, command };
  } catch {
    return undefined;
  }
}

async function listWithPs(): Promise<readonly ProcessEntry[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,command=']);
  return stdout.split('\n').flatMap((line) => {
    const [, pid, parent, command] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return command === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), command }];
  });
}
