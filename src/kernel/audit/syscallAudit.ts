/**
 * The syscall table with the audit log in front: what changes something is written down, who wanted it and what came
 * of it, before it is done. Calls that only look are not. What takes a right or the device away (stop, pause, revoke)
 * is done also when it cannot be written down: a full disk must not keep a person from stopping an agent.
 */

import type { Handlers } from '../../shared/peer.js';
import { ActRecord, type ActFacts } from './actRecord.js';
import { canonical, digestOf, type Audit } from './audit.js';

type Handler = (input: unknown, signal: AbortSignal) => unknown;

const looking: ReadonlySet<string> = new Set(['wait', 'list', 'grants']);
const lessening: ReadonlySet<string> = new Set(['stop', 'pause', 'revoke']);

/** @param client who is at the other end of these calls */
export function auditSyscalls<T extends Record<keyof T, { in: unknown; out: unknown }>>(
  handlers: Handlers<T>,
  audit: Audit,
  client: string,
): Handlers<T> {
  const entries = Object.entries(handlers as Record<string, Handler>).map(([name, handler]) => [
    name,
    looking.has(name) ? handler : audited(name, handler, audit, client),
  ]);
  return Object.fromEntries(entries) as Handlers<T>;
}

function audited(name: string, handler: Handler, audit: Audit, client: string): Handler {
  return async (input, signal) => {
    const act = new ActRecord(audit, { kind: 'syscall', what: name, client, ...factsOf(input) });
    const begun = act.begin();
    if (lessening.has(name)) begun.catch(() => undefined);
    else await begun;
    try {
      const result = await handler(input, signal);
      act.end();
      return result;
    } catch (error) {
      act.end(error);
      throw error;
    }
  };
}

/** What of a request tells whom it is about; the rest is in the digest alone. */
function factsOf(input: unknown): Pick<ActFacts, 'pid' | 'grant' | 'agent' | 'digest'> {
  const digest = digestOf(canonical(input));
  if (typeof input !== 'object' || input === null) return { digest };
  const { pid, id, from, definition } = input as Readonly<Record<string, unknown>>;
  const agent =
    typeof definition === 'object' && definition !== null && 'name' in definition
      ? definition.name
      : undefined;
  const about = pid ?? from;
  return {
    digest,
    ...(Number.isInteger(about) && { pid: about as number }),
    ...(Number.isInteger(id) && { grant: id as number }),
    ...(typeof agent === 'string' && { agent }),
  };
}
