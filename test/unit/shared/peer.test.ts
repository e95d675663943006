// The RPC endpoint: every call gets exactly one answer, whatever the other side, the handler or the channel does.

import assert from 'node:assert/strict';
import { KernelError, type ErrorCode } from '../../../src/shared/errors.js';
import { Peer, type Channel, type Frame } from '../../../src/shared/peer.js';

interface Calls {
  add: { in: readonly number[]; out: number };
  fail: { in: 'denied' | 'plain'; out: null };
  sleep: { in: null; out: string };
  forget: { in: null; out: undefined };
}
interface Events {
  told: { readonly text: string };
}
type Nothing = Record<string, never>;

/** One end of a channel whose other end the test holds: it sees every frame and may send any. */
class TestChannel implements Channel {
  readonly sent: Frame[] = [];
  isBroken = false;
  #onFrame: ((frame: unknown) => void)[] = [];
  #onClose: (() => void)[] = [];
  #closed = false;
  send(frame: Frame): void {
    if (this.#closed || this.isBroken) throw new Error('write after end');
    this.sent.push(frame);
  }
  onFrame(listener: (frame: unknown) => void): void {
    this.#onFrame.push(listener);
  }
  onClose(listener: () => void): void {
    this.#onClose.push(listener);
  }
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const listener of this.#onClose) listener();
  }
  receive(frame: unknown): void {
    for (const listener of this.#onFrame) listener(frame);
  }
}

/** Lets handlers that are ready run to their answer. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const rejectsWith = (promise: Promise<unknown>, code: ErrorCode, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof KernelError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });

suite('the answering side of a peer', () => {
  let channel: TestChannel;
  let malformed: string[];
  let aborted: string[];
  let peer: Peer<Calls, Nothing, Nothing, Events>;

  setup(() => {
    channel = new TestChannel();
    malformed = [];
    aborted = [];
    peer = new Peer<Calls, Nothing, Nothing, Events>({
      channel,
      onMalformed: (reason) => malformed.push(reason),
      handlers: {
        add: (numbers) => numbers.reduce((sum, each) => sum + each, 0),
        fail: (how) => {
          throw how === 'denied' ? new KernelError('denied', 'not for you') : new TypeError('a bug');
        },
        sleep: (_, signal) =>
          new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              aborted.push('sleep');
              resolve('woken');
            });
          }),
        forget: () => undefined,
      },
    });
  });

  async function answerTo(frame: unknown): Promise<Frame[]> {
    const before = channel.sent.length;
    channel.receive(frame);
    await settle();
    return channel.sent.slice(before);
  }

  test('answers a call with its result', async () => {
    assert.deepEqual(await answerTo({ type: 'call', id: 5, name: 'add', input: [1, 2] }), [
      { type: 'result', id: 5, value: 3 },
    ]);
  });

  test('answers null where a handler returns nothing', async () => {
    assert.deepEqual(await answerTo({ type: 'call', id: 1, name: 'forget', input: null }), [
      { type: 'result', id: 1, value: null },
    ]);
  });

  // A request that is only written to a log leaves the other side waiting for ever.
  test('answers a call of an unknown name with an error', async () => {
    assert.deepEqual(await answerTo({ type: 'call', id: 1, name: 'format', input: null }), [
      { type: 'error', id: 1, error: { code: 'unknownCall', message: 'there is no call "format"' } },
    ]);
  });

  for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
    test(`does not take ${name} for a call`, async () => {
      const [answer] = await answerTo({ type: 'call', id: 1, name, input: null });
      assert.equal(answer?.type === 'error' && answer.error.code, 'unknownCall');
    });
  }

  test('answers a KernelError with its code', async () => {
    assert.deepEqual(await answerTo({ type: 'call', id: 1, name: 'fail', input: 'denied' }), [
      { type: 'error', id: 1, error: { code: 'denied', message: 'not for you' } },
    ]);
  });

  test('answers any other thrown error as a bug with its stack', async () => {
    const [answer] = await answerTo({ type: 'call', id: 1, name: 'fail', input: 'plain' });
    assert.ok(answer?.type === 'error');
    assert.equal(answer.error.code, 'bug');
    assert.match(answer.error.message, /TypeError: a bug\n\s+at /);
  });

  test('aborts the signal of a cancelled call and still answers once', async () => {
    assert.deepEqual(await answerTo({ type: 'call', id: 1, name: 'sleep', input: null }), []);
    assert.deepEqual(await answerTo({ type: 'cancel', id: 1 }), [{ type: 'result', id: 1, value: 'woken' }]);
    assert.deepEqual(await answerTo({ type: 'cancel', id: 1 }), []);
    assert.deepEqual(aborted, ['sleep']);
  });

  test('ignores the cancellation of a call it never got', async () => {
    assert.deepEqual(await answerTo({ type: 'cancel', id: 77 }), []);
    assert.deepEqual(malformed, []);
  });

  test('keeps the first of two calls under one id and reports the second', async () => {
    await answerTo({ type: 'call', id: 1, name: 'sleep', input: null });
    await answerTo({ type: 'call', id: 1, name: 'sleep', input: null });
    assert.deepEqual(malformed, ['call 1 is open already']);
    assert.equal((await answerTo({ type: 'cancel', id: 1 })).length, 1);
  });

  test('aborts what it serves when the channel closes, and answers nobody', async () => {
    await answerTo({ type: 'call', id: 1, name: 'sleep', input: null });
    channel.close();
    await settle();
    assert.deepEqual(aborted, ['sleep']);
    assert.deepEqual(channel.sent, []);
  });

  const notFrames: [unknown, string][] = [
    [null, 'not an object'],
    ['text', 'not an object'],
    [{}, 'unknown frame type undefined'],
    [{ type: 'shout' }, 'unknown frame type "shout"'],
    [{ type: 'event' }, 'an event needs a name'],
    [{ type: 'result', value: 1 }, 'a result needs a number as id'],
    [{ type: 'cancel', id: '1' }, 'a cancel needs a number as id'],
    [{ type: 'error', id: 1, error: 'no' }, 'an error needs a code'],
    [{ type: 'call', name: 'add' }, 'a call needs a number as id'],
  ];
  for (const [frame, reason] of notFrames) {
    test(`reports ${JSON.stringify(frame)} and goes on`, async () => {
      assert.deepEqual(await answerTo(frame), []);
      assert.deepEqual(malformed, [reason]);
      assert.equal((await answerTo({ type: 'call', id: 2, name: 'add', input: [1] })).length, 1);
    });
  }

  test('answers a malformed call that has an id', async () => {
    assert.deepEqual(await answerTo({ type: 'call', id: 9 }), [
      {
        type: 'error',
        id: 9,
        error: { code: 'badRequest', message: 'malformed frame: a call needs a name' },
      },
    ]);
    assert.deepEqual(malformed, ['a call needs a name']);
  });

  test('emits events, and none into a closed channel', () => {
    peer.emit('told', { text: 'a' });
    channel.close();
    peer.emit('told', { text: 'b' });
    assert.deepEqual(channel.sent, [{ type: 'event', name: 'told', payload: { text: 'a' } }]);
  });

  test('closes when a frame cannot be sent', () => {
    channel.isBroken = true;
    peer.emit('told', { text: 'a' });
    assert.equal(peer.isClosed, true);
  });
});

suite('the calling side of a peer', () => {
  let channel: TestChannel;
  let peer: Peer<Nothing, Calls, Events, Nothing>;

  setup(() => {
    channel = new TestChannel();
    peer = new Peer<Nothing, Calls, Events, Nothing>({ channel, handlers: {} });
  });

  test('numbers its calls and takes answers in any order', async () => {
    const first = peer.call('add', [1]);
    const second = peer.call('add', [2]);
    assert.deepEqual(channel.sent, [
      { type: 'call', id: 1, name: 'add', input: [1] },
      { type: 'call', id: 2, name: 'add', input: [2] },
    ]);
    channel.receive({ type: 'result', id: 2, value: 22 });
    channel.receive({ type: 'result', id: 1, value: 11 });
    assert.deepEqual(await Promise.all([first, second]), [11, 22]);
  });

  // A failed response that resolves with a text is taken for a success.
  test('rejects with the code and message of an error answer', async () => {
    const call = peer.call('fail', 'denied');
    channel.receive({ type: 'error', id: 1, error: { code: 'denied', message: 'not for you' } });
    await rejectsWith(call, 'denied', /^not for you$/);
  });

  test('settles a call once: later answers go nowhere', async () => {
    const call = peer.call('add', [1]);
    channel.receive({ type: 'result', id: 1, value: 1 });
    channel.receive({ type: 'result', id: 1, value: 2 });
    channel.receive({ type: 'error', id: 1, error: { code: 'bug', message: 'late' } });
    channel.receive({ type: 'result', id: 404, value: 0 });
    assert.equal(await call, 1);
  });

  test('sends nothing for a signal that is aborted already', async () => {
    const controller = new AbortController();
    controller.abort();
    await rejectsWith(peer.call('sleep', null, controller.signal), 'cancelled', /sleep was cancelled/);
    assert.deepEqual(channel.sent, []);
  });

  test('cancels an open call: rejects at once and tells the other side', async () => {
    const controller = new AbortController();
    const call = peer.call('sleep', null, controller.signal);
    controller.abort();
    await rejectsWith(call, 'cancelled', /sleep was cancelled/);
    assert.deepEqual(channel.sent.at(-1), { type: 'cancel', id: 1 });
    channel.receive({ type: 'result', id: 1, value: 'too late' });
  });

  test('does not cancel what was answered', async () => {
    const controller = new AbortController();
    const call = peer.call('sleep', null, controller.signal);
    channel.receive({ type: 'result', id: 1, value: 'done' });
    controller.abort();
    assert.equal(await call, 'done');
    assert.equal(channel.sent.length, 1);
  });

  test('rejects every open call when the channel closes', async () => {
    const calls = [peer.call('sleep', null), peer.call('add', [])];
    channel.close();
    for (const call of calls) await rejectsWith(call, 'peerGone', /closed the channel/);
    assert.equal(peer.isClosed, true);
  });

  test('rejects calls after the close', async () => {
    peer.close();
    await rejectsWith(peer.call('add', []), 'peerGone', /add: the channel is closed/);
  });

  test('rejects a call that cannot be sent', async () => {
    channel.isBroken = true;
    await rejectsWith(peer.call('add', []), 'peerGone', /add: write after end/);
  });

  test('tells of the close once, also who asks late', () => {
    let told = 0;
    peer.onClose(() => told++);
    channel.close();
    peer.close();
    peer.onClose(() => told++);
    assert.equal(told, 2);
  });

  test('delivers events until the subscription is disposed', () => {
    const heard: string[] = [];
    const subscription = peer.on('told', ({ text }) => heard.push(text));
    channel.receive({ type: 'event', name: 'told', payload: { text: 'a' } });
    channel.receive({ type: 'event', name: 'unknown', payload: null });
    subscription.dispose();
    channel.receive({ type: 'event', name: 'told', payload: { text: 'b' } });
    assert.deepEqual(heard, ['a']);
  });
});

suite('two peers', () => {
  test('call each other over one channel, with the same ids', async () => {
    const [a, b] = [new TestChannel(), new TestChannel()];
    const link = (from: TestChannel, to: TestChannel): void => {
      const send = from.send.bind(from);
      from.send = (frame) => {
        send(frame);
        queueMicrotask(() => to.receive(structuredClone(frame)));
      };
    };
    link(a, b);
    link(b, a);
    interface Double {
      double: { in: number; out: number };
    }
    const left = new Peer<Double, Double, Nothing, Nothing>({
      channel: a,
      handlers: { double: (n) => n * 2 },
    });
    const right: Peer<Double, Double, Nothing, Nothing> = new Peer<Double, Double, Nothing, Nothing>({
      channel: b,
      handlers: { double: async (n) => (await right.call('double', n)) + 1 },
    });
    assert.deepEqual(await Promise.all([left.call('double', 3), right.call('double', 5)]), [7, 10]);
  });
});
