/**
 * What a quantised snapshot does to what the model says: conversations that it was not trained on, cut after their
 * first 900 tokens, whose state goes through the codec before the model goes on. Two figures by quantisation, both
 * against the exact snapshot: how well it then expects what a good answer says (perplexity, its own lines only), and
 * how much of what it writes by itself stays the same. The engine's library is used directly, since it tells
 * probabilities.
 */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  getLlama,
  LlamaLogLevel,
  type LlamaContext,
  type LlamaContextSequence,
  type Token as EngineToken,
} from 'node-llama-cpp';
import type { StateFacts } from '../src/hal/driver.js';
import { createLlamaDriver } from '../src/hal/llama/llamaDriver.js';
import { threadCount } from '../src/hal/llama/engine.js';
import { decodeSnapshot, encodeSnapshot } from '../src/kernel/kv/snapshot.js';
import { defaultEngineSettings, quantisations, type Quantisation } from '../src/shared/settings.js';
import { heldOutConversations, type Conversation } from './conversations.js';
import { rounded, sum } from './statistics.js';

export interface QualityFigures {
  /** Relative to the exact snapshot: 0.01 is one percent more. */
  readonly perplexityChange: number;
  /** Share of the tokens of a good answer where the most likely token is the same. */
  readonly nextTokenAgreement: number;
  /** Share of the tokens that it writes by itself which are the same, at the same place. */
  readonly greedyAgreement: number;
}

export interface QualityByQuantisation {
  readonly model: string;
  readonly conversations: number;
  /** Tokens of good answers that were judged. */
  readonly answerTokens: number;
  readonly byQuantisation: Readonly<Record<Quantisation, QualityFigures>>;
}

const prefixTokens = 900;
const continuationTokens = 256;
const conversationCount = 24;

/** What the model made of one conversation, from one snapshot of its beginning. */
interface Continuation {
  /** For each token of a good answer: how unexpected it was, and which was expected most. */
  readonly answer: readonly { readonly surprise: number; readonly expected: number }[];
  readonly greedy: readonly number[];
}

