/** What is said of a grant, as pure functions of it. */

import type { GrantRow } from '../src/shared/taskManagerMessages.js';
import { formatCount, formatTime } from './format.js';

const lifetimes: Readonly<Record<GrantRow['lifetime'], string>> = {
  run: 'until it ends',
  session: 'until the kernel stops',
  workspace: 'until revoked',
};

/** Whose it is, how long, how often it was used and who gave it when, in a line. */
export function aboutGrant(grant: GrantRow, nowMs: number, locale?: string): string {
  const { who, capability, scope, lifetime, uses, mostUses, grantedBy, grantedAt, expiresAt } = grant;
  const count = formatCount(uses, locale);
  const times = uses === 1 ? 'once' : `${count} times`;
  return [
    who,
    // A scope of files says in one sign that it is all of them.
    ...(capability !== 'process.run' && scope === '.' ? ['every file of the workspace'] : []),
    expiresAt === null ? lifetimes[lifetime] : `until ${formatTime(expiresAt, nowMs, locale)}`,
    mostUses === null
      ? uses === 0
        ? 'not used'
        : `used ${times}`
      : `used ${count} of ${formatCount(mostUses, locale)} times`,
    `given ${grantedBy === 'person' ? 'by you' : 'at start'}, ${formatTime(grantedAt, nowMs, locale)}`,
  ].join(' · ');
}
