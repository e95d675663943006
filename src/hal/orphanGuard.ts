/**
 * Ends this process when the one that started it is gone, even while the main thread is busy or hung: the check
 * runs on a thread of its own. The closed IPC channel is the usual signal; this is for the day when nobody reads it.
 */

import { Worker } from 'node:worker_threads';

const checkIntervalMs = 1_000;

/** A child whose parent died is given to another one; on Windows the parent's pid just stops existing. */
const watch = `
const { workerData } = require('node:worker_threads');
const isGone = () => {
  if (process.ppid !== workerData.parent) return true;
  try { process.kill(workerData.parent, 0); return false; } catch (error) { return error.code === 'ESRCH'; }
};
setInterval(() => { if (isGone()) process.kill(process.pid, 'SIGKILL'); }, workerData.intervalMs);
`;

export function startOrphanGuard(): void {
  const workerData = { parent: process.ppid, intervalMs: checkIntervalMs };
  new Worker(watch, { eval: true, workerData, stdout: false, stderr: false }).unref();
}