export async function measureQuality(model: string): Promise<QualityByQuantisation> {
  const { facts, name, conversations } = await prepare(model);
  const llama = await getLlama({
    build: 'never',
    gpu: false,
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    // Its own way is stdout, which is for the result.
    logger: (_, message) => process.stderr.write(message),
    maxThreads: threadCount(0),
  });
  const loaded = await llama.loadModel({ modelPath: model, defaultContextFlashAttention: true });
  const context = await loaded.createContext({
    sequences: 1,
    contextSize: prefixTokens + 2 * continuationTokens,
    threads: threadCount(0),
  });
  const folder = await mkdtemp(join(tmpdir(), 'amk-bench-quality-'));
  try {
    const continuations = new Map(quantisations.map((each): [Quantisation, Continuation[]] => [each, []]));
    for (const conversation of conversations) {
      await continueConversation(conversation, { context, facts, folder, continuations });
    }
    const exact = continuations.get('f16') ?? [];
    const figures = [...continuations].map(([quantisation, all]) => [quantisation, compare(exact, all)]);
    return {
      model: name,
      conversations: conversations.length,
      answerTokens: sum(exact.map(({ answer }) => answer.length)),
      byQuantisation: Object.fromEntries(figures) as Record<Quantisation, QualityFigures>,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
    await llama.dispose();
  }
}

/** The facts of the state are the driver's business, and so is how a conversation is rendered. */
async function prepare(
  model: string,
): Promise<{ facts: StateFacts; name: string; conversations: readonly Conversation[] }> {
  await using driver = await createLlamaDriver(
    { ...defaultEngineSettings, model, slots: 1, contextTokens: 1024 },
    () => undefined,
  );
  const length = prefixTokens + continuationTokens + 1;
  const conversations = await heldOutConversations(driver, length, conversationCount);
  return { facts: driver.info.state, name: driver.info.model, conversations };
}

interface Bench {
  readonly context: LlamaContext;
  readonly facts: StateFacts;
  readonly folder: string;
  readonly continuations: ReadonlyMap<Quantisation, Continuation[]>;
}

async function continueConversation(conversation: Conversation, bench: Bench): Promise<void> {
  const { context, facts, folder, continuations } = bench;
  const path = join(folder, 'state');
  await withSequence(context, async (sequence) => {
    const prefix = conversation.tokens.slice(0, prefixTokens);
    await sequence.evaluateWithoutGeneratingNewTokens(engineTokens(prefix));
    await sequence.saveStateToFile(path);
  });
  const state = await readFile(path);
  for (const [quantisation, all] of continuations) {
    const snapshot = encodeSnapshot(Uint8Array.from(state), { quantisation, facts });
    await writeFile(path, decodeSnapshot(snapshot, facts));
    const from = <T>(work: (sequence: LlamaContextSequence) => Promise<T>): Promise<T> =>
      withSequence(context, async (sequence) => {
        await sequence.loadStateFromFile(path, { acceptRisk: true });
        return await work(sequence);
      });
    all.push({
      answer: await from((sequence) => judge(sequence, conversation)),
      greedy: await from((sequence) => write(sequence, conversation)),
    });
  }
}

async function withSequence<T>(
  context: LlamaContext,
  work: (sequence: LlamaContextSequence) => Promise<T>,
): Promise<T> {
  const sequence = context.getSequence({ checkpoints: { max: 0, interval: false } });
  try {
    return await work(sequence);
  } finally {
    await sequence.dispose();
  }
}

/** What the conversation says next, put to the model token by token. */
async function judge(
  sequence: LlamaContextSequence,
  { tokens, isAnswer }: Conversation,
): Promise<Continuation['answer']> {
  const end = prefixTokens + continuationTokens;
  const said = engineTokens(tokens.slice(prefixTokens, end));
  const outcomes = await sequence.controlledEvaluate(
    said.map((token) => [token, { generateNext: { probabilities: true } }]),
  );
  return outcomes.flatMap((outcome, index) => {
    const at = prefixTokens + index + 1;
    const probabilities = outcome?.next.probabilities;
    if (probabilities === undefined || isAnswer[at] !== true) return [];
    const probability = Math.max(probabilities.get(tokens[at] as number as EngineToken) ?? 0, 1e-12);
    return [{ surprise: -Math.log(probability), expected: [...probabilities.keys()][0] ?? -1 }];
  });
}

/** What the model says by itself, always the likeliest token. */
async function write(sequence: LlamaContextSequence, { tokens }: Conversation): Promise<number[]> {
  const start = engineTokens(tokens.slice(prefixTokens, prefixTokens + 1));
  const written: number[] = [];
  for await (const token of sequence.evaluate(start, { temperature: 0, yieldEogToken: true })) {
    written.push(token);
    if (written.length >= continuationTokens) break;
  }
  return written;
}

function compare(exact: readonly Continuation[], other: readonly Continuation[]): QualityFigures {
  const answers = (all: readonly Continuation[]): Continuation['answer'] =>
    all.flatMap(({ answer }) => answer);
  const [before, after] = [answers(exact), answers(other)];
  const surprise = (all: Continuation['answer']): number => sum(all.map((each) => each.surprise));
  const change = (surprise(after) - surprise(before)) / Math.max(1, before.length);
  return {
    perplexityChange: rounded(Math.expm1(change), 5),
    nextTokenAgreement: agreement(
      before.map(({ expected }) => expected),
      after.map(({ expected }) => expected),
    ),
    greedyAgreement: agreement(
      exact.flatMap(({ greedy }) => greedy),
      other.flatMap(({ greedy }) => greedy),
    ),
  };
}

function agreement(a: readonly number[], b: readonly number[]): number {
  const same = a.filter((token, index) => token === b[index]).length;
  return rounded(same / Math.max(1, a.length), 4);
}

const engineTokens = (tokens: readonly number[]): EngineToken[] => [...tokens] as EngineToken[];
