/**
 * The audit log in a kernel's folder, for people: whether it is whole, and what it says. It looks without changing
 * anything, also while a kernel writes to it, and shows only what comes before the first fault.
 */

import { systemFileCalls } from '../hal/fileCalls.js';
import { writeAll } from '../hal/openFile.js';
import { viewStorage, type StorageView } from '../hal/storage.js';
import { KernelError } from '../shared/errors.js';
import type { AuditFilter, AuditLine, AuditVerdict, StateCalls } from '../shared/stateCalls.js';
import { keyFolder, keyName } from './audit/auditKey.js';
import { readFiles } from './audit/auditLog.js';
import type { Line } from './audit/chain.js';
import { verify } from './audit/verify.js';

/** Results that mean that something was not allowed, or not possible. */
const refused: ReadonlySet<string> = new Set(['denied', 'nobody', 'storageFull', 'storageFailed', 'fault']);

/** @throws KernelError `notFound` when the folder has no audit log */
export async function verifyAudit({ dir, auditKey }: StateCalls['auditVerify']['in']): Promise<AuditVerdict> {
  const { files, seal, key } = await look(dir, auditKey);
  const { fault, ...verdict } = verify(files, seal, key);
  return {
    ...{ dir, fault: fault ?? null, lines: verdict.lines, files: verdict.files, unsealed: verdict.unsealed },
    isProved: key !== undefined && seal !== undefined,
    tip: verdict.tip.hash,
  };
}

/** @throws KernelError `notFound` */
export async function showAudit({
  dir,
  filter,
}: StateCalls['auditShow']['in']): Promise<readonly AuditLine[]> {
  const { files, seal } = await look(dir, undefined);
  const lines: AuditLine[] = [];
  verify(files, seal, undefined, (line) => {
    if (line.kind !== 'opened' && line.kind !== 'closed' && isMeant(line, filter)) lines.push(line);
  });
  return filter.last === undefined ? lines : lines.slice(-filter.last);
}

/** All files as they are, one after the other, into a new one. */
export async function exportAudit({
  dir,
  path,
}: StateCalls['auditExport']['in']): Promise<{ bytes: number }> {
  const { files } = await look(dir, undefined);
  const file = await systemFileCalls.open(path, 'create');
  let bytes = 0;
  try {
    for (const each of files) {
      await writeAll(file, each.bytes);
      bytes += each.bytes.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { bytes };
}

function isMeant(
  line: Exclude<Line, { kind: 'opened' | 'closed' }>,
  { agent, tool, isDenied, sinceMs }: AuditFilter,
): boolean {
  const isOfAgent = agent === undefined || line.agent === agent || String(line.pid) === agent;
  const isOfTool = tool === undefined || line.tool === tool || line.what === tool;
  return isOfAgent && isOfTool && (isDenied !== true || wasRefused(line)) && line.at >= (sinceMs ?? 0);
}

const wasRefused = ({ kind, result }: Pick<AuditLine, 'kind' | 'result'>): boolean =>
  kind === 'refusal' || kind === 'revocation' || refused.has(result ?? '');

async function look(
  dir: string,
  given: string | undefined,
): Promise<Awaited<ReturnType<typeof readFiles>> & { readonly key: Uint8Array | undefined }> {
  const view = await viewStorage(dir);
  const found = view === undefined ? undefined : await readFiles(view.folder('audit')).catch(noFolder);
  if (view === undefined || found === undefined || (found.files.length === 0 && found.seal === undefined)) {
    throw new KernelError('notFound', `there is no audit log in ${dir}`);
  }
  return { ...found, key: given === undefined ? await keyBeside(view) : Buffer.from(given, 'hex') };
}

async function keyBeside(view: StorageView): Promise<Uint8Array | undefined> {
  return await view.folder(keyFolder).read(keyName).catch(noFolder);
}

function noFolder(error: unknown): undefined {
  if (!(error instanceof KernelError) || error.code !== 'notFound') throw error;
}
