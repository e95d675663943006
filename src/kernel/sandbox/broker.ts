/**
 * The one gate for authority. Every host call begins with `require`: a grant that covers the access lets it pass,
 * else a person is asked, else it is denied. The rule itself is `covers`, which is pure; this file remembers what
 * was granted and asks. It never grants by itself, never takes silence for a yes, and asks the same thing of the
 * same agent only once at a time.
 */

import type { Clock } from '../../hal/clock.js';
import {
  covers,
  scopeOf,
  type Access,
  type Grant,
  type GrantLifetime,
  type GrantSpec,
} from '../../shared/capability.js';
import { Emitter } from '../../shared/emitter.js';
import { KernelError } from '../../shared/errors.js';
import type { Decision, PermissionAnswer, PermissionRequest, Pid } from '../../shared/protocol.js';

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
  readonly allowedOnce: GrantSpec[];
  /** Standing grants it has used: when one is revoked, the call is to be stopped. */
  readonly relied: Set<Grant['id']>;
  readonly refused: Map<string, string>;
}

export type InvocationFacts = Pick<Invocation, 'pid' | 'agent' | 'task' | 'tool'>;

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
} as const satisfies Record<GrantLifetime, Decision>;

/** What came of a question. A standing right was recorded when the answer came, once for all who asked. */
type Ruling =
  | { readonly kind: 'once'; readonly spec: GrantSpec }
  | { readonly kind: 'standing'; readonly grant: Grant; readonly decision: Decision }
  | { readonly kind: 'refused'; readonly reason: string };

/** An open question. Equal wishes of the same agent share it. */
interface Question {
  readonly pid: Pid;
  readonly access: Access;
  readonly ruling: Promise<Ruling>;
  readonly settle: (ruling: Ruling) => void;
  /** Takes the question back from the person. */
  readonly prompt: AbortController;
  askers: number;
}

export class Broker {
  readonly #prompter: Prompter;
  readonly #clock: Clock;
  readonly #grants = new Map<number, Grant>();
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

  constructor(options: { readonly prompter: Prompter; readonly clock: Clock }) {
    this.#prompter = options.prompter;
    this.#clock = options.clock;
  }

  /** Records a right that a person gave. A run grant belongs to one agent, a session grant to all. */
  grant(spec: GrantSpec, holder: { readonly pid: Pid; readonly lifetime: 'run' | 'session' }): Grant {
    const grant: Grant = {
      ...spec,
      id: this.#nextId++,
      pid: holder.lifetime === 'run' ? holder.pid : undefined,
      lifetime: holder.lifetime,
      grantedAt: this.#clock.wallClock(),
    };
    this.#grants.set(grant.id, grant);
    this.#granted.fire(grant);
    // Whoever else waits for what is granted now need not be asked any more.
    for (const { pid, access, settle } of this.#open.values()) {
      if (this.grantsOf(pid).includes(grant) && covers(grant, access)) {
        settle({ kind: 'standing', grant, decision: 'granted' });
      }
    }
    return grant;
  }

  /** From now on the grant covers nothing. */
  revoke(id: number): boolean {
    const grant = this.#grants.get(id);
    if (grant === undefined) return false;
    this.#grants.delete(id);
    this.#revoked.fire(grant);
    return true;
  }

  /** The grants an agent could use now. */
  grantsOf(pid: Pid): Grant[] {
    return [...this.#grants.values()].filter((grant) => grant.pid === undefined || grant.pid === pid);
  }

  /** The agent has exited: what was granted for its run is gone. */
  endRun(pid: Pid): void {
    for (const [id, grant] of this.#grants) if (grant.pid === pid) this.revoke(id);
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
    const standing = this.grantsOf(invocation.pid).find((grant) => covers(grant, access));
    if (standing !== undefined) {
      this.#rely(invocation, standing);
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
        this.#rely(invocation, ruling.grant);
        return ruling.decision;
      case 'refused':
        invocation.refused.set(key, ruling.reason);
        throw new DeniedError(access, ruling.reason);
      default:
        return ruling satisfies never;
    }
  }

  #rely({ pid, relied }: Invocation, grant: Grant): void {
    if (relied.has(grant.id)) return;
    relied.add(grant.id);
    this.#used.fire({ grant, pid });
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
    const { pid, agent, task, tool } = invocation;
    const prompt = new AbortController();
    let settle: Question['settle'] = () => undefined;
    const ruling = new Promise<Ruling>((resolve) => (settle = resolve));
    const question: Question = { pid, access, ruling, settle, prompt, askers: 0 };
    this.#open.set(key, question);
    void this.#put({ pid, agent, task, tool, access, target }, prompt.signal).then((answer) => {
      // A question that was settled or given up meanwhile takes no answer any more.
      if (this.#open.get(key) !== question) return;
      this.#open.delete(key);
      settle(this.#rule(question, answer));
    });
    return question;
  }

  async #put(request: PermissionRequest, signal: AbortSignal): Promise<PermissionAnswer> {
    try {
      return await this.#prompter.ask(request, signal);
    } catch {
      return { kind: 'deny', reason: 'nobody could be asked' };
    }
  }

  #close(key: string, question: Question): void {
    if (this.#open.get(key) === question) this.#open.delete(key);
    question.prompt.abort();
  }

  #rule({ pid, access }: Question, answer: PermissionAnswer): Ruling {
    if (answer.kind === 'deny') return { kind: 'refused', reason: answer.reason };
    const { lifetime, scope } = answer;
    const spec = { capability: access.capability, scope };
    if (!covers(spec, access)) {
      // A yes to something else is no yes to this.
      return { kind: 'refused', reason: `the answer covers ${scope} and not ${scopeOf(access)}` };
    }
    if (lifetime === 'once') return { kind: 'once', spec };
    return { kind: 'standing', grant: this.grant(spec, { pid, lifetime }), decision: decisions[lifetime] };
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

const keyOf = (access: Access): string => `${access.capability} ${scopeOf(access)}`;
