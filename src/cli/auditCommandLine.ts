/** The part of `amk`'s command line that is about the audit log. Pure, as all of it is. */

import { KernelError } from '../shared/errors.js';
import type { AuditFilter } from '../shared/stateCalls.js';
import { flag, readOptions, text } from './readOptions.js';

interface OfLog {
  readonly kind: 'audit';
  /** Folder whose agents are meant; its log is that of `amk run`. */
  readonly workspace: string;
  /** Folder of the state itself, where it is another one. */
  readonly state: string | undefined;
  readonly json: boolean;
}

type Work =
  | { readonly action: 'verify' }
  | { readonly action: 'show'; readonly filter: AuditFilter }
  | { readonly action: 'export'; readonly file: string };

export type AuditCommand = OfLog & Work;

const actions = ['verify', 'show', 'export'] as const;

const options = {
  workspace: { ...text, short: 'w' },
  state: text,
  json: flag,
  help: { ...flag, short: 'h' },
  agent: { ...text, short: 'a' },
  tool: { ...text, short: 't' },
  denied: flag,
  since: text,
  last: { ...text, short: 'n' },
} as const;

/** @throws KernelError `badRequest` */
export function parseAudit(
  args: readonly string[],
  cwd: string,
): AuditCommand | { readonly kind: 'help'; readonly topic: 'audit' } {
  const [word, ...rest] = args;
  if (word === undefined || word === '--help' || word === '-h') return { kind: 'help', topic: 'audit' };
  const action = actions.find((each) => each === word);
  if (action === undefined) {
    throw new KernelError('badRequest', `amk audit does ${actions.join(', ')}, not "${word}"`);
  }
  const { values, positionals } = readOptions(rest, options);
  if (values.help) return { kind: 'help', topic: 'audit' };
  const filter = filterOf(values);
  if (action !== 'show' && Object.keys(filter).length > 0) {
    throw new KernelError('badRequest', `amk audit ${action} takes no filter`);
  }
  const [file, ...more] = positionals;
  const unexpected = action === 'export' ? more[0] : file;
  if (unexpected !== undefined) throw new KernelError('badRequest', `unexpected argument "${unexpected}"`);
  const { workspace = cwd, state, json } = values;
  return { kind: 'audit', workspace, state, json, ...workOf(action, filter, file) };
}

function workOf(action: (typeof actions)[number], filter: AuditFilter, file: string | undefined): Work {
  if (action === 'verify') return { action };
  if (action === 'show') return { action, filter };
  if (file === undefined) throw new KernelError('badRequest', 'there is no FILE');
  return { action, file };
}

function filterOf(values: {
  agent?: string;
  tool?: string;
  denied?: boolean;
  since?: string;
  last?: string;
}): AuditFilter {
  const { agent, tool, denied = false, since, last } = values;
  return {
    ...(agent !== undefined && { agent }),
    ...(tool !== undefined && { tool }),
    ...(denied && { isDenied: true }),
    ...(since !== undefined && { sinceMs: instantOf(since) }),
    ...(last !== undefined && { last: countOf(last) }),
  };
}

function countOf(word: string): number {
  if (/^[1-9]\d{0,6}$/.test(word)) return Number(word);
  throw new KernelError('badRequest', `--last is a number of lines, not "${word}"`);
}

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `2h` ago, or an instant as `2026-11-22T10:00`. */
function instantOf(word: string): number {
  const [, amount, unit] = /^(\d{1,6})([smhd])$/.exec(word) ?? [];
  if (amount !== undefined) return Date.now() - Number(amount) * unitMs[unit as keyof typeof unitMs];
  const instant = Date.parse(word);
  if (Number.isFinite(instant)) return instant;
  throw new KernelError('badRequest', `--since is a time like 2h or 2026-11-22T10:00, not "${word}"`);
}
