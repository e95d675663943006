/**
 * The one gate for authority. Every host call begins with `require`: a grant that covers the access lets it pass,
 * else a person is asked, else it is denied. The rule itself is `covers`, which is pure; this file remembers what
 * was granted and asks. It never grants by itself, never takes silence for a yes, asks the same thing of the same
 * agent only once at a time, and lets nothing rely on a grant that the audit log does not hold.
 */

import type { Clock } from '../../hal/clock.js';
import {
  coverageOf,
  covers,
  scopeOf,
  type Access,
  type Grant,
  type GrantLifetime,
  type GrantSpec,
} from '../../shared/capability.js';
import { Emitter } from '../../shared/emitter.js';
import { KernelError, messageOf } from '../../shared/errors.js';
import type { Decision, PermissionAnswer, PermissionRequest, Pid } from '../../shared/protocol.js';
import type { Audit, AuditEntry } from '../audit/audit.js';

export interface Prompter {
  /** Asks a person. Rejects when nobody can be asked or `signal` is aborted; both mean no. */
  ask(request: PermissionRequest, signal: AbortSignal): Promise<PermissionAnswer>;
}

/** One tool call, as long as it lasts: what was allowed once, and what was refused, holds for it alone. */
export interface Invocation {
  readonly pid: Pid;
  readonly agent: string;
  readonly task: string;
  readonly tool: PermissionRequest['tool'];
  /** Real path of the folder that the agent works in. */
  readonly workspace: string;
  readonly allowedOnce: GrantSpec[];
  /** Standing grants it has used: when one is revoked, the call is to be stopped. */
  readonly relied: Set<Grant['id']>;
  readonly refused: Map<string, string>;
}

export type InvocationFacts = Pick<Invocation, 'pid' | 'agent' | 'task' | 'tool' | 'workspace'>;

export function createInvocation(facts: InvocationFacts): Invocation {
  return { ...facts, allowedOnce: [], relied: new Set(), refused: new Map() };
}

/** Thrown by `require`: expected, and told to the model as data. */
export class DeniedError extends KernelError {
  /** What the person said, or why nobody could be asked. */
  readonly reason: string;

  constructor(access: Access, reason: string) {
    super('denied', `no grant for ${access.capability}`);
    this.reason = reason;
  }
}

const decisions = {
  once: 'allowed-once',
  run: 'allowed-run',
  session: 'allowed-session',
  workspace: 'allowed-workspace',
} as const satisfies Record<GrantLifetime, Decision>;

/** What came of a question. A standing right was recorded when the answer came, once for all who asked. */
type Ruling =
  | { readonly kind: 'once'; readonly spec: GrantSpec }
  | { readonly kind: 'standing'; readonly grant: Grant; readonly decision: Decision }
  | { readonly kind: 'refused'; readonly reason: string };

/** An open question. Equal wishes of the same agent share it. */
interface Question {
  readonly pid: Pid;
  readonly workspace: string;
  readonly access: Access;
  readonly ruling: Promise<Ruling>;
  readonly settle: (ruling: Ruling) => void;
  /** Takes the question back from the person. */
  readonly prompt: AbortController;
  askers: number;
}

/** A grant with what is remembered of it. */
interface Held {
  readonly grant: Grant;
  readonly covers: (access: Access) => boolean;
  /** Tool calls that relied on it. */
  uses: number;
  /** Settled when the grant is in the audit log; a grant that cannot get there is revoked. */
  readonly recorded: Promise<void> | undefined;
}

/** Whose a grant is. That of a run belongs to one agent, that of a workspace to all who work there. */
export type Holder =
  | { readonly pid: Pid; readonly lifetime: 'run' | 'session' }
  | { readonly workspace: string; readonly lifetime: 'workspace' };

export interface BrokerOptions {
  readonly prompter: Prompter;
  readonly clock: Clock;
  /** A kernel always has one; without it nothing is written down. */
  readonly audit?: Audit;
}

export class Broker {
  readonly #prompter: Prompter;
  readonly #clock: Clock;
  readonly #audit: Audit | undefined;
  readonly #grants = new Map<number, Held>();
  readonly #open = new Map<string, Question>();
  readonly #granted = new Emitter<Grant>();
  readonly #used = new Emitter<{ readonly grant: Grant; readonly pid: Pid }>();
  readonly #revoked = new Emitter<Grant>();
  #nextId = 1;

  readonly onDidGrant = this.#granted.event;
  /** A standing grant let a tool call do something; told once a call. */
  readonly onDidUse = this.#used.event;

  /** A grant was taken back, or ended with its agent. */
  readonly onDidRevoke = this.#revoked.event;

  constructor({ prompter, clock, audit }: BrokerOptions) {
    this.#prompter = prompter;
    this.#clock = clock;
    this.#audit = audit;
  }

