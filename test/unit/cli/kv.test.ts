// `amk kv` with the real state tool on a real store: what is printed, what it ends with, and who is asked.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseCommandLine } from '../../../src/cli/commandLine.js';
import { kv, type KvHost } from '../../../src/cli/kv.js';
import { takeStateKey } from '../../../src/cli/stateKey.js';
import { plainStyle } from '../../../src/cli/style.js';
import { KernelError } from '../../../src/shared/errors.js';
import { encryptionKey, keepState } from '../kernel/stateStores.js';

const toolPath = fileURLToPath(new URL('../../../src/kernel/stateTool.js', import.meta.url));
const now = 1_000_000 + 3 * 3_600_000;

interface Ended {
  readonly status: number;
  readonly out: string;
  readonly asked: readonly string[];
}

suite('amk kv', function () {
  this.timeout(30_000);
  let root: string;
  setup(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'amk-kv-')));
  });
  teardown(() => rm(root, { recursive: true, force: true }));

  async function amk(
    argv: readonly string[],
    own: Partial<KvHost> & { answer?: boolean } = {},
  ): Promise<Ended> {
    const command = parseCommandLine(['kv', ...argv], root);
    assert.ok(command.kind === 'kv');
    const asked: string[] = [];
    let out = '';
    const { answer, ...host } = own;
    const status = await kv(command, {
      toolPath,
      realFolder: (path) =>
        realpath(path).catch(() => Promise.reject(new KernelError('badRequest', `${path} does not exist`))),
      stateFolder: () => join(root, 'store'),
      stateKey: () => Promise.resolve(undefined),
      writeResult: (text) => {
        out += text;
        return Promise.resolve();
      },
      writeProgress: () => undefined,
      page: { columns: 120, style: plainStyle },
      confirm:
        answer === undefined
          ? undefined
          : (question) => {
              asked.push(question);
              return Promise.resolve(answer);
            },
      now: () => now,
      ...host,
    });
    return { status, out, asked };
  }

  test('lists what is kept, what it takes of the quota, and who has nothing', async () => {
    const { keys, durable } = await keepState(root);
    await durable[Symbol.asyncDispose]();
    const { status, out } = await amk(['ls']);
    assert.equal(status, 0);
    const lines = out.split('\n');
    assert.match(lines[0]!, /^KEY +AGENT +TOKENS +KEPT AS +SIZE +AGE +MODEL$/);
    const own = lines.find((line) => line.startsWith(keys[0].slice(0, 12)));
    assert.match(own!, / 1 scout +70 +k8v4 +[\d.]+ kB +3 h +aaaaaaaa$/);
    assert.ok(lines.includes('agent 2 scout has none: task 2'), out);
    assert.match(out, /^2 snapshots, [\d.]+ kB of 2.1 GB in |^2 snapshots, [\d.]+ kB of 2.0 GB in /m);
    const document = JSON.parse((await amk(['ls', '--json'])).out) as Record<string, object>;
    assert.deepEqual(Object.keys(document), ['dir', 'usedBy', 'faults', 'snapshots', 'agents', 'totals']);
  });

  test('a store that nobody made is empty; one that is named must be there', async () => {
    assert.match((await amk(['ls'])).out, /^No snapshots, 0 B of /);
    assert.deepEqual(await amk(['verify']), { status: 0, out: 'Nothing is kept here.\n', asked: [] });
    await assert.rejects(amk(['ls', '--state', root]), {
      code: 'badRequest',
      message: `${root} is no folder that a kernel keeps agents in`,
    });
  });

  test('shows one, by the beginning of its key, from a store that is named', async () => {
    const { dir, keys, durable } = await keepState(root);
    await durable[Symbol.asyncDispose]();
    const { out } = await amk(['show', keys[0].slice(0, 9).toUpperCase(), '--state', dir]);
    for (const part of [keys[0], 'engine', 'llama.cpp v1', 'flashAttention', 'I look.']) {
      assert.ok(out.includes(part), out);
    }
    await assert.rejects(amk(['show', '0000']), { code: 'notFound', message: 'there is no snapshot 0000' });
    assert.match((await amk(['show', keys[1]])).out, /No agent in the journal goes on from it/);
  });

  test('verify ends with 1 where something is damaged, and names it', async () => {
    const { dir, keys, durable } = await keepState(root);
    await durable[Symbol.asyncDispose]();
    assert.equal((await amk(['verify'])).status, 0);
    const path = join(dir, 'snapshots', `${keys[0]}.safetensors`);
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(0, 500, 510));
    const { status, out } = await amk(['verify']);
    assert.equal(status, 1);
    assert.match(out, new RegExp(`^DAMAGED  snapshots/${keys[0]}: .*checksum`, 'm'));
    assert.match(out, new RegExp(`^intact {3}snapshots/${keys[1]}: 70 tokens of scout$`, 'm'));
  });

  test('removes after a yes, without a question with --yes, and nothing while a kernel is there', async () => {
    const { dir, keys, durable } = await keepState(root);
    await assert.rejects(amk(['rm', '--all', '--yes']), {
      code: 'storeLocked',
      message: `the store ${dir} is in use by process ${process.pid}`,
    });
    await durable[Symbol.asyncDispose]();
    await assert.rejects(amk(['rm', '--all']), { code: 'badRequest', message: /--yes/ });
    const refused = await amk(['rm', keys[0]], { answer: false });
    assert.deepEqual([refused.status, refused.out, refused.asked.length], [1, '', 1]);
    assert.match((await amk(['rm', keys[0]], { answer: true })).out, /^Removed 1 snapshot, /);
    const { removed } = { removed: JSON.parse((await amk(['rm', '--all', '-y', '--json'])).out) as object };
    assert.deepEqual((removed as { keys: unknown }).keys, [keys[1]]);
  });

  test('exports to a file that is not there yet', async () => {
    const { keys, durable } = await keepState(root, true);
    await durable[Symbol.asyncDispose]();
    const own = { stateKey: () => Promise.resolve(encryptionKey) };
    const file = join(root, 'a.safetensors');
    assert.match(
      (await amk(['export', keys[0], file], own)).out,
      /a\.safetensors: [\d.]+ kB, not encrypted\n$/,
    );
    assert.match((await readFile(file)).subarray(8, 60).toString(), /^\{"__metadata__"/);
    await assert.rejects(amk(['export', keys[0], file], own), {
      code: 'badRequest',
      message: /is there already/,
    });
    await assert.rejects(amk(['ls']), { code: 'stateInvalid', message: /encrypted and no key was given/ });
  });

  test('a tool that cannot be started is told', async () => {
    const toolPathGone = join(root, 'none.js');
    await mkdir(join(root, 'store'));
    await assert.rejects(amk(['ls'], { toolPath: toolPathGone }), { code: 'peerGone' });
  });
});

suite('AMK_STATE_KEY', () => {
  const readText = (path: string): Promise<string> =>
    path === '/key' ? Promise.resolve(`${encryptionKey}\n`) : Promise.reject(new Error('ENOENT'));

  test('is the key or names a file that holds it, and leaves the environment', async () => {
    for (const value of [encryptionKey, '/key']) {
      const env = { AMK_STATE_KEY: value };
      assert.equal(await takeStateKey(env, readText), encryptionKey);
      assert.deepEqual(env, {});
    }
    assert.equal(await takeStateKey({}, readText), undefined);
    assert.equal(await takeStateKey({ AMK_STATE_KEY: '' }, readText), undefined);
  });

  test('is never part of a message', async () => {
    for (const value of [encryptionKey.slice(1), '/other', '/broken']) {
      const read = (path: string): Promise<string> =>
        path === '/broken' ? Promise.resolve(encryptionKey.slice(1)) : readText(path);
      await assert.rejects(takeStateKey({ AMK_STATE_KEY: value }, read), (error: unknown) => {
        assert.ok(error instanceof KernelError && error.code === 'badRequest');
        return !error.message.includes('5555');
      });
    }
  });
});
