// Who gets into the kernel's HTTP server and who does not, and what a hostile or clumsy program finds there.

import assert from 'node:assert/strict';
import { request, type IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { createSimulatedDriver } from '../../../../src/hal/simulated.js';
import type { GatewayLimits } from '../../../../src/kernel/gateways/limits.js';
import { KernelError } from '../../../../src/shared/errors.js';
import { clientNamed, serveKernel, tokenOf, type ServedKernel } from '../../../support/serving.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

const bearer = (name: string): Record<string, string> => ({ authorization: `Bearer ${tokenOf(name)}` });

function ask(
  port: number,
  path: string,
  options: {
    readonly method?: string;
    readonly headers?: Record<string, string>;
    readonly body?: string;
  } = {},
): Promise<Answer> {
  const { method = 'GET', headers = bearer('client'), body } = options;
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
      );
      response.on('error', reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const codeOf = ({ text }: Answer): unknown => (JSON.parse(text) as { error: { code: unknown } }).error.code;

async function withServer(
  body: (kernel: ServedKernel) => Promise<void>,
  limits: Partial<GatewayLimits> = {},
): Promise<void> {
  const driver = createSimulatedDriver({ respond: () => 'Yes.' });
  const kernel = await serveKernel({
    driver,
    clients: [clientNamed('client'), clientNamed('other')],
    limits,
  });
  try {
    await body(kernel);
  } finally {
    await kernel.close();
  }
}

/** What a socket is told after it sent some text, until it is closed. */
async function raw(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let told = '';
  socket.setEncoding('utf8').on('data', (piece: string) => (told += piece));
  socket.on('error', () => undefined);
  socket.write(text);
  await once(socket, 'close');
  return told;
}

suite('the HTTP server', () => {
  const refused: readonly (readonly [
    what: string,
    headers: Record<string, string>,
    status: number,
    code: string,
  ])[] = [
    ['no token', {}, 401, 'invalid_api_key'],
    ['a wrong token', bearer('nobody'), 401, 'invalid_api_key'],
    ['a token without its scheme', { authorization: tokenOf('client') }, 401, 'invalid_api_key'],
    ['a token in pieces', { authorization: `Bearer ${tokenOf('client')} more` }, 401, 'invalid_api_key'],
    ['a foreign Origin', { ...bearer('client'), origin: 'https://example.com' }, 403, 'foreign_origin'],
    ['an opaque Origin', { ...bearer('client'), origin: 'null' }, 403, 'foreign_origin'],
    ['a foreign Host', { ...bearer('client'), host: 'example.com' }, 403, 'foreign_host'],
    ['the right Host with another port', { ...bearer('client'), host: '127.0.0.1:1' }, 403, 'foreign_host'],
  ];
  for (const [what, headers, status, code] of refused) {
    test(`${what} is refused`, () =>
      withServer(async ({ port }) => {
        const answer = await ask(port, '/v1/models', { headers });
        assert.deepEqual([answer.status, codeOf(answer)], [status, code]);
      }));
  }

  test('the right token is let in, with no Origin or its own', () =>
    withServer(async ({ port }) => {
      assert.equal((await ask(port, '/v1/models')).status, 200);
      const origin = `http://localhost:${port}`;
      assert.equal((await ask(port, '/v1/models', { headers: { ...bearer('client'), origin } })).status, 200);
    }));

  test('without a token a path tells nothing, not even whether it is there', () =>
    withServer(async ({ port }) => {
      const answers = await Promise.all(
        ['/metrics', '/v1/x', '/x'].map((path) => ask(port, path, { headers: {} })),
      );
      assert.deepEqual(
        answers.map(({ status }) => status),
        [401, 401, 401],
      );
      assert.equal((await ask(port, '/x')).status, 404);
    }));

  test('a revoked token ends what it is at, and is not let in again', async () => {
    let go = (): void => undefined;
    const until = new Promise<void>((resolve) => (go = resolve));
    const driver = createSimulatedDriver({ respond: () => 'Yes.', fault: () => ({ kind: 'stall', until }) });
    const kernel = await serveKernel({ driver, clients: [clientNamed('client'), clientNamed('other')] });
    try {
      const body = JSON.stringify({ model: 'simulated', messages: [{ role: 'user', content: 'x' }] });
      const waiting = ask(kernel.port, '/v1/chat/completions', { method: 'POST', body });
      while (kernel.agents.live.every(({ state }) => state !== 'running')) await delay(1);
      await kernel.serving.serve({ port: 0, clients: [clientNamed('other')] });
      assert.equal((await waiting).status, 503);
      assert.equal((await ask(kernel.port, '/v1/models')).status, 401);
      assert.equal((await ask(kernel.port, '/v1/models', { headers: bearer('other') })).status, 200);
    } finally {
      go();
      await kernel.close();
    }
  });

  test('a body that says it is too large is refused before it comes, and one that does not when it has', () =>
    withServer(async ({ port }) => {
      const body = JSON.stringify({ text: 'x'.repeat(10_000_000) });
      const told = await ask(port, '/v1/chat/completions', {
        ...{ method: 'POST', body },
        headers: { ...bearer('client'), 'content-length': String(body.length) },
      });
      assert.deepEqual([told.status, codeOf(told)], [413, 'request_too_large']);
      const untold = await ask(port, '/v1/chat/completions', {
        ...{ method: 'POST', body },
        headers: { ...bearer('client'), 'transfer-encoding': 'chunked' },
      });
      assert.equal(untold.status, 413);
      assert.equal((await ask(port, '/v1/models')).status, 200);
    }));

  test('who sends half a request, a byte now and then, or nothing is put out', () =>
    withServer(
      async ({ port }) => {
        const head = `POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${tokenOf('client')}\r\n`;
        const drip = connect(port, '127.0.0.1');
        drip.on('error', () => undefined);
        const timer = setInterval(() => drip.write('x-a: b\r\n'), 50);
        drip.write(head);
        const closed = once(drip.resume(), 'close');
        const [half] = await Promise.all([
          raw(port, `${head}content-length: 100\r\n\r\n{"model"`),
          raw(port, ''),
          closed,
        ]);
        clearInterval(timer);
        assert.match(half, /^HTTP\/1\.1 408 /);
        assert.equal((await ask(port, '/v1/models')).status, 200);
      },
      { headersMs: 300, requestMs: 500, checkMs: 50 },
    )).timeout(10_000);

  test('a thousand connections leave the server at work for those it has', () =>
    withServer(
      async ({ port }) => {
        const sockets: Socket[] = Array.from({ length: 1000 }, () => {
          const socket = connect(port, '127.0.0.1');
          socket.on('error', () => undefined);
          return socket.resume();
        });
        const [first] = sockets;
        assert.ok(first !== undefined);
        await Promise.all(
          sockets.map((socket) =>
            Promise.race([once(socket, 'connect'), once(socket, 'close')]).catch(() => undefined),
          ),
        );
        let told = '';
        first.setEncoding('utf8').on('data', (piece: string) => (told += piece));
        first.write(
          `GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${tokenOf('client')}\r\nconnection: close\r\n\r\n`,
        );
        await once(first, 'close');
        assert.match(told, /^HTTP\/1\.1 200 /);
        for (const socket of sockets) socket.destroy();
        await delay(50);
        assert.equal((await ask(port, '/v1/models')).status, 200);
      },
      { connections: 64 },
    )).timeout(20_000);

  test('who asks too often is told when to come again; another caller does not notice', () =>
    withServer(
      async ({ port }) => {
        const answers = await Promise.all(Array.from({ length: 5 }, () => ask(port, '/v1/models')));
        const late = answers.filter(({ status }) => status === 429);
        assert.equal(late.length, 2);
        assert.ok(Number(late[0]?.headers['retry-after']) >= 1);
        assert.equal((await ask(port, '/v1/models', { headers: bearer('other') })).status, 200);
      },
      { burst: 3, perSecond: 0.01 },
    ));

  test('a second server on the port is an error of its own', () =>
    withServer(async ({ port }) => {
      const driver = createSimulatedDriver({ respond: () => 'Yes.' });
      const second = serveKernel({ driver, clients: [clientNamed('client')], port });
      await assert.rejects(second, (error) => error instanceof KernelError && error.code === 'badRequest');
    }));

  test('it is there on the loopback address alone, and gone when it is stopped', () =>
    withServer(async ({ url, port, serving }) => {
      assert.equal(url, `http://127.0.0.1:${port}`);
      const kept = connect(port, '127.0.0.1').resume();
      await once(kept, 'connect');
      const closed = once(kept, 'close');
      await serving.stop();
      await closed;
      await assert.rejects(ask(port, '/v1/models'));
    }));

  test('nonsense gets an answer and no more', () =>
    withServer(async ({ port }) => {
      assert.match(await raw(port, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 /);
      assert.match(await raw(port, `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
      assert.equal((await ask(port, '/v1/models')).status, 200);
    }));

  test('the metrics are figures that a collector reads', () =>
    withServer(async ({ port }) => {
      const body = JSON.stringify({ model: 'simulated', messages: [{ role: 'user', content: 'x' }] });
      assert.equal((await ask(port, '/v1/chat/completions', { method: 'POST', body })).status, 200);
      const { status, headers, text } = await ask(port, '/metrics');
      assert.equal(status, 200);
      assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
      for (const line of text.trimEnd().split('\n')) {
        assert.match(
          line,
          /^(?:# (?:HELP|TYPE) amk_\w+ .+|amk_\w+(?:\{\w+="[^"]*"(?:,\w+="[^"]*")*\})? [\d.e+-]+)$/,
        );
      }
      assert.match(text, /^amk_agents\{state="waiting"\} 1$/m);
      assert.match(text, /^amk_tokens_total\{kind="generated"\} 3$/m);
      assert.match(text, /^amk_slots\{state="used"\} 1$/m);
    }));
});
