/**
 * The state tool, as the command line uses it: a process for the time of one command. A call that its end leaves open
 * rejects; it ends with this process, however that ends.
 */

import { fork } from 'node:child_process';
import { KernelError } from '../shared/errors.js';
import { ipcChannel } from '../shared/ipcChannel.js';
import { Peer } from '../shared/peer.js';
import type { StateCalls } from '../shared/stateCalls.js';
import { outputTail } from './outputTail.js';

type None = Record<string, never>;

export type CallState = <K extends keyof StateCalls>(
  name: K,
  input: StateCalls[K]['in'],
) => Promise<StateCalls[K]['out']>;

/** @param toolPath bundle of the state tool */
export async function withStateTool<T>(toolPath: string, body: (call: CallState) => Promise<T>): Promise<T> {
  const child = fork(toolPath, [], {
    execArgv: [],
    serialization: 'json',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const tail = outputTail(() => undefined);
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => tail.add(piece));
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  const lastWords = new Promise<void>((resolve) => child.stderr?.once('close', () => resolve()));
  const peer = new Peer<None, StateCalls, None, None>({ channel: ipcChannel(child), handlers: {} });
  try {
    return await body((name, input) => peer.call(name, input));
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'peerGone') throw error;
    await Promise.all([ended, lastWords]);
    const line = tail.tellingLine();
    const reason = line === '' ? '' : `: ${line}`;
    throw new KernelError('peerGone', `the program that reads the store ended${reason}`, { cause: error });
  } finally {
    peer.close();
    await ended;
  }
}
