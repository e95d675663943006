/**
 * The door through which other processes of the same user look at this kernel and steer it: a Unix domain socket
 * (a named pipe on Windows) and a descriptor file that says where it is and what to say there. It answers the calls
 * of `ControlCalls` and no others, to those who show the token first. Whatever goes wrong here is a line in the log:
 * it must never stop the kernel, nor let a stranger or a slow reader cost it memory.
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../hal/clock.js';
import { openRuntimeFolder, type RuntimeFolder } from '../hal/runtimeFolder.js';
import { parseWith } from '../shared/agentDefinition.js';
import { KernelError, messageOf } from '../shared/errors.js';
import type { Disposable } from '../shared/lifecycle.js';
import { controlLimits } from '../shared/limits.js';
import { lineChannel } from '../shared/lineChannel.js';
import { Peer, type Handlers } from '../shared/peer.js';
import {
  attachRequestSchema,
  protocolVersion,
  type AgentRow,
  type ControlCalls,
  type ControlEvents,
  type ControlPlace,
  type KernelDescriptor,
  type KernelEvents,
  type KernelInfo,
  type LogLevel,
} from '../shared/protocol.js';

/** What the kernel offers through this door. */
export type ControlHandlers = Handlers<Omit<ControlCalls, 'attach'>>;

type NoCalls = Record<string, never>;
type ControlPeer = Peer<ControlCalls, NoCalls, NoCalls, ControlEvents>;

export type ControlLimits = Readonly<Record<keyof typeof controlLimits, number>>;

export interface ControlSocketOptions {
  readonly clock: Clock;
  readonly log: (level: LogLevel, message: string) => void;
  readonly limits?: Partial<ControlLimits>;
}

export class ControlSocket implements Disposable {
  readonly #options: ControlSocketOptions;
  readonly #limits: ControlLimits;
  readonly #token = randomBytes(32).toString('hex');
  readonly #attached = new Set<ControlPeer>();
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #folder: RuntimeFolder | undefined;
  #disposed = false;

  constructor(options: ControlSocketOptions) {
    this.#options = options;
    this.#limits = { ...controlLimits, ...options.limits };
  }

  /** Listens, then says so in the folder. Never rejects. */
  async open(
    place: ControlPlace,
    kernel: Pick<KernelInfo, 'model' | 'device'>,
    handlers: ControlHandlers,
  ): Promise<void> {
    try {
      this.#folder = await openRuntimeFolder(place.folder);
      const socket = await this.#folder.socketPath(`${process.pid}.sock`);
      await this.#listen(socket, handlers);
      await this.#folder.closeToOthers(socket);
      const descriptor: KernelDescriptor = {
        protocol: protocolVersion,
        osPid: process.pid,
        socket,
        token: this.#token,
        model: kernel.model,
        device: kernel.device,
        client: place.client,
        workspaces: place.workspaces,
        startedAt: this.#options.clock.wallClock(),
      };
      await this.#folder.publish(`${process.pid}.json`, JSON.stringify(descriptor));
    } catch (error) {
      if (!this.#disposed) {
        this.#options.log('warn', `other processes cannot steer this kernel: ${messageOf(error)}`);
      }
      this.#close();
    }
    // Disposed meanwhile: what was opened after that is open still.
    if (this.#disposed) this.#close();
  }

  /** Passes on what attached processes may hear. */
  emit<K extends keyof KernelEvents>(name: K, payload: KernelEvents[K]): void {
    if (name !== 'agentsChanged' || this.#attached.size === 0) return;
    const rows = (payload as KernelEvents['agentsChanged']).rows.map((row) => this.#shorten(row));
    for (const peer of this.#attached) peer.emit('agentsChanged', { rows });
  }

  dispose(): void {
    this.#disposed = true;
    this.#close();
  }

  #close(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    this.#folder?.dispose();
  }

  async #listen(path: string, handlers: ControlHandlers): Promise<void> {
    const server = createServer((socket) => this.#welcome(socket, handlers));
    this.#server = server;
    server.maxConnections = this.#limits.connections;
    server.listen(path);
    await once(server, 'listening');
    server.unref();
    server.on('error', (error) => this.#options.log('warn', `control socket: ${error.message}`));
  }

  /** A new connection is nobody's until it shows the token, and has little time for that. */
  #welcome(socket: Socket, handlers: ControlHandlers): void {
    const { attachMs, requestLength, answerLength, unsentBytes } = this.#limits;
    const drop = (reason: string): void => {
      this.#options.log('warn', `a control connection was dropped: ${reason}`);
    };
    const channel = lineChannel(
      socket,
      { incomingLength: requestLength, outgoingLength: answerLength, unsentBytes },
      drop,
    );
    const peer: ControlPeer = new Peer<ControlCalls, NoCalls, NoCalls, ControlEvents>({
      channel,
      handlers: this.#handlersFor(() => peer, handlers),
      onMalformed: (reason) => {
        drop(`malformed frame: ${reason}`);
        socket.destroy();
      },
    });
    const timer = setTimeout(() => {
      if (!this.#attached.has(peer)) socket.destroy();
    }, attachMs);
    timer.unref();
    this.#sockets.add(socket);
    peer.onClose(() => {
      clearTimeout(timer);
      this.#attached.delete(peer);
    });
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #handlersFor(peerOf: () => ControlPeer, kernel: ControlHandlers): Handlers<ControlCalls> {
    /** The refusal is sent first. */
    const refuse = (error: KernelError): never => {
      setImmediate(() => peerOf().close());
      throw error;
    };
    const attached = (): ControlHandlers =>
      this.#attached.has(peerOf())
        ? kernel
        : refuse(new KernelError('denied', 'this process is not attached'));
    return {
      attach: (input) => {
        const fault = this.#faultOf(input);
        if (fault !== undefined) refuse(fault);
        this.#attached.add(peerOf());
        return null;
      },
      info: (...call) => attached().info(...call),
      ping: (...call) => attached().ping(...call),
      list: async (...call) => (await attached().list(...call)).map((row) => this.#shorten(row)),
      stop: (...call) => attached().stop(...call),
      pause: (...call) => attached().pause(...call),
      resume: (...call) => attached().resume(...call),
      renice: (...call) => attached().renice(...call),
      grants: (...call) => attached().grants(...call),
      revoke: (...call) => attached().revoke(...call),
    };
  }

  #faultOf(input: unknown): KernelError | undefined {
    try {
      const { token, protocol } = parseWith(attachRequestSchema, input, 'attach');
      if (!isSameSecret(token, this.#token)) return new KernelError('denied', 'the token is wrong');
      if (protocol === protocolVersion) return undefined;
      return new KernelError(
        'protocolMismatch',
        `the kernel speaks protocol ${protocolVersion}, this program speaks protocol ${protocol}`,
      );
    } catch (error) {
      return error instanceof KernelError
        ? error
        : new KernelError('bug', messageOf(error), { cause: error });
    }
  }

  #shorten(row: AgentRow): AgentRow {
    const { rowTextLength } = this.#limits;
    return { ...row, task: shorten(row.task, rowTextLength), reason: shorten(row.reason, rowTextLength) };
  }
}

/** Digests have one length, and comparing them takes one time, whatever was sent. */
function isSameSecret(given: string, secret: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(secret));
}

/** Never ends in half of a character. */
const shorten = (text: string, length: number): string =>
  text.length <= length ? text : `${text.slice(0, length).replace(/[\ud800-\udbff]$/, '')}…`;
