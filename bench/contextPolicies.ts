/**
 * What is done elsewhere with a conversation that has become longer than the window: nothing, the oldest messages are
 * dropped, or a summary stands for them. The summary is the beginning of each message that is dropped, in equal shares:
 * the embedded model writes none, and a lead summary is the usual yardstick for those that are written. Pure.
 */

import type { ChatMessage } from '../src/hal/driver.js';

export const policies = ['bare', 'truncate', 'summarise'] as const;
export type Policy = (typeof policies)[number];

export interface PolicyWindow {
  /** Above it, the policy acts; the same share of the window as with the pager. */
  readonly thresholdTokens: number;
  readonly countTokens: (messages: readonly ChatMessage[]) => number;
}

/** Of what is kept, the share that the summary may take. */
const summaryShare = 0.3;
/** A token is about so many characters here; only for the length of a summary. */
const charactersPerToken = 2;

/** @param messages the system message first, the question last */
export function shownBy(
  policy: Policy,
  messages: readonly ChatMessage[],
  window: PolicyWindow,
): readonly ChatMessage[] {
  if (policy === 'bare' || window.countTokens(messages) <= window.thresholdTokens) return messages;
  const [system, ...rest] = messages;
  if (system === undefined) return messages;
  if (policy === 'truncate') return [system, ...newest(system, rest, window)];
  const room = Math.floor(window.thresholdTokens * summaryShare);
  const kept = newest(system, rest, { ...window, thresholdTokens: window.thresholdTokens - room });
  const summary = leads(rest.slice(0, rest.length - kept.length), room * charactersPerToken);
  const content = `${system.content}\nEarlier in this conversation:\n${summary}`;
  return [{ role: 'system', content }, ...kept];
}

/** As many of the last messages as fit, beginning with one of a person. */
function newest(
  system: ChatMessage,
  messages: readonly ChatMessage[],
  { countTokens, thresholdTokens }: PolicyWindow,
): readonly ChatMessage[] {
  const starts = messages.flatMap(({ role }, index) => (role === 'user' ? [index] : []));
  let [low, high] = [0, starts.length - 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const fits = countTokens([system, ...messages.slice(starts[middle])]) <= thresholdTokens;
    if (fits) high = middle;
    else low = middle + 1;
  }
  return messages.slice(starts[high]);
}

function leads(dropped: readonly ChatMessage[], length: number): string {
  const said = dropped.filter(({ role }) => role === 'user');
  const each = Math.max(1, Math.floor(length / said.length) - 1);
  return said
    .map(({ content }) => content.replaceAll('\n', ' ').slice(0, each))
    .join('\n')
    .slice(0, length);
}
