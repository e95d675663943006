// Disposal and events: order, failure of one, late additions.

import assert from 'node:assert/strict';
import { Emitter } from '../../../src/shared/emitter.js';
import { DisposableStore } from '../../../src/shared/lifecycle.js';

suite('a disposable store', () => {
  test('disposes in reverse order, once', () => {
    const store = new DisposableStore();
    const order: string[] = [];
    for (const name of ['a', 'b', 'c']) store.defer(() => order.push(name));
    store.dispose();
    store.dispose();
    assert.deepEqual(order, ['c', 'b', 'a']);
  });

  test('goes on when one throws, and tells all failures at the end', () => {
    const store = new DisposableStore();
    const order: string[] = [];
    store.defer(() => order.push('first'));
    for (const name of ['b', 'c']) {
      store.defer(() => {
        throw new Error(name);
      });
    }
    assert.throws(
      () => store.dispose(),
      (error: unknown) =>
        error instanceof AggregateError && error.errors.map((each: Error) => each.message).join() === 'c,b',
    );
    assert.deepEqual(order, ['first']);
    store.dispose();
  });

  test('disposes a late addition at once and hands it back', () => {
    const store = new DisposableStore();
    store.dispose();
    let disposed = 0;
    const late = {
      dispose: () => {
        disposed++;
      },
    };
    assert.equal(store.add(late), late);
    assert.equal(disposed, 1);
  });
});

suite('an emitter', () => {
  test('delivers in order of subscription until disposed', () => {
    const emitter = new Emitter<number>();
    const heard: string[] = [];
    const first = emitter.event((n) => heard.push(`a${n}`));
    emitter.event((n) => heard.push(`b${n}`));
    emitter.fire(1);
    first.dispose();
    emitter.fire(2);
    assert.deepEqual(heard, ['a1', 'b1', 'b2']);
  });

  test('calls every listener although one throws, then throws its error', () => {
    const emitter = new Emitter<null>();
    const heard: string[] = [];
    emitter.event(() => {
      throw new Error('mine');
    });
    emitter.event(() => heard.push('second'));
    assert.throws(() => emitter.fire(null), /mine/);
    assert.deepEqual(heard, ['second']);
  });

  test('a listener may unsubscribe itself while it is called', () => {
    const emitter = new Emitter<null>();
    let calls = 0;
    const subscription = emitter.event(() => {
      calls++;
      subscription.dispose();
    });
    emitter.event(() => calls++);
    emitter.fire(null);
    emitter.fire(null);
    assert.equal(calls, 3);
  });
});
