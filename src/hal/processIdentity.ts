/**
 * Which process is meant, beyond its number, which the system gives again to others. On Linux a process is known by
 * the boot and the tick it started in, exactly; elsewhere by the time it started, which is looked up only when a
 * process with that number runs. Whoever cannot be judged counts as running: a lock is rather kept than broken.
 */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { hasCode } from './fileErrors.js';

export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process. */
  readonly started: string;
}

export interface Processes {
  self(): Promise<ProcessIdentity>;
  isRunning(process: ProcessIdentity): Promise<boolean>;
}

export const systemProcesses: Processes = {
  self: async () => ({
    pid: process.pid,
    started: (await linuxStart(process.pid)) ?? String(Math.round(performance.timeOrigin)),
  }),
  isRunning: async ({ pid, started }) => {
    if (!processExists(pid)) return false;
    if (process.platform === 'linux') {
      const found = await linuxStart(pid);
      return found === undefined ? processExists(pid) : found === started;
    }
    const found = await startMs(pid);
    return found === undefined || Math.abs(found - Number(started)) < startToleranceMs;
  },
};

/** A process reads its own start a moment after the system notes it, which may keep whole seconds only. */
const startToleranceMs = 5_000;

/** Whether there is a process with that number, whosever it is. */
export function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process may not be signalled, but it runs.
    return !hasCode(error, 'ESRCH');
  }
}

/** `boot:tick`; nothing where there is no such process or no /proc. One that has ended has no start any more. */
async function linuxStart(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const [boot, stat] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'latin1'),
      readFile(`/proc/${pid}/stat`, 'latin1'),
    ]);
    // The name before it is in brackets and may hold brackets and blanks itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const hasEnded = fields[0] === 'Z' || fields[0] === 'X';
    return `${boot.trim()}:${hasEnded ? 'ended' : (fields[19] ?? '')}`;
  } catch {
    return undefined;
  }
}

const run = promisify(execFile);

/** When the system says that the process started. */
async function startMs(pid: number): Promise<number | undefined> {
  const query = `([DateTimeOffset](Get-Process -Id ${pid}).StartTime).ToUnixTimeMilliseconds()`;
  const options = { env: { ...process.env, LC_ALL: 'C' }, timeout: 10_000, windowsHide: true };
  try {
    const { stdout } =
      process.platform === 'win32'
        ? await run('powershell.exe', ['-NoProfile', '-NonInteractive', '-Command', query], options)
        : await run('ps', ['-o', 'lstart=', '-p', String(pid)], options);
    const text = stdout.trim();
    const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
    return Number.isNaN(ms) ? undefined : ms;
  } catch {
    return undefined;
  }
}
