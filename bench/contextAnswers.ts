/**
 * How many questions about a conversation the embedded model answers rightly, by what is done with a conversation that
 * is longer than its window. Whatever is done, the conversation is the same, and so are its questions; only the agents
 * whose window is paged have something to recall with. Deterministic on one machine but for when attention is measured.
 */

import type { ChatMessage } from '../src/hal/driver.js';
import type { AgentReport } from '../src/shared/protocol.js';
import { answersTo, withPagedConversation, type WindowDevice } from './contextMachine.js';
import { shownBy, type Policy, type PolicyWindow } from './contextPolicies.js';
import { isRight, levels, nestedPairs, toldFacts, type Material, type Question } from './contextTasks.js';
import { rounded, sum } from './statistics.js';

export type Way = Policy | 'paged' | 'pagedWithoutAttention';
export type Task = 'nested' | 'needle';

export interface AnswerFigures {
  readonly questions: number;
  readonly accuracy: number;
  /** Turns that ended with an error instead of an answer. */
  readonly errors: number;
  readonly byLevel: Readonly<Record<number, number>>;
  /** Calls of `recall` a question. */
  readonly recalls?: number;
  /** Bytes of the conversation that cannot be had back. */
  readonly lost?: number;
  /** Evictions for which attention was measured, of all. */
  readonly measured?: number;
}

/** Of one length: how many conversations, and how many questions about each (of each level, where there are levels). */
export interface Length {
  readonly windows: number;
  readonly conversations: number;
  readonly questions: number;
}

const thresholdShare = 0.8;
const system: ChatMessage = { role: 'system', content: 'You are scout, a coding agent.' };

/** Everything in sight: a fifth to a third of the window, as in training. */
export async function measureWithinWindow(
  device: WindowDevice,
  conversations: number,
): Promise<AnswerFigures> {
  const length = { windows: 0.25, conversations, questions: 2 };
  return (await measureWays(device, 'nested', length, ['bare'])).bare;
}

/** By each of these ways. */
export async function measureWays<W extends Way>(
  device: WindowDevice,
  task: Task,
  length: Length,
  ways: readonly W[],
): Promise<Record<W, AnswerFigures>> {
  const found: [W, AnswerFigures][] = [];
  for (const way of ways) {
    const parts: AnswerFigures[] = [];
    for (let seed = 1; seed <= length.conversations; seed++) {
      parts.push(await measureOne(device, way, materialOf(device, task, length, seed)));
    }
    found.push([way, together(parts)]);
  }
  return Object.fromEntries(found) as Record<W, AnswerFigures>;
}

function materialOf(
  device: WindowDevice,
  task: Task,
  { windows, questions }: Length,
  seed: number,
): Material {
  const countTokens = (text: string): number => device.driver.tokenize(text, 'text').length;
  const tokens = device.driver.info.contextTokens * windows;
  const make = task === 'nested' ? nestedPairs : toldFacts;
  return make({ seed, tokens, questions, countTokens });
}

async function measureOne(device: WindowDevice, way: Way, material: Material): Promise<AnswerFigures> {
  return way === 'paged' || way === 'pagedWithoutAttention'
    ? await measurePaged(device, way === 'paged', material)
    : await measureShown(device, way, material);
}

async function measureShown(
  device: WindowDevice,
  policy: Policy,
  { notes, questions }: Material,
): Promise<AnswerFigures> {
  const { driver } = device;
  const window: PolicyWindow = {
    thresholdTokens: Math.floor(driver.info.contextTokens * thresholdShare),
    countTokens: (messages) => driver.tokenize(driver.render(messages, [])).length,
  };
  const said = notes.flatMap((content): ChatMessage[] => [
    { role: 'user', content },
    { role: 'assistant', content: 'Noted.' },
  ]);
  const conversations = questions.map(({ text }) =>
    shownBy(policy, [system, ...said, { role: 'user', content: text }], window),
  );
  return figuresOf(questions, await answersTo(device, conversations));
}

/** The conversation is led once; every question is put to a copy of it. */
async function measurePaged(
  device: WindowDevice,
  withAttention: boolean,
  { notes, questions }: Material,
): Promise<AnswerFigures> {
  return await withPagedConversation(device, withAttention, async (conversation) => {
    for (const note of notes) await conversation.say(note);
    const reports: AgentReport[] = [];
    for (const { text } of questions) reports.push(await conversation.ask(text));
    const recalls = sum(reports.map(({ toolCalls }) => toolCalls.length)) / reports.length;
    const { measured, missed } = conversation.readings;
    return {
      ...figuresOf(questions, reports),
      recalls: rounded(recalls, 1),
      lost: lostBytes(conversation.messages(), await conversation.export()),
      measured: rounded(measured / Math.max(1, measured + missed), 2),
    };
  });
}

function figuresOf(questions: readonly Question[], reports: readonly AgentReport[]): AnswerFigures {
  const results = questions.map((question, index) => {
    const report = reports[index];
    const isError = report?.state !== 'answered';
    return { level: question.level, isError, isRight: !isError && isRight(report.answer, question) };
  });
  const share = (of: readonly { readonly isRight: boolean }[]): number =>
    of.filter(({ isRight: right }) => right).length / Math.max(1, of.length);
  const present = levels.filter((level) => results.some((result) => result.level === level));
  const byLevel = present.map(
    (level) => [level, share(results.filter((each) => each.level === level))] as const,
  );
  return {
    questions: results.length,
    accuracy: share(results),
    errors: results.filter(({ isError }) => isError).length,
    byLevel: Object.fromEntries(byLevel),
  };
}

/** Of several conversations of the same length. */
function together(parts: readonly AnswerFigures[]): AnswerFigures {
  const mean = (of: (part: AnswerFigures) => number): number => rounded(sum(parts.map(of)) / parts.length);
  const present = levels.filter((level) => parts.some(({ byLevel }) => byLevel[level] !== undefined));
  const isPaged = parts.every(({ lost }) => lost !== undefined);
  return {
    questions: sum(parts.map(({ questions }) => questions)),
    accuracy: mean(({ accuracy }) => accuracy),
    errors: sum(parts.map(({ errors }) => errors)),
    byLevel: Object.fromEntries(
      present.map((level) => [level, mean(({ byLevel }) => byLevel[level] ?? 0)] as const),
    ),
    ...(isPaged && {
      recalls: mean(({ recalls = 0 }) => recalls),
      lost: sum(parts.map(({ lost = 0 }) => lost)),
      measured: mean(({ measured = 0 }) => measured),
    }),
  };
}

/** Of what was said: messages that do not come back as they were. */
function lostBytes(said: readonly ChatMessage[], kept: readonly ChatMessage[]): number {
  const written = (message: ChatMessage | undefined): string => JSON.stringify(message ?? '');
  const lost = said.filter((message, index) => written(message) !== written(kept[index]));
  return sum(lost.map((message) => Buffer.byteLength(written(message))));
}
