/**
 * What one agent takes over from another: its conversation, in the same messages and so in the same tokens, and then
 * its own instructions and task as the next thing said. No right goes with it. Pure.
 */

import type { ChatMessage, ToolSignature } from '../../hal/driver.js';
import type { AgentDefinition } from '../../shared/agentDefinition.js';
import { KernelError } from '../../shared/errors.js';
import type { Agent, AgentPast } from '../agent/agent.js';

export interface Successor {
  readonly definition: AgentDefinition;
  readonly task: string;
  /** Those that it may call. */
  readonly tools: readonly ToolSignature[];
}

type Predecessor = Pick<
  Agent,
  'pid' | 'definition' | 'messages' | 'answer' | 'outcome' | 'isTakenOver' | 'toldTools'
>;

/** @throws KernelError `denied` unless the one's definition names the other */
export function assertMayHandTo({ pid, definition }: Predecessor, to: AgentDefinition): void {
  if (definition.handsTo?.includes(to.name) === true) return;
  throw new KernelError(
    'denied',
    `agent ${pid} (${definition.name}) hands its conversation to ${listOf(definition.handsTo)}, not to ${to.name}`,
  );
}

const listOf = (names: readonly string[] = []): string => (names.length === 0 ? 'nobody' : names.join(', '));

/** What the other starts from, as if it were its own past. */
export function inheritanceOf(from: Predecessor, successor: Successor): AgentPast {
  const { definition } = successor;
  const messages = [...from.messages, ...closing(from), nextMessage(from, successor)];
  return {
    messages,
    inherited: { messages: messages.length, tools: from.toldTools },
    toolCalls: [],
    tokens: { prompt: 0, generated: 0 },
    class: definition.class,
    nice: definition.nice,
    ageMs: 0,
  };
}

/** What the conversation lacks to be whole: the answer, which is no message as long as nobody goes on after it. */
function closing({ messages, answer, outcome, isTakenOver }: Predecessor): ChatMessage[] {
  const last = messages.at(-1);
  if (last?.role === 'assistant') {
    const content = 'error: the call was not made, since another agent goes on from here';
    return [{ role: 'tool', name: last.toolCall?.name ?? 'unknown', content }];
  }
  return outcome === 'answered' && !isTakenOver ? [{ role: 'assistant', content: answer }] : [];
}

/** A conversation has one system message, at its beginning; what else a model is told is said to it. */
function nextMessage(
  { definition: before, toldTools }: Predecessor,
  { definition, task, tools }: Successor,
): ChatMessage {
  const told: readonly string[] = toldTools;
  const fresh = tools.filter(({ name }) => !told.includes(name));
  const parts = [
    definition.instructions === before.instructions ? '' : definition.instructions,
    fresh.length === 0 ? '' : `You can also call:\n${fresh.map((tool) => JSON.stringify(tool)).join('\n')}`,
    task,
  ];
  return { role: 'user', content: parts.filter((part) => part !== '').join('\n\n') };
}
