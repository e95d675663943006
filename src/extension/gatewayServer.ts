/**
 * The commands that let other programs of this machine call the kernel: start and stop its server, make a program's
 * token and take one back. It is off until one of them is chosen, and a token is shown once. After a restart of the
 * kernel the server is there again, at the same place.
 */

import * as vscode from 'vscode';
import type { KernelProcess } from '../client/kernelProcess.js';
import type { NewClient } from '../client/gatewayToken.js';
import { DisposableStore } from '../shared/lifecycle.js';
import { assertTrusted } from './agentRuns.js';
import { addGatewayClient, gatewayClients, removeGatewayClient } from './gatewayClients.js';
import { showError } from './showError.js';
import type { Secrets } from './stateKey.js';

export interface GatewayServerParts {
  readonly kernel: KernelProcess;
  readonly secrets: Secrets;
}

export function registerGatewayServer({ kernel, secrets }: GatewayServerParts): DisposableStore {
  const store = new DisposableStore();
  /** Where it serves; undefined while it does not. */
  let served: string | undefined;
  const serve = async (): Promise<string> => {
    const clients = [...(await gatewayClients(secrets))];
    const port = served === undefined ? 0 : Number(new URL(served).port);
    served = (await kernel.call('serve', { port, clients })).url;
    return served;
  };
  const start = async (): Promise<string> => {
    assertTrusted();
    await kernel.start();
    const made =
      (await gatewayClients(secrets)).length === 0 ? await addGatewayClient(secrets, 'client') : undefined;
    const url = await serve();
    if (made === undefined) void showAddress(url);
    else void showToken(made, url);
    return url;
  };
  const stop = async (): Promise<void> => {
    served = undefined;
    if (kernel.state.name === 'running') await kernel.call('stopServing', null);
  };
  const newToken = async (): Promise<void> => {
    const name = await vscode.window.showInputBox({
      prompt: 'Name of the program that gets a token',
      validateInput: faultOfName,
    });
    if (name === undefined) return;
    const made = await addGatewayClient(secrets, name);
    void showToken(made, served === undefined ? undefined : await serve());
  };
  const revoke = async (): Promise<void> => {
    const items = (await gatewayClients(secrets)).map(({ id, name }) => ({ label: name, id }));
    const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Program that may call no more' });
    if (picked === undefined) return;
    await removeGatewayClient(secrets, picked.id);
    if (served !== undefined) await serve();
  };
  const register = (name: string, run: () => Promise<unknown>): void => {
    const attempt = (): Thenable<unknown> => run().catch((error: unknown) => showError(error));
    store.add(vscode.commands.registerCommand(`agenticMicrokernel.${name}`, attempt));
  };
  register('startServer', start);
  register('stopServer', stop);
  register('newClientToken', newToken);
  register('revokeClientToken', revoke);
  store.add(
    kernel.on('stateChanged', ({ name }) => {
      if (name === 'running' && served !== undefined) serve().catch((error: unknown) => showError(error));
    }),
  );
  return store;
}

const faultOfName = (name: string): string | undefined =>
  /^[A-Za-z0-9][\w.-]{0,31}$/.test(name) ? undefined : 'A word of up to 32 letters, digits, dots and dashes.';

async function showAddress(url: string): Promise<void> {
  const copy = 'Copy Address';
  const chosen = await vscode.window.showInformationMessage(`The kernel serves at ${url}/v1.`, copy);
  if (chosen === copy) await vscode.env.clipboard.writeText(`${url}/v1`);
}

async function showToken({ client, token }: NewClient, url: string | undefined): Promise<void> {
  const copy = 'Copy Token';
  const place = url === undefined ? '' : ` The kernel serves at ${url}/v1.`;
  const message = `${client.name} has a new token, which can be copied now and not again.${place}`;
  const chosen = await vscode.window.showInformationMessage(message, copy);
  if (chosen === copy) await vscode.env.clipboard.writeText(token);
}
