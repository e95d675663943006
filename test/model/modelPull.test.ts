/** `amk model pull` against a server on this machine that answers as a model hub does. */

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { embeddedModel } from '../../bench/models.js';
import type { PulledModel } from '../../src/shared/modelPull.js';

const cli = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

/** A hub with one model. */
class Hub {
  content: Buffer = Buffer.alloc(0);
  /** As its repository publishes it; undefined: it publishes none. */
  published: string | undefined;
  bytesSent = 0;
  /** Bytes after which a connection stays silent. */
  stallsAfter = Infinity;
  readonly #server: Server = createServer((request, response) => void this.#answer(request, response));

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    if (url.startsWith('/v2/someone/tiny/manifests/')) {
      json(response, { ggufFile: { rfilename: 'tiny.gguf' } });
    } else if (url.startsWith('/api/models/someone/tiny/tree/main')) {
      json(response, this.published === undefined ? [{}] : [{ lfs: { oid: this.published } }]);
    } else if (url.startsWith('/someone/tiny/resolve/main/tiny.gguf')) {
      await this.#send(request, response);
    } else {
      response.writeHead(404).end();
    }
  }

  async #send(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { range, first, last, size } = rangeOf(request, this.content.length);
    response.setHeader('accept-ranges', 'bytes');
    response.setHeader('content-length', last - first + 1);
    if (range !== null) response.setHeader('content-range', `bytes ${first}-${last}/${size}`);
    response.writeHead(range === null ? 200 : 206);
    if (range === null) {
      response.end();
      return;
    }
    for (let at = first; at <= last && !response.destroyed; at += 65_536) {
      if (this.bytesSent >= this.stallsAfter) return;
      const piece = this.content.subarray(at, Math.min(last + 1, at + 65_536));
      this.bytesSent += piece.length;
      if (!response.write(piece)) await once(response, 'drain').catch(() => undefined);
    }
    response.end();
  }
}

function rangeOf(request: IncomingMessage, size: number) {
  const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '');
  const [, first = '0', last = ''] = range ?? [];
  return { range, first: Number(first), last: last === '' ? size - 1 : Number(last), size };
}

function json(response: ServerResponse, value: unknown): void {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(value));
}

suite('amk model pull', function () {
  this.timeout(60_000);
  let hub: Hub;
  let address: string;
  let folder: string;
  let sha256: string;

  setup(async () => {
    hub = new Hub();
    hub.content = await readFile(embeddedModel);
    sha256 = createHash('sha256').update(hub.content).digest('hex');
    address = await hub.listen();
    folder = await mkdtemp(join(tmpdir(), 'amk-pull-'));
  });
  teardown(async () => {
    hub.close();
    await rm(folder, { recursive: true, force: true });
  });

  const start = (...args: string[]): ChildProcess =>
    spawn(process.execPath, [cli, 'model', 'pull', '--dir', folder, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, HF_ENDPOINT: address },
    });

  async function ended(
    child: ChildProcess,
  ): Promise<{ status: number | null; stdout: string; stderr: string }> {
    let [stdout, stderr] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (piece: string) => (stdout += piece));
    child.stderr?.setEncoding('utf8').on('data', (piece: string) => (stderr += piece));
    const [status] = (await once(child, 'close')) as [number | null];
    return { status, stdout, stderr };
  }

  const pull = (...args: string[]): ReturnType<typeof ended> => ended(start(...args));

  test('a model comes whole, compared with what its repository publishes', async () => {
    hub.published = sha256;
    const { status, stdout, stderr } = await pull('--json', 'hf:someone/tiny:Q8_0');
    assert.equal(status, 0, stderr);
    const model = JSON.parse(stdout) as PulledModel;
    assert.equal(model.verified, 'repository');
    assert.deepEqual(await readFile(model.path), hub.content);
    assert.deepEqual(model.files, [{ path: model.path, bytes: hub.content.length, sha256 }]);
    assert.match(stderr, /100 % {2}6.0 MB of 6.0 MB/);
  });

  test('what is there already is not fetched again', async () => {
    assert.equal((await pull('hf:someone/tiny/tiny.gguf')).status, 0);
    const before = hub.bytesSent;
    const { status, stdout } = await pull('hf:someone/tiny/tiny.gguf');
    assert.equal(status, 0);
    assert.equal(hub.bytesSent, before);
    assert.match(stdout, /compared with nothing/);
    assert.match(stdout, /Use it with --model/);
  });

  test('interrupted, the same command goes on where it was', async () => {
    hub.stallsAfter = 3_000_000;
    const child = start('--sha256', sha256, 'hf:someone/tiny/tiny.gguf');
    const first = ended(child);
    while (hub.bytesSent < hub.stallsAfter) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    child.kill('SIGINT');
    const { status, stderr } = await first;
    assert.equal(status, 130, stderr);
    assert.match(stderr, /the same command goes on where it was/);
    hub.stallsAfter = Infinity;
    const again = await pull('--sha256', sha256, 'hf:someone/tiny/tiny.gguf');
    assert.equal(again.status, 0, again.stderr);
    assert.match(again.stdout, /SHA-256, as given/);
    assert.ok(hub.bytesSent < 1.6 * hub.content.length, `${hub.bytesSent} bytes`);
  });

  test('a file that is not what its repository publishes is not left under its name', async () => {
    hub.published = sha256.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    const { status, stderr } = await pull('hf:someone/tiny:Q8_0');
    assert.equal(status, 1);
    assert.match(stderr, /came damaged: its SHA-256 is [0-9a-f]{64}, of no file of the repository/);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.endsWith('.gguf')),
      [],
    );
  });

  test('what is no model is said', async () => {
    hub.content = Buffer.from('<html>not a model</html>'.repeat(100));
    const { status, stderr } = await pull('hf:someone/tiny/tiny.gguf');
    assert.equal(status, 1);
    assert.match(stderr, /is not a usable model/);
  });

  test('a repository that is not there is said', async () => {
    const { status, stderr } = await pull('hf:nobody/nothing/no.gguf');
    assert.equal(status, 1);
    assert.match(stderr, /there is no model at hf:nobody\/nothing\/no.gguf/);
    assert.ok(!existsSync(join(folder, 'no.gguf')));
  });
});
