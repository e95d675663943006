// The channel over a stream socket: framing, garbage, limits and closing, with a socket that the test holds.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { lineChannel, type LineEndpoint } from '../../../src/shared/lineChannel.js';
import type { Channel, Frame } from '../../../src/shared/peer.js';

const frame: Frame = { type: 'cancel', id: 1 };
const limits = { incomingLength: 40, outgoingLength: 40, unsentBytes: 100 };

/** A socket that keeps what was written. */
class Endpoint extends EventEmitter implements LineEndpoint {
  destroyed = false;
  writableLength = 0;
  readonly written: string[] = [];
  readonly ends: string[] = [];
  setEncoding(): void {
    // Pieces come as text here anyway.
  }
  write(text: string): boolean {
    this.written.push(text);
    return true;
  }
  destroySoon(): void {
    this.ends.push('soon');
    this.#close();
  }
  destroy(): void {
    this.ends.push('now');
    this.#close();
  }
  #close(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

suite('a channel over a socket', () => {
  let endpoint: Endpoint;
  let channel: Channel;
  let received: unknown[];
  let faults: string[];
  let closes: number;

  setup(() => {
    [endpoint, received, faults, closes] = [new Endpoint(), [], [], 0];
    channel = lineChannel(endpoint, limits, (reason) => faults.push(reason));
    channel.onFrame((each) => received.push(each));
    channel.onClose(() => closes++);
  });

  test('writes a frame as a line', () => {
    channel.send(frame);
    assert.deepEqual(endpoint.written, ['{"type":"cancel","id":1}\n']);
  });

  test('puts frames together however they were cut', () => {
    const text = '{"a":"日本"}\n{"b":2}\n[3]\n';
    for (const character of text) endpoint.emit('data', character);
    endpoint.emit('data', text);
    endpoint.emit('data', text + text.slice(0, 5));
    endpoint.emit('data', text.slice(5));
    const once = [{ a: '日本' }, { b: 2 }, [3]];
    assert.deepEqual(received, [...once, ...once, ...once, ...once]);
  });

  test('hands on a line that is not JSON as the text that it is', () => {
    endpoint.emit('data', 'GET / HTTP/1.1\r\n\n{"a":\n');
    assert.deepEqual(received, ['GET / HTTP/1.1\r', '', '{"a":']);
    assert.equal(closes, 0);
  });

  test('closes at once when a line grows beyond the limit, with or without its end', () => {
    for (const text of ['x'.repeat(41), `${'x'.repeat(41)}\n{"a":1}\n`]) {
      const other = new Endpoint();
      const got: unknown[] = [];
      const reasons: string[] = [];
      lineChannel(other, limits, (reason) => reasons.push(reason)).onFrame((each) => got.push(each));
      other.emit('data', text);
      other.emit('data', '{"a":1}\n');
      assert.deepEqual([got, other.ends, reasons], [[], ['now'], ['a line is longer than 40 characters']]);
    }
  });

  test('refuses to send a frame beyond the limit, and lives on', () => {
    const long: Frame = { type: 'event', name: 'x'.repeat(40), payload: null };
    assert.throws(() => channel.send(long), { code: 'limitReached' });
    channel.send(frame);
    assert.equal(endpoint.written.length, 1);
  });

  test('drops a reader that leaves too much unread', () => {
    endpoint.writableLength = 101;
    assert.throws(() => channel.send(frame), { code: 'peerGone' });
    assert.deepEqual([endpoint.ends, endpoint.written, closes], [['now'], [], 1]);
    assert.deepEqual(faults, ['the other process left 101 bytes unread']);
  });

  test('closes once, whoever closed it, and then refuses to send', () => {
    channel.close();
    channel.close();
    endpoint.emit('close');
    assert.deepEqual([endpoint.ends, closes], [['soon'], 1]);
    assert.throws(() => channel.send(frame), /the channel is closed/);
    channel.onClose(() => closes++);
    assert.equal(closes, 2);
  });

  test('a failing socket closes it without an uncaught error', () => {
    endpoint.emit('error', new Error('ECONNRESET'));
    endpoint.emit('close');
    assert.deepEqual([closes, faults], [1, []]);
  });

  test('stops reading in the middle of a piece when a frame makes its reader close it', () => {
    channel.onFrame((each) => {
      received.push(each);
      channel.close();
    });
    endpoint.emit('data', '1\n2\n3\n');
    assert.deepEqual(received, [1]);
  });
});
