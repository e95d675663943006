// The process that reads attention: what it says is passed on, and however it ends, somebody is told and nobody waits.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AttentionReader, ReadableState } from '../../../../src/hal/attention.js';
import { createAttentionReader } from '../../../../src/hal/llama/attentionReader.js';

const state: ReadableState = { path: '/state', cells: 2, next: Int32Array.of(7), nextPosition: 2 };
const patient = 20_000;
const answering = `
process.on('message', ({ kind, state }) => {
  if (kind === 'open') process.send({ kind: 'ready' });
  else process.send({ kind: 'reading', received: Float32Array.of(state.cells, state.next[0], process.pid) });
});`;

suite('attention reader', () => {
  let folder: string;
  suiteSetup(async () => {
    folder = await mkdtemp(join(tmpdir(), 'amk-reader-'));
  });
  suiteTeardown(() => rm(folder, { recursive: true, force: true }));

  /** A process of a few lines, for what the real one does only when something is wrong. */
  async function within(
    script: string,
    body: (reader: AttentionReader, clock: { time: number }) => Promise<void>,
    own: { readonly idleMs?: number; readonly openTimeoutMs?: number } = {},
  ): Promise<void> {
    const path = join(folder, `worker-${Math.random()}.cjs`);
    await writeFile(path, script);
    const clock = { time: 0 };
    await using reader = createAttentionReader({
      ...{ workerUrl: pathToFileURL(path), modelPath: 'm', keyType: 'f16', valueType: 'f16', threads: 1 },
      clock: { now: () => clock.time, wallClock: () => 0 },
      ...own,
    });
    await body(reader, clock);
  }

  const pidOf = async (reader: AttentionReader): Promise<number> => {
    const answer = await reader.read(state, patient);
    assert.ok(answer.kind === 'reading', JSON.stringify(answer));
    return answer.received[2]!;
  };

  test('readings come from one process, which is kept', () =>
    within(answering, async (reader) => {
      reader.prepare();
      const answer = await reader.read(state, patient);
      assert.ok(answer.kind === 'reading');
      assert.deepEqual([...answer.received.subarray(0, 2)], [2, 7]);
      assert.equal(await pidOf(reader), answer.received[2]);
      assert.equal(reader.unavailable, undefined);
    }));

  test('an unused process is ended, and the next reading has another', () =>
    within(
      answering,
      async (reader) => {
        const first = await pidOf(reader);
        await new Promise((resolve) => setTimeout(resolve, 100));
        assert.notEqual(await pidOf(reader), first);
      },
      { idleMs: 10 },
    ));

  test('a process that dies says so with its last words, and is started again only after a while', () =>
    within(
      "process.on('message', ({ kind }) => { if (kind === 'read') { console.error('GGML_ASSERT'); process.abort(); } });",
      async (reader, clock) => {
        const died = await reader.read(state, patient);
        assert.ok(died.kind === 'failed');
        assert.match(died.reason, /^its process ended \(SIGABRT\)/);
        assert.match(JSON.stringify(await reader.read(state, patient)), /not started again yet/);
        clock.time += 1000;
        assert.match(JSON.stringify(await reader.read(state, patient)), /its process ended/);
        clock.time += 1000;
        assert.match(JSON.stringify(await reader.read(state, patient)), /not started again yet/);
        clock.time += 1000;
        assert.match(JSON.stringify(await reader.read(state, patient)), /its process ended/);
      },
    ));

  test('where no reading can succeed, none is tried again', () =>
    within(
      "process.on('message', () => process.send({ kind: 'unavailable', reason: 'another release' }));",
      async (reader) => {
        assert.deepEqual(await reader.read(state, patient), { kind: 'failed', reason: 'another release' });
        assert.equal(reader.unavailable, 'another release');
        assert.deepEqual(await reader.read(state, patient), { kind: 'failed', reason: 'another release' });
      },
    ));

  test('nobody waits beyond the budget, and who comes meanwhile is told', () =>
    within(
      "process.on('message', ({ kind }) => { if (kind === 'open') process.send({ kind: 'ready' }); });",
      async (reader) => {
        reader.prepare();
        await new Promise((resolve) => setTimeout(resolve, 400));
        assert.deepEqual(await reader.read(state, 20), { kind: 'late' });
        assert.match(JSON.stringify(await reader.read(state, 20)), /not over yet/);
      },
    ));

  test('a process that never gets ready is no late reading, and is ended', () =>
    within(
      "process.on('message', () => undefined);",
      async (reader) => {
        assert.match(JSON.stringify(await reader.read(state, 20)), /not ready yet/);
        await new Promise((resolve) => setTimeout(resolve, 400));
        assert.match(JSON.stringify(await reader.read(state, 20)), /not started again yet/);
      },
      { openTimeoutMs: 100 },
    ));

  test('a reader that is closed answers everybody', async () => {
    let pending: Promise<unknown> | undefined;
    await within("process.on('message', () => undefined);", async (reader) => {
      pending = reader.read(state, patient);
      await Promise.resolve();
    });
    assert.match(JSON.stringify(await pending), /failed/);
  });
});
