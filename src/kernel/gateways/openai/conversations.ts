/**
 * The conversations of programs that call from outside. Each is an agent of the kernel: it has a row, its own attention
 * state, and its program's share of the device. A program sends its whole conversation again with every request; a
 * request that goes on with one finds it by its beginning, and only what is new is computed. Two requests on one
 * conversation at once are two conversations. Those that nobody comes back to are forgotten, the oldest first.
 */

import type { HostedAgent, Hosting } from '../../agent/agent.js';
import type { ComputedText } from '../../agent/computedText.js';
import type { Scheduler } from '../../scheduler/scheduler.js';
import { agentDefinitionSchema, type PriorityClass } from '../../../shared/agentDefinition.js';
import type { Caller } from '../caller.js';
import type { GatewayLimits } from '../limits.js';

export interface ConversationParts {
  readonly host: (options: Hosting) => HostedAgent;
  readonly scheduler: Pick<Scheduler, 'retune'>;
  readonly limits: Pick<GatewayLimits, 'idleConversations' | 'conversationIdleMs'>;
}

/** What a request says of the conversation that it belongs to. */
export interface Wanted {
  readonly caller: Caller;
  /** As the program named it. Requests of one name are one agent's, also when its conversation was changed. */
  readonly session: string | undefined;
  readonly class: PriorityClass | undefined;
  /** The rendered conversation. */
  readonly text: string;
  /** What a person sees of it. */
  readonly task: string;
}

export class Conversation {
  readonly hosted: HostedAgent;
  readonly callerId: string;
  readonly session: string | undefined;
  /** As it was computed, so that it is never computed in other tokens; the latest first. */
  computed: readonly ComputedText[] = [];
  isBusy = true;
  idleTimer: NodeJS.Timeout | undefined;

  constructor(hosted: HostedAgent, { caller, session }: Wanted) {
    this.hosted = hosted;
    this.callerId = caller.id;
    this.session = session;
  }

  /** How much of a text was computed in it: undefined where the text is not one that goes on with it. */
  knows(text: string): number | undefined {
    return this.computed.find((each) => text.startsWith(each.text))?.text.length;
  }
}

export class Conversations implements AsyncDisposable {
  readonly #parts: ConversationParts;
  /** In the order in which they were last used. */
  readonly #all = new Set<Conversation>();

  constructor(parts: ConversationParts) {
    this.#parts = parts;
  }

  /** The one that the request goes on with, or a new one; it is the request's until `leave`. */
  take(wanted: Wanted): Conversation {
    const conversation = this.#find(wanted) ?? this.#begin(wanted);
    clearTimeout(conversation.idleTimer);
    conversation.isBusy = true;
    const { agent } = conversation.hosted;
    agent.callerCame();
    const { class: priority = agent.entity.class } = wanted;
    if (priority !== agent.entity.class) this.#parts.scheduler.retune(agent, priority, agent.entity.nice);
    return conversation;
  }

  /** The request is over. */
  leave(conversation: Conversation): void {
    conversation.isBusy = false;
    const { agent } = conversation.hosted;
    if (agent.cancellation.signal.aborted) {
      this.#end(conversation, 'stopped');
      return;
    }
    agent.callerLeft();
    this.#all.delete(conversation);
    this.#all.add(conversation);
    const { idleConversations, conversationIdleMs } = this.#parts.limits;
    conversation.idleTimer = setTimeout(() => this.#end(conversation, 'answered'), conversationIdleMs);
    conversation.idleTimer.unref();
    const idle = [...this.#all].filter(({ isBusy }) => !isBusy);
    for (const oldest of idle.slice(0, Math.max(0, idle.length - idleConversations))) {
      this.#end(oldest, 'answered');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const conversation of [...this.#all]) {
      if (conversation.isBusy) conversation.hosted.agent.cancellation.abort();
      else this.#end(conversation, 'answered');
    }
    await Promise.resolve();
  }

  /** A token that was revoked takes what was computed for it along. */
  forget(callerId: string): void {
    for (const conversation of [...this.#all]) {
      if (conversation.callerId === callerId && !conversation.isBusy) this.#end(conversation, 'stopped');
    }
  }

  #find({ caller, session, text }: Wanted): Conversation | undefined {
    let [found, longest]: [Conversation | undefined, number] = [undefined, -1];
    for (const conversation of this.#all) {
      if (conversation.isBusy || conversation.callerId !== caller.id || conversation.session !== session)
        continue;
      const length = conversation.knows(text) ?? (session === undefined ? -1 : 0);
      if (length >= longest && length >= 0) [found, longest] = [conversation, length];
    }
    return found;
  }

  #begin(wanted: Wanted): Conversation {
    const { caller, session, task } = wanted;
    const { mostUrgent } = caller;
    const { class: priority = mostUrgent === 'interactive' ? 'normal' : mostUrgent } = wanted;
    // Its name is the program's, which need not be a word that names one of the kernel's own agents.
    const definition = { ...agentDefinitionSchema.parse({ name: 'chat', tools: [], class: priority }) };
    const hosted = this.#parts.host({
      definition: { ...definition, name: session ?? definition.name },
      ...{ task, owner: caller },
    });
    const conversation = new Conversation(hosted, wanted);
    this.#all.add(conversation);
    // A request that is under way ends by itself, and its conversation with it.
    hosted.agent.cancellation.signal.addEventListener('abort', () => {
      if (!conversation.isBusy) this.#end(conversation, 'stopped');
    });
    return conversation;
  }

  #end(conversation: Conversation, outcome: 'answered' | 'stopped'): void {
    clearTimeout(conversation.idleTimer);
    this.#all.delete(conversation);
    conversation.hosted.end(outcome);
  }
}
