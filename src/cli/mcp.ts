/**
 * `amk mcp`: MCP over stdio. Starts a kernel and passes messages on between it and whoever started this program, a
 * line each; it understands none of them. Nothing but messages goes to stdout. There is no terminal to ask in, so that
 * agents have the rights of `--grant` and no others. It ends with its input, and leaves no kernel behind.
 */

import { createInterface } from 'node:readline';
import { KernelProcess } from '../client/kernelProcess.js';
import { covers } from '../shared/capability.js';
import { messageOf } from '../shared/errors.js';
import { escapeLines } from '../shared/escape.js';
import type { PermissionAnswer, PermissionRequest } from '../shared/protocol.js';
import { defaultEngineSettings } from '../shared/settings.js';
import type { McpCommand } from './mcpCommandLine.js';
import { exitStatus } from './report.js';
import type { RunHost } from './run.js';

export interface McpHost extends Pick<
  RunHost,
  | 'kernelPath'
  | 'controlFolder'
  | 'stateKey'
  | 'storeKey'
  | 'realFolder'
  | 'writeResult'
  | 'writeProgress'
  | 'onInterrupt'
> {
  /** What the other side sends. */
  readonly input: NodeJS.ReadableStream;
}

/** @throws KernelError `badRequest` when the workspace is not there */
export async function mcp(command: McpCommand, host: McpHost): Promise<number> {
  const root = await host.realFolder(command.workspace);
  // Nothing is kept here; taken all the same, so that the kernel does not find it in its environment.
  await host.stateKey?.();
  const storeKey = host.storeKey?.();
  const kernel = createKernel(command, host, { root, storeKey });
  // After a crash the session would be gone, so that the other side is to start another one.
  const ended = new Promise<number>((resolve) => {
    kernel.on('stateChanged', ({ name, ...state }) => {
      if (name !== 'failed') return;
      if ('reason' in state) host.writeProgress(`amk: ${escapeLines(state.reason)}\n`);
      resolve(exitStatus.noKernel);
    });
  });
  const interrupted = new Promise<number>((resolve) => {
    host.onInterrupt(() => resolve(exitStatus.ok));
  });
  try {
    return await Promise.race([passOn(kernel, host), ended, interrupted]);
  } finally {
    await kernel.dispose();
  }
}

interface McpPlace {
  /** Real path of the workspace. */
  readonly root: string;
  readonly storeKey: string | undefined;
}

function createKernel(command: McpCommand, host: McpHost, { root, storeKey }: McpPlace): KernelProcess {
  const folder = host.controlFolder;
  const kernel = new KernelProcess({
    kernelPath: host.kernelPath,
    engine: () => ({ ...defaultEngineSettings, ...command.engine }),
    handlers: { askPermission: (wish) => permit(wish, command) },
    limits: { restartBackoffMs: [] },
    ...(folder !== undefined && { control: () => ({ folder, client: 'cli', workspaces: [root] }) }),
    storeKey: () => storeKey,
  });
  kernel.on('mcpSent', ({ message }) => void host.writeResult(`${JSON.stringify(message)}\n`));
  kernel.on('log', ({ level, message }) => {
    if (command.verbose || level === 'error') host.writeProgress(`amk: ${escapeLines(message)}\n`);
  });
  return kernel;
}

/** Resolves when the other side has no more to say. What it says meanwhile waits for the kernel, in order. */
async function passOn(kernel: KernelProcess, host: McpHost): Promise<number> {
  const started = kernel.start();
  // How it failed is told by the kernel's state.
  started.catch(() => undefined);
  for await (const line of createInterface({ input: host.input })) {
    await started;
    if (line.trim() === '') continue;
    const message = parsed(line);
    if (message === undefined) await host.writeResult(`${refusal(-32700, 'the line is not JSON')}\n`);
    else kernel.call('mcpSend', { message }).catch((error: unknown) => refuse(error, host));
  }
  return exitStatus.ok;
}

const refuse = (error: unknown, { writeResult }: McpHost): void =>
  void writeResult(`${refusal(-32600, messageOf(error))}\n`).catch(() => undefined);

const refusal = (code: number, message: string): string =>
  JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null });

function parsed(line: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch {
    return undefined;
  }
}

function permit({ access }: PermissionRequest, { grants }: McpCommand): Promise<PermissionAnswer> {
  const given = grants.find((grant) => covers(grant, access));
  const reason = 'nobody can be asked here; amk mcp --grant gives rights beforehand';
  return Promise.resolve(
    given === undefined ? { kind: 'deny', reason } : { kind: 'allow', lifetime: 'run', scope: given.scope },
  );
}
