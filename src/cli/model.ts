/**
 * `amk model pull`: has a model file downloaded by a program of its own, shows how far it is, and says what to do with
 * it. Stopped at any time it loses nothing: the same command goes on.
 */

import { resolve } from 'node:path';
import { pullModelFile } from '../client/modelPull.js';
import { KernelError } from '../shared/errors.js';
import type { Disposable } from '../shared/lifecycle.js';
import type { PulledModel, PullEvents } from '../shared/modelPull.js';
import { formatBytes } from './agentRows.js';
import type { ModelPullCommand } from './modelCommand.js';
import { exitStatus } from './report.js';

export interface ModelHost {
  /** Bundle of the downloading program. */
  readonly pullPath: string;
  readonly modelsFolder: string;
  readonly writeResult: (text: string) => Promise<void>;
  readonly writeProgress: (text: string) => void;
  /** Whether progress is watched: then it is one line that changes. */
  readonly isWatched: boolean;
  readonly onInterrupt: (listener: () => void) => Disposable;
}

export async function pullModel(command: ModelPullCommand, host: ModelHost): Promise<number> {
  const interrupted = new AbortController();
  const listener = host.onInterrupt(() => interrupted.abort());
  const line = progressLine(host);
  const { uri, folder = host.modelsFolder, sha256 } = command;
  try {
    const request = { uri, folder: resolve(folder), ...(sha256 === undefined ? {} : { sha256 }) };
    const listeners = {
      onProgress: ({ doneBytes, totalBytes, bytesPerSecond }: PullEvents['progress']) =>
        line.show(doneBytes, totalBytes, `${formatBytes(Math.round(bytesPerSecond))}/s`),
      onChecking: ({ totalBytes }: PullEvents['checking']) => line.show(totalBytes, totalBytes, 'checking'),
    };
    const model = await pullModelFile(host.pullPath, request, listeners, interrupted.signal);
    line.end();
    await host.writeResult(command.json ? `${JSON.stringify(model, null, 2)}\n` : textOf(model));
    return exitStatus.ok;
  } catch (error) {
    line.end();
    if (!(error instanceof KernelError) || error.code !== 'cancelled') throw error;
    host.writeProgress('amk: stopped; the same command goes on where it was\n');
    return exitStatus.interrupted;
  } finally {
    listener.dispose();
  }
}

const comparedWith: Readonly<Record<PulledModel['verified'], string>> = {
  given: 'as given',
  repository: 'as the repository publishes it',
  nothing: 'compared with nothing: no checksum was given, and its server publishes none',
};

function textOf({ path, name, files, verified }: PulledModel): string {
  const sums = files.map(({ sha256, bytes }) => `${sha256}  ${formatBytes(bytes)}`);
  return [
    `${name} is in ${path}`,
    `SHA-256, ${comparedWith[verified]}:`,
    ...sums,
    `Use it with --model ${JSON.stringify(path)}, or set agenticMicrokernel.model to that path.`,
    '',
  ].join('\n');
}

interface ProgressLine {
  show(doneBytes: number, totalBytes: number, note: string): void;
  end(): void;
}

/** Where nobody watches, a line each tenth of it. */
function progressLine({ writeProgress, isWatched }: ModelHost): ProgressLine {
  let told = -1;
  return {
    show(doneBytes, totalBytes, note) {
      const percent = totalBytes === 0 ? 0 : Math.floor((100 * doneBytes) / totalBytes);
      const text = `${percent} %  ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}  ${note}`;
      if (isWatched) writeProgress(`\r\x1b[K${text}`);
      else if (Math.floor(percent / 10) > told) writeProgress(`${text}\n`);
      told = Math.floor(percent / 10);
    },
    end() {
      if (isWatched && told >= 0) writeProgress('\r\x1b[K');
    },
  };
}
