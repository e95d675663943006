/**
 * `amk serve`: a kernel for other programs of this machine, over HTTP, until it is interrupted. It prints where, and a
 * token a program, once; who has none is not let in. There is nobody to ask, so that agents that are started from outside
 * have the rights of `--grant` and no others. It leaves no kernel behind.
 */

import { createGatewayClient } from '../client/gatewayToken.js';
import { KernelProcess } from '../client/kernelProcess.js';
import { covers } from '../shared/capability.js';
import { messageOf } from '../shared/errors.js';
import { escapeLines } from '../shared/escape.js';
import type { PermissionAnswer, PermissionRequest } from '../shared/protocol.js';
import { defaultEngineSettings } from '../shared/settings.js';
import { exitStatus } from './report.js';
import type { RunHost } from './run.js';
import type { ServeCommand } from './serveCommandLine.js';

export type ServeHost = Pick<
  RunHost,
  | 'kernelPath'
  | 'controlFolder'
  | 'stateKey'
  | 'storeKey'
  | 'realFolder'
  | 'writeResult'
  | 'writeProgress'
  | 'onInterrupt'
>;

/** @throws KernelError `badRequest` when the workspace is not there, or the port is not to be had */
export async function serve(command: ServeCommand, host: ServeHost): Promise<number> {
  const root = await host.realFolder(command.workspace);
  // Nothing is kept here; taken all the same, so that the kernel does not find it in its environment.
  await host.stateKey?.();
  const storeKey = host.storeKey?.();
  const made = command.clients.map((name) => createGatewayClient(name));
  const clients = made.map(({ client }) => client);
  const kernel = createKernel(command, host, root, storeKey);
  const interrupted = new Promise<number>((resolve) => {
    host.onInterrupt(() => resolve(exitStatus.ok));
  });
  try {
    const info = await Promise.race([kernel.start(), interrupted]);
    if (typeof info === 'number') return info;
    const { url } = await kernel.call('serve', { port: command.port, clients });
    const tokens = made.map(({ client, token }) => ({ name: client.name, token }));
    await host.writeResult(
      command.json
        ? `${JSON.stringify({ url, model: info.model, clients: tokens })}\n`
        : welcome(url, tokens),
    );
    const port = Number(new URL(url).port);
    return await Promise.race([
      interrupted,
      servedUntilItFails(kernel, host, () => kernel.call('serve', { port, clients })),
    ]);
  } finally {
    await kernel.dispose();
  }
}

function createKernel(
  command: ServeCommand,
  host: ServeHost,
  root: string,
  storeKey: string | undefined,
): KernelProcess {
  const folder = host.controlFolder;
  const kernel = new KernelProcess({
    kernelPath: host.kernelPath,
    engine: () => ({ ...defaultEngineSettings, ...command.engine }),
    handlers: { askPermission: (wish) => permit(wish, command) },
    ...(folder !== undefined && { control: () => ({ folder, client: 'cli', workspaces: [root] }) }),
    storeKey: () => storeKey,
  });
  kernel.on('log', ({ level, message }) => {
    if (command.verbose || level === 'error') host.writeProgress(`${escapeLines(message)}\n`);
  });
  return kernel;
}

/** A kernel that died is there again soon, and serves at the same place with the same tokens. */
function servedUntilItFails(
  kernel: KernelProcess,
  host: ServeHost,
  again: () => Promise<unknown>,
): Promise<number> {
  return new Promise((resolve) => {
    kernel.on('stateChanged', (state) => {
      if (state.name === 'running') {
        again().catch((error: unknown) => host.writeProgress(`amk: ${escapeLines(messageOf(error))}\n`));
      }
      if (state.name === 'restarting')
        host.writeProgress(`amk: ${escapeLines(state.reason)}; starting again\n`);
      if (state.name !== 'failed') return;
      host.writeProgress(`amk: ${escapeLines(state.reason)}\n`);
      resolve(exitStatus.noKernel);
    });
  });
}

function welcome(url: string, clients: readonly { readonly name: string; readonly token: string }[]): string {
  const tokens = clients.map(({ name, token }) => `Token of ${name}: ${token}`);
  return [
    `Serving at ${url}, for programs of this machine that show a token; ctrl-c ends it.`,
    `OpenAI: ${url}/v1   MCP: ${url}/mcp   Metrics: ${url}/metrics`,
    ...tokens,
    'Tokens are shown this once. Whoever has one can use the model.',
    '',
  ].join('\n');
}

function permit({ access }: PermissionRequest, { grants }: ServeCommand): Promise<PermissionAnswer> {
  const given = grants.find((grant) => covers(grant, access));
  const reason = 'nobody can be asked here; amk serve --grant gives rights beforehand';
  return Promise.resolve(
    given === undefined ? { kind: 'deny', reason } : { kind: 'allow', lifetime: 'run', scope: given.scope },
  );
}
