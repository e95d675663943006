/** The program that downloads a model, as its clients use it: a process for the time of one download. */

import { fork } from 'node:child_process';
import { ipcChannel } from '../shared/ipcChannel.js';
import type { Nothing, PullCalls, PulledModel, PullEvents, PullRequest } from '../shared/modelPull.js';
import { Peer } from '../shared/peer.js';

export interface PullListeners {
  readonly onProgress: (progress: PullEvents['progress']) => void;
  readonly onChecking: (checking: PullEvents['checking']) => void;
}

/**
 * @param programPath bundle of the program
 * @throws KernelError `cancelled`, `notFound`, `modelUnusable`, `storageFailed`; `peerGone` when the program died
 */
export async function pullModelFile(
  programPath: string,
  request: PullRequest,
  { onProgress, onChecking }: PullListeners,
  signal: AbortSignal,
): Promise<PulledModel> {
  const child = fork(programPath, [], {
    execArgv: [],
    serialization: 'json',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const peer = new Peer<Nothing, PullCalls, PullEvents, Nothing>({
    channel: ipcChannel(child),
    handlers: {},
  });
  peer.on('progress', onProgress);
  peer.on('checking', onChecking);
  try {
    return await peer.call('pull', request, signal);
  } finally {
    peer.close();
  }
}