  /** Records a right that a person gave. */
  grant(spec: GrantSpec, holder: Holder, grantedBy: Grant['grantedBy'] = 'client'): Grant {
    const { lifetime } = holder;
    const grant: Grant = {
      ...spec,
      id: this.#nextId++,
      pid: lifetime === 'run' ? holder.pid : undefined,
      lifetime,
      ...(lifetime === 'workspace' && { workspace: holder.workspace }),
      grantedBy,
      grantedAt: this.#clock.wallClock(),
    };
    const recorded = this.#audit?.record(grantEntry('grant', grant));
    recorded?.catch(() => this.revoke(grant.id));
    const held: Held = { grant, covers: coverageOf(spec), uses: 0, recorded };
    this.#grants.set(grant.id, held);
    this.#granted.fire(grant);
    // Whoever else waits for what is granted now need not be asked any more.
    for (const { pid, workspace, access, settle } of this.#open.values()) {
      if (belongsTo(grant, pid, workspace) && held.covers(access)) {
        settle({ kind: 'standing', grant, decision: 'granted' });
      }
    }
    return grant;
  }

  /** From now on the grant covers nothing. It is taken back also where that cannot be written down any more. */
  revoke(id: number): boolean {
    const held = this.#grants.get(id);
    if (held === undefined) return false;
    this.#grants.delete(id);
    this.#audit?.record(grantEntry('revocation', held.grant)).catch(() => undefined);
    this.#revoked.fire(held.grant);
    return true;
  }

  /** Every grant that covers anything now, with the tool calls that relied on it. */
  list(): readonly { readonly grant: Grant; readonly uses: number }[] {
    return [...this.#grants.values()]
      .filter(({ grant }) => !this.#hasExpired(grant))
      .map(({ grant, uses }) => ({ grant, uses }));
  }

  /** The agent has exited: what was granted for its run is gone. */
  endRun(pid: Pid): void {
    for (const [id, { grant }] of this.#grants) if (grant.pid === pid) this.revoke(id);
  }

  /**
   * Lets the access pass or throws.
   * @param target what a person is shown: the real absolute path, or the resolved command
   * @throws DeniedError when it is refused; KernelError `cancelled` when the agent was stopped meanwhile
   */
  async require(
    invocation: Invocation,
    access: Access,
    target: string,
    signal: AbortSignal,
  ): Promise<Decision> {
    if (signal.aborted) throw new KernelError('cancelled', 'the agent was stopped');
    const standing = this.#standing(invocation, access);
    if (standing !== undefined) {
      await this.#rely(invocation, standing.grant);
      return 'granted';
    }
    if (invocation.allowedOnce.some((spec) => covers(spec, access))) return decisions.once;
    const key = keyOf(access);
    const earlier = invocation.refused.get(key);
    if (earlier !== undefined) throw new DeniedError(access, earlier);
    const ruling = await this.#ask(invocation, access, target, signal);
    switch (ruling.kind) {
      case 'once':
        invocation.allowedOnce.push(ruling.spec);
        return decisions.once;
      case 'standing':
        await this.#rely(invocation, ruling.grant);
        return ruling.decision;
      case 'refused':
        invocation.refused.set(key, ruling.reason);
        throw new DeniedError(access, ruling.reason);
      default:
        return ruling satisfies never;
    }
  }

  #standing(invocation: Invocation, access: Access): Held | undefined {
    for (const held of this.#grants.values()) {
      if (this.#isUsable(held, invocation) && held.covers(access)) return held;
    }
    return undefined;
  }

  #isUsable({ grant, uses }: Held, { pid, workspace, relied }: Invocation): boolean {
    if (!belongsTo(grant, pid, workspace) || this.#hasExpired(grant)) return false;
    return grant.uses === undefined || uses < grant.uses || relied.has(grant.id);
  }

  #hasExpired({ expiresAt }: Grant): boolean {
    return expiresAt !== undefined && this.#clock.wallClock() >= expiresAt;
  }

  /**
   * @throws KernelError `storageFull`, `storageFailed` when it cannot be written down that it was granted and used,
   *   `cancelled` when it was revoked meanwhile
   */
  async #rely({ pid, agent, tool, relied }: Invocation, grant: Grant): Promise<void> {
    if (relied.has(grant.id)) return;
    relied.add(grant.id);
    const held = this.#grants.get(grant.id);
    if (held !== undefined) held.uses += 1;
    this.#used.fire({ grant, pid });
    if (this.#audit === undefined) return;
    await held?.recorded;
    await this.#audit.record({ ...grantEntry('use', grant), pid, agent, tool });
    if (!this.#grants.has(grant.id)) throw new KernelError('cancelled', `grant ${grant.id} was revoked`);
  }

  /** Joins the question if it is open, else opens it. It is taken back when the last who asked has gone. */
  async #ask(invocation: Invocation, access: Access, target: string, signal: AbortSignal): Promise<Ruling> {
    const key = `${invocation.pid} ${keyOf(access)}`;
    const question = this.#open.get(key) ?? this.#openQuestion(key, invocation, access, target);
    question.askers += 1;
    try {
      return await unlessAborted(question.ruling, signal);
    } finally {
      question.askers -= 1;
      if (question.askers === 0) this.#close(key, question);
    }
  }

  #openQuestion(key: string, invocation: Invocation, access: Access, target: string): Question {
    const { pid, agent, task, tool, workspace } = invocation;
    const prompt = new AbortController();
    let settle: Question['settle'] = () => undefined;
    const ruling = new Promise<Ruling>((resolve) => (settle = resolve));
    const question: Question = { pid, workspace, access, ruling, settle, prompt, askers: 0 };
    this.#open.set(key, question);
    void this.#put({ pid, agent, task, tool, access, target }, prompt.signal).then((answer) => {
      // A question that was settled or given up meanwhile takes no answer any more.
      if (this.#open.get(key) !== question) return;
      this.#open.delete(key);
      settle(this.#rule(question, answer));
    });
    return question;
  }

  /** Who cannot be written down as asked is not asked; an answer that cannot be written down is none. */
  async #put(request: PermissionRequest, signal: AbortSignal): Promise<PermissionAnswer> {
    const { pid, agent, tool, access } = request;
    const about = { pid, agent, tool, what: access.capability, scope: scopeOf(access) };
    if (this.#audit !== undefined) {
      const fault = await this.#faultOf({ kind: 'prompt', ...about });
      if (fault !== undefined) return fault;
    }
    const answer = await this.#prompter.ask(request, signal).catch(() => unanswered);
    const result = answer.kind === 'allow' ? answer.lifetime : answer === unanswered ? 'nobody' : 'denied';
    const detail = answer.kind === 'allow' ? answer.scope : answer.reason;
    return (await this.#faultOf({ kind: 'decision', ...about, result, detail })) ?? answer;
  }

  /** A refusal where the entry cannot be written down. */
  async #faultOf(entry: AuditEntry): Promise<PermissionAnswer | undefined> {
    try {
      await this.#audit?.record(entry);
      return undefined;
    } catch (error) {
      return { kind: 'deny', reason: messageOf(error) };
    }
  }

