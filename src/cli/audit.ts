/**
 * `amk audit`: whether the audit log of a workspace is the one that was written, and what it says. It reads no log
 * itself: a program beside this one does. Whatever the log holds is shown escaped.
 */

import { join, resolve } from 'node:path';
import { withStateTool } from '../client/stateTool.js';
import { KernelError } from '../shared/errors.js';
import { escapeForDisplay } from '../shared/escape.js';
import type { AuditLine, AuditVerdict } from '../shared/stateCalls.js';
import type { AuditCommand } from './auditCommandLine.js';
import { truncate } from './displayWidth.js';
import type { KvHost } from './kv.js';
import { exitStatus } from './report.js';

export async function audit(
  command: AuditCommand,
  host: Pick<KvHost, 'toolPath' | 'realFolder' | 'stateFolder' | 'writeResult' | 'page'>,
): Promise<number> {
  const dir =
    command.state === undefined
      ? host.stateFolder(await host.realFolder(command.workspace))
      : await logFolder(await host.realFolder(command.state), host);
  const print = (document: unknown, text: () => string): Promise<void> =>
    host.writeResult(command.json ? `${JSON.stringify(document, null, 2)}\n` : text());
  return await withStateTool(host.toolPath, async (call) => {
    switch (command.action) {
      case 'verify': {
        const verdict = await call('auditVerify', { dir });
        await print(verdict, () => verdictText(verdict));
        return verdict.fault === null ? exitStatus.ok : exitStatus.notAnswered;
      }
      case 'show': {
        const lines = await call('auditShow', { dir, filter: command.filter });
        await print(lines, () =>
          lines.map((line) => `${truncate(lineText(line), host.page.columns)}\n`).join(''),
        );
        return exitStatus.ok;
      }
      case 'export': {
        const path = resolve(command.file);
        const { bytes } = await call('auditExport', { dir, path });
        await print({ path, bytes }, () => `${escapeForDisplay(path)}: ${bytes} bytes\n`);
        return exitStatus.ok;
      }
      default:
        return command satisfies never;
    }
  });
}

async function logFolder(dir: string, { realFolder }: Pick<KvHost, 'realFolder'>): Promise<string> {
  await realFolder(join(dir, 'audit')).catch((cause: unknown) => {
    throw new KernelError('notFound', `there is no audit log in ${dir}`, { cause });
  });
  return dir;
}

function verdictText({ fault, lines, files, unsealed, isProved, tip }: AuditVerdict): string {
  if (fault !== null) {
    const where = `${escapeForDisplay(fault.file)}:${fault.line}`;
    return `${where}: ${fault.kind}: ${escapeForDisplay(fault.reason)}\n${lines} lines before it are whole\n`;
  }
  const notes = [
    ...(unsealed > 0 ? [`the last ${unsealed} lines are not sealed yet`] : []),
    ...(isProved ? [] : ['the key is missing: that nothing was written anew or cut off is not proved']),
  ];
  return [`${lines} lines in ${files} files: whole`, `last: ${tip}`, ...notes, ''].join('\n');
}

/** When, who, what, and what came of it. */
function lineText({
  at,
  kind,
  phase,
  pid,
  agent,
  client,
  tool,
  what,
  scope,
  result,
  detail,
  ms,
}: AuditLine): string {
  const who = agent ?? client ?? '';
  const parts = [
    new Date(at).toISOString().replace('T', ' ').slice(0, 23),
    `${kind}${phase === undefined ? '' : ` ${phase}`}`.padEnd(14),
    `${who}${pid === undefined ? '' : ` (${pid})`}`.padEnd(14),
    tool === undefined || tool === what ? what : `${tool}: ${what}`,
    scope ?? '',
    result === undefined ? '' : `→ ${result}`,
    detail ?? '',
    ms === undefined ? '' : `${ms} ms`,
  ];
  return parts
    .filter((part) => part !== '')
    .map(escapeForDisplay)
    .join('  ');
}
