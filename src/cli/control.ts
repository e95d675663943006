/**
 * Commands on kernels that other processes started: finds the one that is meant, and tells its agents to stop, pause,
 * go on or be nice. It starts no kernel and ends none. What several commands of this kind need is here as well.
 */

import { attach, type AttachedKernel } from '../client/attach.js';
import { runningKernels } from '../client/runningKernels.js';
import { KernelError, messageOf } from '../shared/errors.js';
import { escapeLines } from '../shared/escape.js';
import type { KernelDescriptor, Pid } from '../shared/protocol.js';
import type { ReniceCommand, SteerCommand } from './controlCommandLine.js';
import type { KeyInput } from './keyboard.js';
import type { TerminalOutput } from './liveScreen.js';
import { exitStatus } from './report.js';
import type { Style } from './style.js';
import { kernelSegments } from './topView.js';

/** What these commands need of their process. */
export interface ControlHost {
  /** Where kernels leave their descriptors. */
  readonly kernelFolders: readonly string[];
  readonly writeResult: (text: string) => Promise<void>;
  readonly writeProgress: (text: string) => void;
  /** Where what is printed is read: its width, and whether it shows colours. */
  readonly page: { readonly columns: number; readonly style: Style };
  /** Where somebody watches the result and can press keys. */
  readonly terminal: { readonly output: TerminalOutput; readonly input: KeyInput } | undefined;
  readonly onInterrupt: (listener: () => void) => { dispose(): void };
}

/**
 * The kernels that are meant: the one with that number, or all.
 * @throws KernelError `kernelStopped` when there is none
 */
export async function kernelsMeant(
  { kernel: osPid }: { readonly kernel: number | undefined },
  { kernelFolders }: Pick<ControlHost, 'kernelFolders'>,
): Promise<readonly KernelDescriptor[]> {
  const running = await runningKernels(kernelFolders);
  if (running.length === 0) {
    throw new KernelError('kernelStopped', 'no kernel is running; amk run and the editor start one');
  }
  if (osPid === undefined) return running;
  const meant = running.filter((each) => each.osPid === osPid);
  if (meant.length > 0) return meant;
  throw new KernelError(
    'kernelStopped',
    `there is no kernel ${osPid}; there are ${running.map((each) => each.osPid).join(', ')}`,
  );
}

/**
 * Does something with the kernel that is meant.
 * @throws KernelError `badRequest` when several could be
 */
export async function withKernel<T>(
  command: { readonly kernel: number | undefined },
  host: Pick<ControlHost, 'kernelFolders'>,
  body: (kernel: AttachedKernel) => Promise<T>,
): Promise<T> {
  const [first, ...others] = await kernelsMeant(command, host);
  if (first === undefined || others.length > 0) {
    const choices = [...(first === undefined ? [] : [first]), ...others].map((each) =>
      kernelSegments(each).join(' '),
    );
    throw new KernelError('badRequest', `choose one with --kernel PID: ${choices.join('; ')}`);
  }
  const kernel = await attach(first);
  try {
    return await body(kernel);
  } finally {
    kernel.dispose();
  }
}

/** One agent that cannot be told does not keep the others from being told. */
export async function steer(command: SteerCommand | ReniceCommand, host: ControlHost): Promise<number> {
  return withKernel(command, host, async (kernel) => {
    let isDone = true;
    for (const pid of command.pids) {
      try {
        await tell(kernel, command, pid);
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== 'notFound') throw error;
        host.writeProgress(`amk: ${escapeLines(messageOf(error))}\n`);
        isDone = false;
      }
    }
    return isDone ? exitStatus.ok : exitStatus.notAnswered;
  });
}

function tell(kernel: AttachedKernel, command: SteerCommand | ReniceCommand, pid: Pid): Promise<null> {
  if (command.kind !== 'renice') return kernel.call(command.kind, { pid });
  const { nice, class: priority } = command;
  return kernel.call('renice', {
    pid,
    ...(nice !== undefined && { nice }),
    ...(priority !== undefined && { class: priority }),
  });
}
