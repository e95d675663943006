// The protocol's own conformance program against the kernel's MCP gateway. It is installed into a cache folder that git
// ignores, with a Node of its own where this one is too old for it. Most of its scenarios call tools, resources and
// prompts that a server written for it has; what fails is named here with its reason, and nothing else may fail.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { KernelProcess } from '../../src/client/kernelProcess.js';
import { defaultEngineSettings } from '../../src/shared/settings.js';

const run = promisify(execFile);
const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const cache = fromRoot('.cache/mcpConformance');
const program = join(cache, 'node_modules/@modelcontextprotocol/conformance/dist/index.js');
const ownNode = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
const isNodeTooOld = Number(process.versions.node.split('.', 1)[0]) < 22;
const node = isNodeTooOld ? join(cache, 'node_modules', ownNode, 'bin', 'node') : process.execPath;

const needsFixture = 'it calls a tool, resource or prompt of the name that only a server written for it has';
const expectedFailures: Readonly<Record<string, string>> = {
  'completion-complete': 'there is nothing to complete: arguments of prompts are free text',
  'resources-subscribe': 'it subscribes to a resource that is not there, which is refused',
  'resources-unsubscribe': 'as resources-subscribe',
  ...Object.fromEntries(
    [
      ...['simple-text', 'image', 'audio', 'embedded-resource', 'mixed-content', 'with-logging'],
      ...['error', 'with-progress', 'sampling', 'elicitation'],
    ].map((name) => [`tools-call-${name}`, needsFixture]),
  ),
  'elicitation-sep1034-defaults': needsFixture,
  'elicitation-sep1330-enums': needsFixture,
  'server-sse-multiple-streams': needsFixture,
  'resources-read-text': needsFixture,
  'resources-read-binary': needsFixture,
  'resources-templates-read': needsFixture,
  'prompts-get-simple': needsFixture,
  'prompts-get-with-args': needsFixture,
  'prompts-get-embedded-resource': needsFixture,
  'prompts-get-with-image': needsFixture,
};

async function install(): Promise<void> {
  if (existsSync(program) && existsSync(node)) return;
  await mkdir(cache, { recursive: true });
  const packages = [
    '@modelcontextprotocol/conformance@0.1.16',
    ...(isNodeTooOld ? [`${ownNode}@24.21.0`] : []),
  ];
  const options = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', cache];
  await run('npm', ['install', ...options, ...packages], { shell: process.platform === 'win32' });
}

suite('MCP conformance', function () {
  this.timeout(300_000);
  suiteSetup(install);

  test('every scenario passes, or is named with its reason', async () => {
    const root = await realpath(await mkdtemp(join(tmpdir(), 'amk-conformance-')));
    const kernel = new KernelProcess({
      kernelPath: fromRoot('dist/kernel.js'),
      engine: () => defaultEngineSettings,
      handlers: { askPermission: () => Promise.resolve({ kind: 'deny', reason: 'a test' }) },
      control: () => ({ folder: join(root, 'kernels'), client: 'cli', workspaces: [root] }),
    });
    try {
      await kernel.start();
      const tokenHash = createHash('sha256').update('token').digest('hex');
      const clients = [{ id: 'test', name: 'test', tokenHash, mostUrgent: 'normal' as const }];
      const { url } = await kernel.call('serve', { port: 0, clients });
      await using door = await openDoor(new URL(url));
      // Its exit status says that some failed; which ones is in what it prints.
      const { stdout } = await run(node, [program, 'server', '--url', `${door.url}/mcp`], {
        cwd: root,
      }).catch((error: unknown) => error as { stdout: string });
      const failed = [...stdout.matchAll(/^✗ ([\w-]+):/gm)].map(([, name = '']) => name);
      const passed = [...stdout.matchAll(/^✓ ([\w-]+):/gm)].map(([, name = '']) => name);
      assert.deepEqual(
        failed.filter((name) => !(name in expectedFailures)),
        [],
        stdout.slice(-3000),
      );
      const asked = [
        'server-initialize',
        'ping',
        'logging-set-level',
        'tools-list',
        'resources-list',
        'prompts-list',
      ];
      for (const name of [...asked, 'dns-rebinding-protection']) assert.ok(passed.includes(name), name);
    } finally {
      await kernel.dispose();
      await rm(root, { recursive: true, force: true });
    }
  });
});

/** The program knows no tokens: this shows one for it, and changes nothing else but the port in `Host` and `Origin`. */
async function openDoor(kernel: URL): Promise<{ readonly url: string } & AsyncDisposable> {
  const server = createServer((incoming, outgoing) => {
    const { host = '', origin } = incoming.headers;
    const moved = (address: string): string => address.replace(`:${port}`, `:${kernel.port}`);
    const headers = {
      ...{ ...incoming.headers, host: moved(host), authorization: 'Bearer token' },
      ...(origin !== undefined && { origin: moved(origin) }),
    };
    const { method = 'GET', url = '/' } = incoming;
    const passedOn = request(new URL(url, kernel), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passedOn.on('error', () => outgoing.destroy());
    outgoing.once('close', () => passedOn.destroy());
    incoming.pipe(passedOn);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => {
      server.closeAllConnections();
      server.close();
      return Promise.resolve();
    },
  };
}
