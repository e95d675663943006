/** `amk grants`: the rights that live in running kernels, and taking one back. It gives none. */

import { attach } from '../client/attach.js';
import { KernelError, toErrorData } from '../shared/errors.js';
import { escapeForDisplay, escapeLines } from '../shared/escape.js';
import type { LiveGrant } from '../shared/protocol.js';
import { kernelsMeant, withKernel, type ControlHost } from './control.js';
import type { GrantsCommand } from './controlCommandLine.js';
import { truncate } from './displayWidth.js';
import { exitStatus } from './report.js';
import { kernelDocument, kernelSegments } from './topView.js';

export async function grants(command: GrantsCommand, host: ControlHost): Promise<number> {
  const { revoke } = command;
  if (revoke.length === 0) return await list(command, host);
  return await withKernel(command, host, async (kernel) => {
    let isDone = true;
    for (const id of revoke) {
      try {
        await kernel.call('revoke', { id });
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== 'notFound') throw error;
        host.writeProgress(`amk: ${escapeLines(error.message)}\n`);
        isDone = false;
      }
    }
    return isDone ? exitStatus.ok : exitStatus.notAnswered;
  });
}

/** A kernel that cannot be asked is named and hides no other. */
async function list(command: GrantsCommand, host: ControlHost): Promise<number> {
  const kernels = await kernelsMeant(command, host);
  const answers = await Promise.all(
    kernels.map(async (kernel) => {
      try {
        using attached = disposable(await attach(kernel));
        return { kernel, grants: await attached.kernel.call('grants', null), error: null };
      } catch (error) {
        return { kernel, grants: [], error: toErrorData(error) };
      }
    }),
  );
  for (const { error } of answers) {
    if (error !== null) host.writeProgress(`amk: ${escapeLines(error.message)}\n`);
  }
  const { columns, style } = host.page;
  const document = answers.map(({ kernel, ...answer }) => ({ ...kernelDocument(kernel), ...answer }));
  const text = answers
    .filter(({ error }) => error === null)
    .map(({ kernel, grants: live }) => {
      const heading = style.bold(truncate(kernelSegments(kernel).join('  '), columns));
      const rows = live.map((each) => truncate(grantText(each), columns));
      return [heading, ...(rows.length === 0 ? [style.dim('no grants')] : rows), ''].join('\n');
    });
  await host.writeResult(
    command.json ? `${JSON.stringify({ kernels: document }, null, 2)}\n` : text.join('\n'),
  );
  return answers.every(({ error }) => error === null) ? exitStatus.ok : exitStatus.notAnswered;
}

const disposable = <T extends { dispose(): void }>(kernel: T): Disposable & { readonly kernel: T } => ({
  kernel,
  [Symbol.dispose]: () => kernel.dispose(),
});

function grantText({ grant, uses }: LiveGrant): string {
  const { id, capability, scope, lifetime, pid, workspace, grantedAt, grantedBy, expiresAt } = grant;
  const holder = pid === undefined ? (workspace ?? 'every agent') : `agent ${pid}`;
  const used = `used ${uses}${grant.uses === undefined ? '' : ` of ${grant.uses}`} times`;
  const until = expiresAt === undefined ? '' : `  until ${new Date(expiresAt).toISOString()}`;
  const given = `by ${grantedBy} ${new Date(grantedAt).toISOString()}`;
  const words = [String(id).padStart(4), `${capability}:${scope}`, lifetime, holder, used, given].map(
    escapeForDisplay,
  );
  return `${words.join('  ')}${until}`;
}
