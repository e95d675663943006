/**
 * A response that grows: one server-sent event a piece. A reader that is slower than the model is not waited for without
 * end: what it leaves unread is bounded, and then its response ends.
 */

import type { ServerResponse } from 'node:http';

export class EventStream {
  readonly #response: ServerResponse;
  readonly #unsentBytes: number;

  constructor(response: ServerResponse, unsentBytes: number) {
    this.#response = response;
    this.#unsentBytes = unsentBytes;
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  }

  send(event: object): void {
    this.#write(JSON.stringify(event));
  }

  end(): void {
    this.#write('[DONE]');
    this.#response.end();
  }

  /** The last event says why there are no more. */
  fail(error: object): void {
    this.send(error);
    this.#response.end();
  }

  #write(data: string): void {
    if (this.#response.destroyed) return;
    this.#response.write(`data: ${data}\n\n`);
    if (this.#response.writableLength > this.#unsentBytes) this.#response.destroy();
  }
}
