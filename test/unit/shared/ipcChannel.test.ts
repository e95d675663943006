// The channel between two processes: closing, failing and bounded, with an endpoint that the test holds.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { ipcChannel } from '../../../src/shared/ipcChannel.js';
import type { Frame } from '../../../src/shared/peer.js';

const frame: Frame = { type: 'cancel', id: 1 };

/** An IPC endpoint that keeps what it was given to send until the test lets it go. */
class Endpoint extends EventEmitter {
  connected = true;
  readonly waiting: ((error: Error | null) => void)[] = [];
  send(
    _message: Frame,
    _handle: undefined,
    _options: undefined,
    sent: (error: Error | null) => void,
  ): boolean {
    this.waiting.push(sent);
    return false;
  }
  disconnect(): void {
    this.connected = false;
    this.emit('disconnect');
  }
}

suite('a channel over IPC', () => {
  let endpoint: Endpoint;
  setup(() => {
    endpoint = new Endpoint();
  });

  const closesOf = (channel: ReturnType<typeof ipcChannel>): { count: number } => {
    const closes = { count: 0 };
    channel.onClose(() => closes.count++);
    return closes;
  };

  test('hands frames over and delivers messages', () => {
    const channel = ipcChannel(endpoint);
    const received: unknown[] = [];
    channel.onFrame((each) => received.push(each));
    channel.send(frame);
    endpoint.emit('message', frame);
    assert.equal(endpoint.waiting.length, 1);
    assert.deepEqual(received, [frame]);
  });

  test('closes once, whoever closed it, and then refuses to send', () => {
    const channel = ipcChannel(endpoint);
    const closes = closesOf(channel);
    endpoint.disconnect();
    channel.close();
    assert.equal(closes.count, 1);
    assert.throws(() => channel.send(frame), /the channel is closed/);
  });

  test('closing it disconnects the other process', () => {
    const channel = ipcChannel(endpoint);
    const closes = closesOf(channel);
    channel.close();
    assert.equal(endpoint.connected, false);
    assert.equal(closes.count, 1);
  });

  test('tells of its close also who asks late', () => {
    const channel = ipcChannel(endpoint);
    channel.close();
    assert.equal(closesOf(channel).count, 1);
  });

  test('refuses to send in a program that nobody forked', () => {
    const channel = ipcChannel({ connected: false, on: () => undefined });
    assert.throws(() => channel.send(frame), /the channel is closed/);
  });

  test('closes when a frame did not reach the pipe', () => {
    const channel = ipcChannel(endpoint);
    const closes = closesOf(channel);
    channel.send(frame);
    endpoint.waiting.pop()?.(new Error('EPIPE'));
    assert.equal(closes.count, 1);
    assert.equal(endpoint.connected, false);
  });

  test('takes a reader that never reads for gone, and one that is late for late', () => {
    const channel = ipcChannel(endpoint, 3);
    const closes = closesOf(channel);
    for (let sent = 0; sent < 3; sent++) channel.send(frame);
    endpoint.waiting.shift()?.(null);
    channel.send(frame);
    assert.equal(closes.count, 0);
    assert.throws(() => channel.send(frame), /left 3 frames unread/);
    assert.equal(closes.count, 1);
  });
});