  #close(key: string, question: Question): void {
    if (this.#open.get(key) === question) this.#open.delete(key);
    question.prompt.abort();
  }

  #rule({ pid, workspace, access }: Question, answer: PermissionAnswer): Ruling {
    if (answer.kind === 'deny') return { kind: 'refused', reason: answer.reason };
    const { lifetime, scope } = answer;
    const spec = { capability: access.capability, scope };
    if (!covers(spec, access)) {
      // A yes to something else is no yes to this.
      return { kind: 'refused', reason: `the answer covers ${scope} and not ${scopeOf(access)}` };
    }
    if (lifetime === 'once') return { kind: 'once', spec };
    const holder: Holder = lifetime === 'workspace' ? { workspace, lifetime } : { pid, lifetime };
    return { kind: 'standing', grant: this.grant(spec, holder, 'person'), decision: decisions[lifetime] };
  }
}

/** @throws KernelError `cancelled` as soon as the signal is aborted. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new KernelError('cancelled', 'the agent was stopped'));
    signal.addEventListener('abort', stop, { once: true });
    void promise.then((value) => {
      signal.removeEventListener('abort', stop);
      resolve(value);
    });
  });
}

const unanswered: PermissionAnswer = { kind: 'deny', reason: 'nobody could be asked' };

function belongsTo(grant: Grant, pid: Pid, workspace: string): boolean {
  if (grant.workspace !== undefined) return grant.workspace === workspace;
  return grant.pid === undefined || grant.pid === pid;
}

/** A grant as a line of the audit log. */
function grantEntry(kind: 'grant' | 'use' | 'revocation', grant: Grant): AuditEntry {
  const { id, pid, capability, scope, lifetime, grantedBy } = grant;
  const limits = [
    ...(grant.uses === undefined ? [] : [`${grant.uses} uses`]),
    ...(grant.expiresAt === undefined ? [] : [`until ${new Date(grant.expiresAt).toISOString()}`]),
  ];
  return {
    ...{ kind, grant: id, what: capability, scope, result: lifetime, client: grantedBy },
    ...(pid !== undefined && { pid }),
    ...(limits.length > 0 && { detail: limits.join(', ') }),
  };
}

const keyOf = (access: Access): string => `${access.capability} ${scopeOf(access)}`;
