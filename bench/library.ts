/**
 * What the engine's library does by itself, for comparison: every request is given to it as soon as it arrives and a
 * sequence is free, and its default batching decides. It has a context of its own, since the kernel's is made
 * for stepping.
 */

import { getLlama, LlamaLogLevel, type LlamaContextSequence, type Token } from 'node-llama-cpp';
import { systemClock } from '../src/hal/clock.js';
import { threadCount } from '../src/hal/llama/engine.js';
import { Progress, sleep, type Served } from './policies.js';
import type { Request } from './workload.js';

export interface LibrarySize {
  readonly model: string;
  readonly sequences: number;
  readonly contextTokens: number;
}

/** Serves the requests in a fresh context; `around` is called for the part that counts. */
export async function withLibrary<T>(
  { model: modelPath, sequences, contextTokens }: LibrarySize,
  body: (serve: (requests: readonly Request[]) => Promise<Served[]>) => Promise<T>,
): Promise<T> {
  const maxThreads = threadCount(0);
  const llama = await getLlama({
    build: 'never',
    gpu: 'auto',
    progressLogs: false,
    logLevel: LlamaLogLevel.error,
    // Its own way is stdout, which is for the result.
    logger: (_, message) => process.stderr.write(message),
    maxThreads,
  });
  const model = await llama.loadModel({ modelPath, defaultContextFlashAttention: true });
  const context = await model.createContext({
    sequences,
    contextSize: contextTokens + 1,
    threads: maxThreads,
  });
  try {
    const free = Array.from({ length: sequences }, () => context.getSequence());
    return await body((requests) => serveAll(requests, free));
  } finally {
    await context.dispose();
    await model.dispose();
    await llama.dispose();
  }
}

async function serveAll(
  requests: readonly Request[],
  sequences: readonly LlamaContextSequence[],
): Promise<Served[]> {
  const startedAt = systemClock.now();
  const free = [...sequences];
  const waiting: ((sequence: LlamaContextSequence) => void)[] = [];
  const take = async (): Promise<LlamaContextSequence> =>
    free.pop() ?? (await new Promise<LlamaContextSequence>((resolve) => waiting.push(resolve)));
  const leave = (sequence: LlamaContextSequence): void => {
    const next = waiting.shift();
    if (next === undefined) free.push(sequence);
    else next(sequence);
  };
  return Promise.all(
    requests.map(async (request) => {
      await sleep(startedAt + request.arriveMs - systemClock.now());
      const progress = new Progress(request, startedAt);
      const sequence = await take();
      await sequence.clearHistory();
      const prompt = (request.prompt as readonly number[]).slice() as Token[];
      for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
        if (progress.accept(token as number as Parameters<typeof progress.accept>[0]) === 'done') break;
      }
      leave(sequence);
      return progress.served();
    }),
  );
}
