/**
 * Entry point of a sandbox's worker thread: one tool module in an Extism plugin, one call after the other. Each call
 * gets a fresh instance, so that nothing a module keeps survives its call. A module is offered its input, its result
 * and its manifest's host functions and nothing else: no WASI, no network, no variables, no configuration, no log.
 * It must never trust a number that comes from the module.
 */

import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { createPlugin, type CallContext, type Plugin } from '@extism/extism';
import { invariant, messageOf } from '../../shared/errors.js';
import {
  entryPoint,
  type HostFunctionName,
  type HostRequest,
  type WorkerMessage,
  type WorkerStart,
} from './workerProtocol.js';

class LimitError extends Error {}

/** Extism addresses hold a block's number in 15 bits. */
const maxBlocks = 32_000;

const { module, hostFunctions, limits, hostPort, replied } = workerData as WorkerStart;
const flag = new Int32Array(replied);

/** One instance and what its one call has used. */
class Instance {
  failure: Uint8Array | undefined;
  #plugin: Plugin | undefined;
  #memory: WebAssembly.Memory | undefined;
  #allocatedBytes = 0;
  #blocks = 0;
  #hostCalls = 0;
  #reply: Uint8Array = new Uint8Array();

  static async create(): Promise<Instance> {
    const instance = new Instance();
    const offered = hostFunctions.map((name) => [name, instance.#hostFunction(name)] as const);
    const plugin = await createPlugin(
      { wasm: [{ module }] },
      {
        useWasi: false,
        functions: {
          'extism:host/env': { alloc: instance.#alloc, error_set: instance.#setFailure },
          'extism:host/user': { ...Object.fromEntries(offered), take_reply: instance.#takeReply },
        },
      },
    );
    const { memory } = (await plugin.getInstance()).exports;
    instance.#plugin = plugin;
    instance.#memory = memory as WebAssembly.Memory | undefined;
    return instance;
  }

  async execute(input: Uint8Array): Promise<Uint8Array> {
    invariant(this.#plugin, 'an instance executes once it is created');
    const output = await this.#plugin.call(entryPoint, input);
    return output === null ? new Uint8Array() : output.bytes();
  }

  /** Asks the kernel and waits with the whole thread; the kernel may also end the thread here. */
  #hostFunction(name: HostFunctionName) {
    return (_: CallContext, source: number, length: number): number => {
      this.#hostCalls += 1;
      if (this.#hostCalls > limits.hostCalls) {
        throw new LimitError(`it made more than ${limits.hostCalls} host calls`);
      }
      if (length >>> 0 > limits.requestBytes) {
        throw new LimitError(`it sent more than ${limits.requestBytes} bytes in one host call`);
      }
      const bytes = this.#view(source, length).slice();
      Atomics.store(flag, 0, 0);
      hostPort.postMessage({ name, bytes } satisfies HostRequest);
      // In a loop: the kernel's last notification may come only now, and is not for this call.
      while (Atomics.load(flag, 0) === 0) Atomics.wait(flag, 0, 0);
      const received = receiveMessageOnPort(hostPort) as { readonly message: Uint8Array } | undefined;
      invariant(received, 'a woken worker has a reply');
      this.#reply = received.message;
      return this.#reply.length;
    };
  }

  /** Copies the last reply to where the module made room for it. */
  readonly #takeReply = (_: CallContext, target: number): void => {
    this.#view(target, this.#reply.length).set(this.#reply);
    this.#reply = new Uint8Array();
  };

  readonly #alloc = (context: CallContext, size: bigint): bigint => {
    const bytes = Number(size);
    // Checked before anything changes: a negative size must not give back what was used.
    if (!(bytes >= 0 && this.#allocatedBytes + bytes <= limits.allocationBytes)) {
      throw new LimitError(`it asked for more than ${limits.allocationBytes} bytes of host memory`);
    }
    if (this.#blocks >= maxBlocks) throw new LimitError(`it asked for more than ${maxBlocks} memory blocks`);
    this.#allocatedBytes += bytes;
    this.#blocks += 1;
    return context.alloc(size);
  };

  readonly #setFailure = (context: CallContext, block: bigint): void => {
    const reason = context.read(block);
    if (reason !== null) this.failure = reason.bytes().slice(0, limits.outputBytes);
  };

  /** A part of the module's memory. Throws a RangeError where it is not all inside. */
  #view(start: number, length: number): Uint8Array {
    if (this.#memory === undefined) throw new Error('the module calls its host before it is started');
    return new Uint8Array(this.#memory.buffer, start >>> 0, length >>> 0);
  }
}

async function run(instance: Instance, input: Uint8Array): Promise<WorkerMessage> {
  try {
    const output = await instance.execute(input);
    if (instance.failure !== undefined) return { kind: 'done', ok: false, output: instance.failure };
    if (output.length > limits.outputBytes) {
      return { kind: 'stopped', reason: `its result has more than ${limits.outputBytes} bytes` };
    }
    return { kind: 'done', ok: true, output };
  } catch (error) {
    return describe(error);
  }
}

function describe(error: unknown): WorkerMessage {
  return { kind: error instanceof LimitError ? 'stopped' : 'failed', reason: messageOf(error) };
}

invariant(parentPort, 'a sandbox worker has a parent');
const parent = parentPort;
const say = (message: WorkerMessage): void => parent.postMessage(message);

async function ready(): Promise<void> {
  try {
    const instance = await Instance.create();
    parent.once('message', (input: Uint8Array) => {
      void run(instance, input).then((message) => {
        say(message);
        return ready();
      });
    });
    say({ kind: 'ready' });
  } catch (error) {
    say(describe(error));
  }
}

await ready();
