/**
 * The scheduler benchmark's fixed workload: eight agents, of which four work in the background on long prompts and
 * long outputs, two are normal, and two are interactive and ask short things at random times. The same seed gives
 * the same arrivals, prompts and lengths on every machine; only the times that are measured differ.
 */

import type { InferenceDriver, Token } from '../src/hal/driver.js';
import type { PriorityClass } from '../src/shared/agentDefinition.js';

export interface Request {
  readonly agent: number;
  readonly class: PriorityClass;
  readonly nice: number;
  readonly arriveMs: number;
  readonly prompt: readonly Token[];
  readonly outputTokens: number;
}

interface AgentKind {
  readonly class: PriorityClass;
  readonly count: number;
  readonly requests: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
}

export interface WorkloadSize {
  /** Scales prompt and output lengths: 1 is 1,024-token prompts and 512-token outputs in the background. */
  readonly scale: number;
  /** Interactive requests arrive within this time. */
  readonly spreadMs: number;
}

const kinds: readonly AgentKind[] = [
  { class: 'batch', count: 4, requests: 1, promptTokens: 1024, outputTokens: 512 },
  { class: 'normal', count: 2, requests: 2, promptTokens: 256, outputTokens: 64 },
  { class: 'interactive', count: 2, requests: 8, promptTokens: 64, outputTokens: 16 },
];

/** Numerical Recipes' linear congruential generator: small, and the same everywhere. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Requests in the order of their arrival; those of the background are there from the start. */
export function createWorkload(driver: InferenceDriver, { scale, spreadMs }: WorkloadSize): Request[] {
  const random = randomNumbers(20_260_401);
  const vocabulary = driver.tokenize(
    'const total = rows.reduce((sum, row) => sum + row.amount, 0); // per account',
  );
  let agent = 0;
  const requests: Request[] = [];
  for (const kind of kinds) {
    for (let index = 0; index < kind.count; index++) {
      agent++;
      for (let request = 0; request < kind.requests; request++) {
        const length = Math.max(8, Math.round(kind.promptTokens * scale));
        requests.push({
          agent,
          class: kind.class,
          nice: 0,
          arriveMs: kind.class === 'batch' ? 0 : random() * spreadMs,
          prompt: Array.from({ length }).flatMap(() =>
            vocabulary.slice(Math.floor(random() * vocabulary.length)).slice(0, 1),
          ),
          outputTokens: Math.max(4, Math.round(kind.outputTokens * scale)),
        });
      }
    }
  }
  return requests.sort((a, b) => a.arriveMs - b.arriveMs);
}
