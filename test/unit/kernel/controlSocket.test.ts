// The door of a kernel, from both sides: a real socket in a temporary folder, the real client, and strangers that
// speak to it by hand.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { attach, type AttachedKernel } from '../../../src/client/attach.js';
import { runningKernels } from '../../../src/client/runningKernels.js';
import { messageOf } from '../../../src/shared/errors.js';
import {
  kernelDescriptorSchema,
  protocolVersion,
  type AgentRow,
  type KernelDescriptor,
} from '../../../src/shared/protocol.js';
import { rowOf } from '../extension/rows.js';
import { controlledKernel, type ControlledKernel, type Differences } from './controlledKernel.js';

const onUnix = process.platform === 'win32' ? test.skip : test;

suite('the control socket', () => {
  let kernel: ControlledKernel;
  let client: AttachedKernel | undefined;
  const strangers: Socket[] = [];

  teardown(async () => {
    client?.dispose();
    client = undefined;
    for (const stranger of strangers.splice(0)) stranger.destroy();
    await kernel.dispose();
  });

  const open = async (differences?: Differences): Promise<KernelDescriptor> => {
    kernel = await controlledKernel(differences);
    return await descriptor();
  };
  const descriptor = async (): Promise<KernelDescriptor> =>
    kernelDescriptorSchema.parse(
      JSON.parse(await readFile(join(kernel.folder, `${process.pid}.json`), 'utf8')),
    );
  const attached = async (differences?: Differences): Promise<AttachedKernel> =>
    (client = await attach(await open(differences), { answerMs: 2_000 }));

  /** Somebody who writes lines of his own; resolves to all he got when the kernel has closed. */
  const stranger = async (
    { socket: path }: KernelDescriptor,
    ...texts: readonly string[]
  ): Promise<{ socket: Socket; heard: Promise<string> }> => {
    const socket = connect(path);
    strangers.push(socket);
    await once(socket, 'connect');
    let text = '';
    socket.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    socket.on('error', () => undefined);
    for (const each of texts) socket.write(each);
    return { socket, heard: once(socket, 'close').then(() => text) };
  };
  const callOf = (name: string, input: unknown): string =>
    `${JSON.stringify({ type: 'call', id: 1, name, input })}\n`;

  test('an attached process sees the agents and steers them', async () => {
    const { call } = bound(await attached());
    assert.equal((await call('info', null)).model, 'tiny');
    assert.equal((await call('ping', null)).rssBytes, 412_000_000);
    await call('pause', { pid: 1 });
    await call('resume', { pid: 2 });
    await call('renice', { pid: 2, nice: 5, class: 'interactive' });
    await call('stop', { pid: 1 });
    assert.deepEqual(
      (await call('list', null)).map(({ pid, state, nice }) => [pid, state, nice]),
      [
        [1, 'exited', 0],
        [2, 'ready', 5],
        [3, 'exited', 0],
      ],
    );
    await assert.rejects(call('stop', { pid: 9 }), { code: 'notFound' });
    assert.deepEqual(kernel.done.slice(0, 2), ['pause 1', 'resume 2']);
  });

  test('an attached process hears of changed rows, and of nothing else', async () => {
    const attachedKernel = await attached();
    const next = new Promise<readonly AgentRow[]>((resolve) => {
      attachedKernel.on('agentsChanged', ({ rows }) => resolve(rows));
    });
    kernel.socket.emit('output', { pid: 1, text: 'secret' });
    kernel.socket.emit('agentsChanged', { rows: [rowOf(7)] });
    assert.deepEqual(await next, JSON.parse(JSON.stringify([rowOf(7)])) as unknown);
  });

  test('a row carries no more of a task than a line can show', async () => {
    const { call } = bound(await attached());
    kernel.rows.push(rowOf(4, { task: '🚀'.repeat(50_000), reason: 'x'.repeat(500) }));
    const row = (await call('list', null)).at(-1);
    assert.ok(row);
    assert.equal(row.task, `${'🚀'.repeat(150)}…`);
    assert.equal(row.reason.length, 301);
  });

  for (const name of ['boot', 'spawn', 'wait', 'shutdown', 'askPermission', 'toString']) {
    test(`there is no call ${name} through this door`, async () => {
      const { call } = bound(await attached());
      await assert.rejects(call(name as 'ping', null), { code: 'unknownCall' });
    });
  }

  test('the descriptor tells who the kernel is, and the folder lists it', async () => {
    const described = await open();
    const { osPid, protocol, model, device, workspaces, client: owner, startedAt } = described;
    assert.deepEqual(
      [osPid, protocol, model, device, workspaces, owner],
      [process.pid, protocolVersion, 'tiny', 'cpu', ['/code'], 'cli'],
    );
    assert.ok(Math.abs(Date.now() - startedAt) < 60_000);
    assert.deepEqual(await runningKernels([kernel.folder, '/no/such/folder']), [described]);
    assert.deepEqual(kernel.log, []);
  });

  onUnix('folder, descriptor and socket are closed to other users', async () => {
    const { socket } = await open();
    const modes = [kernel.folder, join(kernel.folder, `${process.pid}.json`), socket].map(
      async (path) => (await stat(path)).mode & 0o777,
    );
    assert.deepEqual(await Promise.all(modes), [0o700, 0o600, 0o600]);
  });

  test('nothing is left in the folder when the kernel ends', async () => {
    await open();
    kernel.socket.dispose();
    assert.deepEqual(await readdir(kernel.folder), []);
  });

  test('a wrong token is answered with denied, and the connection ends', async () => {
    const described = await open();
    const wrong = { ...described, token: '0'.repeat(64) };
    await assert.rejects(attach(wrong), { code: 'denied', message: 'the token is wrong' });
    const { heard } = await stranger(described, callOf('attach', { protocol: protocolVersion, token: '' }));
    assert.match(await heard, /^\{"type":"error","id":1,"error":\{"code":"denied"/);
  });

  test('a client of another protocol version is told so', async () => {
    const described = await open();
    const { heard } = await stranger(described, callOf('attach', { protocol: 99, token: described.token }));
    assert.match(await heard, /"protocolMismatch".*protocol 99/);
  });

  test('no call is answered before the token was shown', async () => {
    const described = await open();
    const { heard } = await stranger(described, callOf('stop', { pid: 1 }));
    assert.match(await heard, /"denied","message":"this process is not attached"/);
    assert.deepEqual(kernel.done, []);
  });

  test('events go to nobody who has not attached', async () => {
    const { heard } = await stranger(await open({ limits: { attachMs: 100 } }));
    kernel.socket.emit('agentsChanged', { rows: [rowOf(1)] });
    assert.equal(await heard, '');
  });

  test('who stays silent is dropped in time', async () => {
    const startedAt = performance.now();
    const { heard } = await stranger(await open({ limits: { attachMs: 100 } }));
    assert.equal(await heard, '');
    assert.ok(performance.now() - startedAt < 2_000);
  });

  const garbage: [string, string, RegExp][] = [
    ['a web browser', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', /malformed frame: not an object/],
    ['bytes that are no text', '\u0000\u0001\ufffd\n', /malformed frame: not an object/],
    ['JSON that is no frame', '{"type":"nonsense"}\n', /malformed frame: unknown frame type/],
    ['a line that is too long', 'x'.repeat(70_000), /a line is longer than 65536/],
  ];
  for (const [what, text, logged] of garbage) {
    test(`${what} is dropped, and the kernel serves on`, async () => {
      const described = await open();
      const { heard } = await stranger(described, text);
      await heard;
      assert.match(kernel.log.join('\n'), logged);
      client = await attach(described);
      assert.equal((await client.call('list', null)).length, 3);
    });
  }

  test('a frame that is deeply nested harms nobody', async () => {
    const described = await open();
    await (
      await stranger(described, `${'['.repeat(60_000)}\n`)
    ).heard;
    assert.equal((await runningKernels([kernel.folder])).length, 1);
  });

  test('a reader that does not read is dropped before it costs much memory', async () => {
    const described = await open({ limits: { unsentBytes: 100_000 } });
    const slow = await stranger(
      described,
      callOf('attach', { protocol: protocolVersion, token: described.token }),
    );
    await once(slow.socket, 'data');
    slow.socket.pause();
    const rows = Array.from({ length: 100 }, (_, index) => rowOf(index, { task: 'x'.repeat(300) }));
    for (let tries = 0; kernel.log.length === 0; tries++) {
      assert.ok(tries < 1_000, 'nobody was dropped');
      kernel.socket.emit('agentsChanged', { rows });
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.match(kernel.log[0] ?? '', /left \d+ bytes unread/);
    client = await attach(described);
    assert.equal((await client.call('list', null)).length, 3);
  });

  test('a kernel that goes in the middle of a call leaves a typed error', async () => {
    const { call } = bound(await attached({ handlers: { ping: () => new Promise(() => undefined) } }));
    const open = assert.rejects(call('ping', null), {
      code: 'kernelStopped',
      message: `kernel ${process.pid} has ended`,
    });
    await call('list', null);
    kernel.socket.dispose();
    await open;
    await assert.rejects(call('list', null), { code: 'kernelStopped' });
  });

  test('a kernel that does not answer in time leaves another', async () => {
    const described = await open({ handlers: { ping: () => new Promise(() => undefined) } });
    client = await attach(described, { answerMs: 50 });
    await assert.rejects(client.call('ping', null), { code: 'peerGone', message: /did not answer within/ });
  });

  test('a call with input that is wrong is answered with what the kernel says', async () => {
    const { call } = bound(
      await attached({
        handlers: {
          stop: () => {
            throw new TypeError('a bug');
          },
        },
      }),
    );
    await assert.rejects(call('stop', { pid: 1 }), (error) => messageOf(error).includes('a bug'));
  });

  onUnix('a folder that cannot be used is a line in the log, and no more', async () => {
    kernel = await controlledKernel({ place: { folder: '/dev/null/kernels' } });
    assert.match(kernel.log.join(), /^warn: other processes cannot steer this kernel: ENOTDIR/);
  });

  onUnix('a socket that cannot be made is a line in the log, and no descriptor appears', async function () {
    if (process.getuid?.() === 0) this.skip();
    kernel = await controlledKernel();
    kernel.socket.dispose();
    await chmod(kernel.folder, 0o500);
    const second = await controlledKernel({ place: { folder: kernel.folder } });
    await chmod(kernel.folder, 0o700);
    await second.dispose();
    assert.match(second.log.join(), /EACCES/);
  });

  test('a kernel that ends while it opens leaves nothing', async () => {
    kernel = await controlledKernel();
    const { folder } = kernel;
    kernel.socket.dispose();
    await kernel.socket.open(
      { folder, client: 'cli', workspaces: [] },
      { model: '', device: '' },
      noHandlers,
    );
    assert.deepEqual(await readdir(folder), []);
    assert.deepEqual(kernel.log, []);
  });

  onUnix('the leftovers of dead kernels are cleaned up, and of nobody else', async () => {
    const described = await open();
    const dead = { ...described, osPid: 2 ** 30, socket: join(kernel.folder, '1073741824.sock') };
    await writeFile(join(kernel.folder, '1073741824.json'), JSON.stringify(dead));
    await writeFile(join(kernel.folder, '1073741824.sock'), '');
    await writeFile(join(kernel.folder, '1073741825.json'), 'half a descri');
    await writeFile(join(kernel.folder, 'notes.json'), '{}');
    assert.deepEqual(await runningKernels([kernel.folder]), [described]);
    const names = (await readdir(kernel.folder)).sort();
    assert.deepEqual(names, [`${process.pid}.json`, `${process.pid}.sock`, 'notes.json'].sort());
  });

  onUnix('a process that has only got the number of a dead kernel is not taken for it', async () => {
    const described = await open();
    await rm(described.socket);
    assert.deepEqual(await runningKernels([kernel.folder]), []);
    assert.deepEqual(await readdir(kernel.folder), []);
    await assert.rejects(attach(described), { code: 'kernelStopped' });
  });
});

const bound = (kernel: AttachedKernel): Pick<AttachedKernel, 'call'> => ({ call: kernel.call.bind(kernel) });

const unused = (): never => {
  throw new Error('nobody calls this');
};
const noHandlers = {
  info: unused,
  ping: unused,
  list: unused,
  stop: unused,
  pause: unused,
  resume: unused,
  renice: unused,
  grants: unused,
  revoke: unused,
};
