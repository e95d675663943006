// The kernel process as a hostile or clumsy client meets it: raw frames over the fork's channel, no typed endpoint.
import assert from 'node:assert/strict';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { defaultEngineSettings } from '../../src/shared/settings.js';
import { protocolVersion } from '../../src/shared/protocol.js';

const kernelPath = fileURLToPath(new URL('../../../dist/kernel.js', import.meta.url));

interface Reply {
  readonly type: string;
  readonly id?: number;
  readonly name?: string;
  readonly value?: unknown;
  readonly payload?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

class RawClient {
  readonly child: ChildProcess = fork(kernelPath, [], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  readonly #frames: Reply[] = [];
  readonly #waiting = new Set<() => void>();
  #nextId = 1;

  constructor() {
    this.child.on('message', (frame) => {
      this.#frames.push(frame as Reply);
      for (const check of this.#waiting) check();
    });
  }

  sendRaw(frame: unknown): void {
    this.child.send(frame as object);
  }

  async reply(matches: (frame: Reply) => boolean): Promise<Reply> {
    return await new Promise((resolve) => {
      const check = (): void => {
        const found = this.#frames.find(matches);
        if (found === undefined) return;
        this.#waiting.delete(check);
        resolve(found);
      };
      this.#waiting.add(check);
      check();
    });
  }

  async call(name: string, input: unknown): Promise<Reply> {
    const id = this.#nextId++;
    this.sendRaw({ type: 'call', id, name, input });
    return await this.reply((frame) => frame.id === id);
  }

  async boot(): Promise<Reply> {
    return await this.call('boot', { protocol: protocolVersion, engine: defaultEngineSettings });
  }

  async end(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await once(this.child, 'exit');
    }
  }
}

async function withKernel(body: (client: RawClient) => Promise<void>): Promise<void> {
  const client = new RawClient();
  try {
    await body(client);
  } finally {
    await client.end();
  }
}

suite('kernel process', () => {
  test('greets with its protocol version', () =>
    withKernel(async (client) => {
      const hello = await client.reply(({ name }) => name === 'hello');
      assert.deepEqual(hello.payload, { protocol: protocolVersion, osPid: client.child.pid });
    }));

  test('answers malformed frames, and goes on', () =>
    withKernel(async (client) => {
      for (const garbage of ['text', 7, null, [], {}, { type: 'nonsense' }, { type: 'call', name: 'ping' }]) {
        client.sendRaw(garbage);
      }
      client.sendRaw({ type: 'call', id: 900, input: {} });
      client.sendRaw({ type: 'result', id: 901, value: 'nobody asked' });
      client.sendRaw({ type: 'cancel', id: 902 });
      assert.equal((await client.reply(({ id }) => id === 900)).error?.code, 'badRequest');
      const log = await client.reply(({ name }) => name === 'log');
      assert.match(JSON.stringify(log.payload), /malformed frame/);
      assert.equal((await client.call('ping', null)).type, 'result');
    }));

  test('refuses what it does not know and what is not booted', () =>
    withKernel(async (client) => {
      assert.equal((await client.call('format_disk', {})).error?.code, 'unknownCall');
      assert.equal((await client.call('list', null)).error?.code, 'badRequest');
      assert.equal((await client.call('boot', { protocol: 'one' })).error?.code, 'badRequest');
      const other = { protocol: 999, engine: defaultEngineSettings };
      assert.equal((await client.call('boot', other)).error?.code, 'protocolMismatch');
    }));

  test('a boot that fails can be tried again, and a second boot is refused', () =>
    withKernel(async (client) => {
      const engine = { ...defaultEngineSettings, model: '/nonexistent/model.gguf' };
      const failed = await client.call('boot', { protocol: protocolVersion, engine });
      assert.equal(failed.error?.code, 'modelUnusable');
      assert.match(failed.error.message, /nonexistent/);
      assert.equal((await client.boot()).type, 'result');
      assert.equal((await client.boot()).error?.code, 'badRequest');
    }));

  test('refuses an untrusted workspace, a missing one and a wrong definition', () =>
    withKernel(async (client) => {
      await client.boot();
      const definition = { name: 'scout' };
      const spawn = async (change: object): Promise<string | undefined> => {
        const request = {
          definition,
          task: 'x',
          workspace: { root: '/', trusted: true },
          grants: [],
          ...change,
        };
        return (await client.call('spawn', request)).error?.code;
      };
      assert.equal(await spawn({ workspace: { root: '/', trusted: false } }), 'untrustedWorkspace');
      assert.equal(await spawn({ workspace: { root: '/nonexistent', trusted: true } }), 'badRequest');
      assert.equal(await spawn({ definition: { name: 'Not A Name' } }), 'badRequest');
      assert.equal(await spawn({ definition: { name: 'a', tools: ['format_disk'] } }), 'badRequest');
      assert.equal(await spawn({ grants: [{ capability: 'everything', scope: '.' }] }), 'badRequest');
    }));

  test('ends when its client closes the channel', () =>
    withKernel(async (client) => {
      await client.boot();
      client.child.disconnect();
      const [code] = (await once(client.child, 'exit')) as [number | null];
      assert.equal(code, 0);
    }));

  test('ends when it is asked to', () =>
    withKernel(async (client) => {
      await client.boot();
      assert.equal((await client.call('shutdown', null)).type, 'result');
      await once(client.child, 'exit');
    }));
});
