/**
 * Open questions and live grants as the task manager page shows them: exact, and everything an agent or a file name
 * could have chosen escaped. Pure.
 */

import type { Grant } from '../shared/capability.js';
import { escapeForDisplay } from '../shared/escape.js';
import type { AgentRow, LiveGrant, Pid } from '../shared/protocol.js';
import type { GrantKey, GrantRow, QuestionRow } from '../shared/taskManagerMessages.js';
import type { PendingPermission } from './permissionQueue.js';
import { wishOf } from './permissionText.js';

export function questionRowOf({ id, request }: PendingPermission): QuestionRow {
  const { text } = wishOf(request, { nameIsShared: true, showsAbsolutePath: false });
  return { id, wish: text, target: escapeForDisplay(request.target) };
}

/** @param nameOf name of an agent of the present kernel */
export function grantRowOf(
  { grant, uses }: LiveGrant,
  key: GrantKey,
  nameOf: (pid: Pid) => string | undefined,
): GrantRow {
  const { pid, capability, scope, lifetime, grantedBy, grantedAt, expiresAt } = grant;
  const everyone = grant.workspace === undefined ? 'every agent' : `every agent in ${grant.workspace}`;
  const who = pid === undefined ? everyone : `${nameOf(pid) ?? 'agent'} ${pid}`;
  return {
    key,
    who: escapeForDisplay(who),
    capability,
    scope: escapeForDisplay(scope),
    lifetime,
    uses,
    mostUses: grant.uses ?? null,
    grantedBy,
    grantedAt,
    expiresAt: expiresAt ?? null,
  };
}

/** What a live agent's row says after rights of it were taken back, beside what it says anyhow. */
export function reasonAfter(revoked: readonly Grant[], { pid, reason, state }: AgentRow): string {
  if (state === 'exited') return reason;
  const own = revoked.filter((grant) => grant.pid === undefined || grant.pid === pid);
  const words = own.map(({ capability, scope }) => `${capability} ${escapeForDisplay(scope)}`);
  if (words.length === 0) return reason;
  const news = `revoked: ${[...new Set(words)].join(', ')}`;
  return reason === '' ? news : `${news} · ${reason}`;
}
