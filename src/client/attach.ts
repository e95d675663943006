/**
 * A kernel that another process started, looked at and steered through its control socket. It promises one answer a
 * call: the kernel's, `kernelStopped` when the kernel is gone, or `peerGone` when it does not answer in time. It must
 * never hold up this process after `dispose`, and never end the kernel.
 */

import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { KernelError, messageOf } from '../shared/errors.js';
import type { Disposable } from '../shared/lifecycle.js';
import { controlLimits } from '../shared/limits.js';
import { lineChannel } from '../shared/lineChannel.js';
import { Peer } from '../shared/peer.js';
import {
  protocolVersion,
  type ControlCalls,
  type ControlEvents,
  type KernelDescriptor,
} from '../shared/protocol.js';

type NoCalls = Record<string, never>;

/** What a connection to a socket fails with when nobody listens there any more. */
const goneCodes = ['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ENOTSOCK'];

export interface AttachLimits {
  readonly answerMs: number;
}

export class AttachedKernel implements Disposable {
  readonly descriptor: KernelDescriptor;
  readonly #peer: Peer<NoCalls, ControlCalls, ControlEvents, NoCalls>;
  readonly #answerMs: number;

  constructor(descriptor: KernelDescriptor, socket: Socket, { answerMs }: AttachLimits) {
    const { requestLength, answerLength, unsentBytes } = controlLimits;
    this.descriptor = descriptor;
    this.#answerMs = answerMs;
    this.#peer = new Peer<NoCalls, ControlCalls, ControlEvents, NoCalls>({
      channel: lineChannel(socket, {
        incomingLength: answerLength,
        outgoingLength: requestLength,
        unsentBytes,
      }),
      handlers: {},
    });
  }

  async call<K extends keyof ControlCalls>(
    name: K,
    input: ControlCalls[K]['in'],
  ): Promise<ControlCalls[K]['out']> {
    const late = AbortSignal.timeout(this.#answerMs);
    try {
      return await this.#peer.call(name, input, late);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const { osPid } = this.descriptor;
      if (error.code === 'peerGone') throw gone(osPid, error);
      if (error.code !== 'cancelled' || !late.aborted) throw error;
      throw new KernelError('peerGone', `kernel ${osPid} did not answer within ${this.#answerMs / 1000} s`, {
        cause: error,
      });
    }
  }

  on<K extends keyof ControlEvents>(name: K, listener: (payload: ControlEvents[K]) => void): Disposable {
    return this.#peer.on(name, listener);
  }

  /** Runs once, when the kernel ends or this side disposes. */
  onClose(listener: () => void): void {
    this.#peer.onClose(listener);
  }

  dispose(): void {
    this.#peer.close();
  }
}

/**
 * @throws KernelError `kernelStopped` when the kernel is gone, `peerGone` when it hangs, `protocolMismatch` when it
 * is of another version, `denied` when it is not ours to steer
 */
export async function attach(
  descriptor: KernelDescriptor,
  limits: AttachLimits = controlLimits,
): Promise<AttachedKernel> {
  const kernel = new AttachedKernel(descriptor, await connectTo(descriptor), limits);
  try {
    await kernel.call('attach', { protocol: protocolVersion, token: descriptor.token });
    return kernel;
  } catch (error) {
    kernel.dispose();
    throw error;
  }
}

/** @throws KernelError `kernelStopped`, `denied` */
export async function connectTo({ osPid, socket: path }: KernelDescriptor): Promise<Socket> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    socket.destroy();
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (goneCodes.includes(code)) throw gone(osPid, error);
    throw new KernelError('denied', `kernel ${osPid} cannot be reached: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

const gone = (osPid: number, cause: unknown): KernelError =>
  new KernelError('kernelStopped', `kernel ${osPid} has ended`, { cause });
