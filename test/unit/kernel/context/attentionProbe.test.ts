// The probe over a reader that answers as it is told: tokens get their values back, and nothing makes anybody wait.
import assert from 'node:assert/strict';
import type {
  AttentionProbe,
  AttentionReader,
  ReaderAnswer,
  ReadableState,
} from '../../../../src/hal/attention.js';
import type { Token } from '../../../../src/hal/driver.js';
import { createAttentionProbe } from '../../../../src/kernel/context/attentionProbe.js';
import { attentionInput } from '../../../../src/kernel/kv/attentionInput.js';
import { serialiseStateFile } from '../../../../src/kernel/kv/stateFile.js';
import { buildState, factsOf } from '../kv/stateBuilder.js';

const state = buildState({ cells: 4 });
const tokens = Array.from(state.tokens, (token) => token as Token);
const stateFile = serialiseStateFile(state);
const facts = factsOf();
const even: ReaderAnswer = { kind: 'reading', received: Float32Array.of(0.5, 0.25, 0.125, 0.125) };

interface Bench {
  readonly probe: AttentionProbe;
  readonly clock: { time: number };
  readonly logged: string[];
  readonly files: Map<string, Uint8Array>;
  readonly asked: ReadableState[];
}

function bench(answer: (clock: { time: number }) => Promise<ReaderAnswer>, unavailable?: string): Bench {
  const clock = { time: 0 };
  const logged: string[] = [];
  const files = new Map<string, Uint8Array>();
  const asked: ReadableState[] = [];
  const reader: AttentionReader = {
    unavailable,
    prepare: () => undefined,
    read: (request) => {
      asked.push(request);
      return answer(clock);
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const probe = createAttentionProbe({
    reader,
    codec: {
      forAttention: async (file, options) => {
        await Promise.resolve();
        return attentionInput(file, options);
      },
    },
    files: {
      path: (name) => `/files/${name}`,
      write: async (name, content) => {
        files.set(name, content);
        await Promise.resolve();
      },
      remove: async (name) => {
        files.delete(name);
        await Promise.resolve();
      },
    },
    readState: () => Promise.resolve(stateFile),
    facts,
    clock: { now: () => clock.time, wallClock: () => 0 },
    log: (_, message) => logged.push(message),
  });
  return { probe, clock, logged, files, asked };
}

const options = { probeTokens: 2, budgetMs: 1000 };

suite('attention probe', () => {
  test('every token has its value, and nothing is left behind', async () => {
    const { probe, files, asked } = bench((clock) => {
      clock.time += 30;
      return Promise.resolve(even);
    });
    const reading = await probe.read('/state', tokens, options);
    assert.deepEqual(reading, {
      received: Float32Array.of(0.5, 0.25, 0.125, 0.125),
      probedTokens: 2,
      ms: 30,
    });
    assert.equal(files.size, 0);
    assert.equal(asked[0]?.cells, 2);
    assert.deepEqual(asked[0].next, state.tokens.slice(2));
  });

  test('what the reader does not answer is undefined, its reason said once', async () => {
    const { probe, logged, files } = bench(() => Promise.resolve({ kind: 'failed', reason: 'it died' }));
    assert.equal(await probe.read('/state', tokens, options), undefined);
    assert.equal(await probe.read('/state', tokens, options), undefined);
    assert.deepEqual(logged, ['attention is not measured: it died']);
    assert.equal(files.size, 0);
  });

  test('where it is unavailable nothing is asked', async () => {
    const { probe, asked, logged } = bench(() => Promise.resolve(even), 'another release');
    assert.equal(probe.unavailable, 'another release');
    assert.equal(await probe.read('/state', tokens, options), undefined);
    assert.deepEqual(logged, ['attention is not measured: another release']);
    assert.equal(asked.length, 0);
  });

  test('a state that took too long is refused at once, and tried again after that', async () => {
    const { probe, asked, logged } = bench((clock) => {
      clock.time += 2000;
      return Promise.resolve({ kind: 'late' });
    });
    await probe.read('/state', tokens, options);
    assert.equal(await probe.read('/state', tokens, options), undefined);
    assert.equal(asked.length, 1);
    assert.match(logged.at(-1) ?? '', /too large for the budget/);
    await probe.read('/state', tokens, options);
    assert.equal(asked.length, 2);
  });

  test('a reader that never answers makes nobody wait, and who comes meanwhile is told', async () => {
    const { probe, logged } = bench(() => new Promise(() => undefined));
    assert.equal(await probe.read('/state', tokens, { probeTokens: 2, budgetMs: 10 }), undefined);
    assert.equal(await probe.read('/state', tokens, options), undefined);
    assert.deepEqual(logged, ['attention is not measured: another reading is not over yet']);
  });

  test('a state of other tokens is refused', async () => {
    const { probe, logged } = bench(() => Promise.resolve(even));
    assert.equal(await probe.read('/state', tokens.slice(1), options), undefined);
    assert.match(logged[0] ?? '', /4 tokens that are not the 3/);
  });
});
