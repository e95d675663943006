import assert from 'node:assert/strict';
import { PermissionQueue, settles } from '../../../src/extension/permissionQueue.js';
import type { PermissionAnswer, PermissionRequest } from '../../../src/shared/protocol.js';

const requestOf = (pid: number): PermissionRequest => ({
  pid,
  agent: 'scout',
  task: 'find it',
  tool: 'read_file',
  access: { capability: 'fs.read', path: 'a.ts' },
  target: '/w/a.ts',
});

const once: PermissionAnswer = { kind: 'allow', lifetime: 'once', scope: 'a.ts' };
const open = (): AbortSignal => new AbortController().signal;

suite('open questions', () => {
  test('an answer settles its own question and no other', async () => {
    const queue = new PermissionQueue();
    const first = queue.ask(requestOf(1), open());
    void queue.ask(requestOf(2), open());
    assert.deepEqual(
      queue.pending.map(({ request }) => request.pid),
      [1, 2],
    );
    assert.equal(queue.answer(queue.pending[0]!.id, once), true);
    assert.deepEqual(await first, once);
    assert.equal(queue.findByPid(1), undefined);
    assert.equal(queue.findByPid(2)?.request.pid, 2);
  });

  test('a question is settled once', async () => {
    const queue = new PermissionQueue();
    const asked = queue.ask(requestOf(1), open());
    const { id } = queue.pending[0]!;
    assert.equal(queue.answer(id, once), true);
    assert.equal(queue.answer(id, { kind: 'deny', reason: '' }), false);
    assert.deepEqual(await asked, once);
  });

  test('a question that was taken back rejects, and a late answer grants nothing', async () => {
    const queue = new PermissionQueue();
    const taking = new AbortController();
    const asked = queue.ask(requestOf(1), taking.signal);
    const { id } = queue.pending[0]!;
    taking.abort();
    await assert.rejects(asked, { code: 'cancelled' });
    assert.equal(queue.has(id), false);
    assert.equal(queue.answer(id, once), false);
  });

  test('a question taken back before it was asked is never open', async () => {
    const queue = new PermissionQueue();
    const taking = new AbortController();
    taking.abort();
    await assert.rejects(queue.ask(requestOf(1), taking.signal), { code: 'cancelled' });
    assert.equal(queue.pending.length, 0);
  });

  test('listeners hear of every question and every end, after the fact', async () => {
    const queue = new PermissionQueue();
    const counts: number[] = [];
    queue.onDidChange(() => counts.push(queue.pending.length));
    const asked = queue.ask(requestOf(1), open());
    queue.answer(queue.pending[0]!.id, once);
    await asked;
    assert.deepEqual(counts, [1, 0]);
  });
});

suite('an answer that covers another question', () => {
  const [one, other] = [requestOf(1), requestOf(2)];
  const cases: [string, PermissionAnswer, PermissionRequest, boolean][] = [
    ['a right for the session covers another agent', { ...once, lifetime: 'session' }, other, true],
    ['a right for the run does not', { ...once, lifetime: 'run' }, other, false],
    ['a right for the run covers its own agent', { ...once, lifetime: 'run' }, one, true],
    ['a right for once covers nothing else', once, other, false],
    ['a refusal covers nothing', { kind: 'deny', reason: '' }, other, false],
    ['another scope covers nothing', { ...once, lifetime: 'session', scope: 'src' }, other, false],
  ];
  for (const [name, answer, request, expected] of cases) {
    test(name, () => assert.equal(settles(answer, one, request), expected));
  }
});
