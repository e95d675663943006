/**
 * How good the choice of what leaves is: a conversation that returns again and again to a few things that were said at
 * its beginning, while more and more is said that nobody asks for. Of everything that left, what part was asked for
 * within the next turns, by the score with attention and by the score without?
 */

import type { JournalRecord } from '../src/kernel/journal/records.js';
import { withPagedConversation, type PagedConversation, type WindowDevice } from './contextMachine.js';
import { toldFacts } from './contextTasks.js';
import { rounded, sum } from './statistics.js';

/** Things that are asked for in turn. */
const subjects = 5;
/** Questions after an eviction that count as soon. */
const soon = 6;

export interface EvictionFigures {
  /** The part of the blocks that left which was asked for within the next questions. */
  readonly askedAgain: number;
  readonly left: number;
  readonly questions: number;
  /** Evictions for which attention was measured, of all. */
  readonly measured: number;
}

/** What left before which question. */
interface Eviction {
  readonly beforeQuestion: number;
  readonly text: string;
}

export async function measureEviction(
  device: WindowDevice,
  withAttention: boolean,
  windows: number,
): Promise<EvictionFigures> {
  const countTokens = (text: string): number => device.driver.tokenize(text, 'text').length;
  const tokens = device.driver.info.contextTokens * windows;
  const { notes, questions } = toldFacts({ seed: 5, tokens, questions: subjects, countTokens });
  const told = notes.filter((note) => questions.some(({ value }) => note.includes(value)));
  const others = notes.filter((note) => !told.includes(note));
  return await withPagedConversation(device, withAttention, async (conversation) => {
    for (const note of told) await conversation.say(note);
    const evictions: Eviction[] = [];
    const asked: string[] = [];
    let seen = conversation.records.length;
    for (const [index, note] of others.entries()) {
      const question = questions[index % questions.length];
      if (question === undefined) break;
      await conversation.say(note);
      await conversation.say(question.text);
      asked.push(question.value);
      // While the question is answered its own material is at hand; what left counts from the next one on.
      evictions.push(...evictionsIn(conversation, seen, asked.length));
      seen = conversation.records.length;
    }
    const again = evictions.filter(({ beforeQuestion, text }) =>
      asked.slice(beforeQuestion, beforeQuestion + soon).some((value) => text.includes(value)),
    );
    const { measured, missed } = conversation.readings;
    return {
      askedAgain: rounded(again.length / Math.max(1, evictions.length)),
      ...{ left: evictions.length, questions: asked.length },
      measured: rounded(measured / Math.max(1, sum([measured, missed])), 2),
    };
  });
}

function evictionsIn(
  { records, blockText }: PagedConversation,
  from: number,
  beforeQuestion: number,
): Eviction[] {
  const out = records.slice(from).filter(isPagedOut);
  return out.flatMap(({ pid, blocks }) => blocks.map((id) => ({ beforeQuestion, text: blockText(pid, id) })));
}

const isPagedOut = (record: JournalRecord): record is Extract<JournalRecord, { type: 'pagedOut' }> =>
  record.type === 'pagedOut';
