// Questions to a person: how many wishes share one, and what makes it needless.
import assert from 'node:assert/strict';
import { createManualClock } from '../../../src/hal/manualClock.js';
import { Broker, createInvocation, type Invocation } from '../../../src/kernel/sandbox/broker.js';
import type { Access, Grant } from '../../../src/shared/capability.js';
import type { PermissionAnswer, PermissionRequest } from '../../../src/shared/protocol.js';

const never = new AbortController().signal;
const read = (path: string): Access => ({ capability: 'fs.read', path });
const allow = (lifetime: 'once' | 'run' | 'session', scope: string): PermissionAnswer => ({
  kind: 'allow',
  lifetime,
  scope,
});

interface Question {
  readonly request: PermissionRequest;
  readonly answer: (answer: PermissionAnswer) => void;
  readonly signal: AbortSignal;
}

/** A broker whose person answers when the test says so. */
function createDesk(): { broker: Broker; questions: Question[] } {
  const questions: Question[] = [];
  const broker = new Broker({
    prompter: {
      ask: (request, signal) => new Promise((answer) => void questions.push({ request, answer, signal })),
    },
    clock: createManualClock(0),
  });
  return { broker, questions };
}

const invocation = (pid: number): Invocation =>
  createInvocation({ pid, agent: 'scout', task: 'look', tool: 'read_file', workspace: '/w' });

suite('broker questions', () => {
  test('ten equal wishes of an agent are one question and one grant', async () => {
    const { broker, questions } = createDesk();
    const wishes = Array.from({ length: 10 }, () => broker.require(invocation(1), read('a'), '/w/a', never));
    assert.equal(questions.length, 1);
    questions[0]!.answer(allow('run', 'a'));
    assert.deepEqual(new Set(await Promise.all(wishes)), new Set(['allowed-run']));
    assert.equal(broker.list().length, 1);
  });

  test('equal wishes of two agents are two questions', () => {
    const { broker, questions } = createDesk();
    void broker.require(invocation(1), read('a'), '', never);
    void broker.require(invocation(2), read('a'), '', never);
    assert.deepEqual(
      questions.map(({ request }) => request.pid),
      [1, 2],
    );
  });

  test('a grant that covers an open question takes it back and lets it pass', async () => {
    const { broker, questions } = createDesk();
    const wishes = ['src/a', 'src/b', 'other'].map((path) =>
      broker.require(invocation(1), read(path), '', never),
    );
    questions[0]!.answer(allow('run', 'src'));
    assert.equal(await wishes[0], 'allowed-run');
    assert.equal(await wishes[1], 'granted');
    assert.deepEqual(
      questions.map(({ signal }) => signal.aborted),
      [true, true, false],
      'what covers one path does not cover the other',
    );
  });

  test("a run grant settles its own agent's questions, a session grant everybody's", async () => {
    const { broker, questions } = createDesk();
    const other = broker.require(invocation(2), read('a'), '', never);
    broker.grant({ capability: 'fs.read', scope: '.' }, { pid: 1, lifetime: 'run' });
    assert.equal(questions[0]!.signal.aborted, false);
    broker.grant({ capability: 'fs.read', scope: '.' }, { pid: 1, lifetime: 'session' });
    assert.equal(await other, 'granted');
  });

  test('a question is taken back when the last who asked it is stopped, and not before', async () => {
    const { broker, questions } = createDesk();
    const [first, second] = [new AbortController(), new AbortController()];
    const wishes = [first, second].map(({ signal }) => broker.require(invocation(1), read('a'), '', signal));
    first.abort();
    await assert.rejects(wishes[0]!, { code: 'cancelled' });
    assert.equal(questions[0]!.signal.aborted, false);
    second.abort();
    await assert.rejects(wishes[1]!, { code: 'cancelled' });
    assert.equal(questions[0]!.signal.aborted, true);
  });

  test('an answer that comes after the question was taken back grants nothing', async () => {
    const { broker, questions } = createDesk();
    const controller = new AbortController();
    const wish = broker.require(invocation(1), read('a'), '', controller.signal);
    controller.abort();
    await assert.rejects(wish, { code: 'cancelled' });
    questions[0]!.answer(allow('session', '.'));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(broker.list(), []);
  });

  test('who asks again after a question was taken back asks anew', async () => {
    const { broker, questions } = createDesk();
    const controller = new AbortController();
    const wish = broker.require(invocation(1), read('a'), '', controller.signal);
    controller.abort();
    const again = broker.require(invocation(1), read('a'), '', never);
    await assert.rejects(wish, { code: 'cancelled' });
    for (const { answer } of questions) answer(allow('once', 'a'));
    assert.equal(await again, 'allowed-once');
  });

  test('a call remembers the grants it used, and revoking one is told', async () => {
    const { broker } = createDesk();
    const told: Grant[] = [];
    broker.onDidRevoke((grant) => told.push(grant));
    const used = broker.grant({ capability: 'fs.read', scope: 'src' }, { pid: 1, lifetime: 'run' });
    const unused = broker.grant({ capability: 'fs.read', scope: 'test' }, { pid: 1, lifetime: 'session' });
    const call = invocation(1);
    await broker.require(call, read('src/a'), '', never);
    assert.deepEqual([...call.relied], [used.id]);
    assert.equal(broker.revoke(unused.id), true);
    assert.equal(broker.revoke(unused.id), false, 'once');
    broker.endRun(1);
    assert.deepEqual(told, [unused, used]);
  });
});
