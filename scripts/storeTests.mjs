// `npm run test:stores`: tests the external stores that have a server to run here, which is Chroma's, from npm. Newer
// builds of it need a newer C library than some systems have; there, an older one goes into .cache once (420 MB, for
// which a package that everybody installs would be too large). Where that cannot be had, it says so and skips. `--built`
// says that out/ is fresh.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endOnSignals, reportUnavailable, root, run, runOrThrow } from './suite.mjs';

/** The last build for Linux that runs with the C library of Debian 12. */
const oldBinding = { 'chromadb-js-bindings-linux-x64-gnu': '1.0.5' };
const startMs = 30_000;
const installMs = 180_000;

class ServerUnavailable extends Error {
  code = 'noServer';
}

endOnSignals();
if (!process.argv.includes('--built')) {
  await runOrThrow(process.execPath, ['node_modules/typescript/bin/tsc', '-b']);
}
const data = await mkdtemp(join(tmpdir(), 'chroma-'));
try {
  const server = (await startServer(root)) ?? (await startServer(await installOlder()));
  if (server === undefined) throw new ServerUnavailable('no build of the Chroma server runs here');
  try {
    const args = ['out/test/support/runMocha.js', '--timeout', '30000', 'out/test/stores'];
    const { code } = await run(process.execPath, args, { env: { AMK_CHROMA_URL: server.url } });
    process.exitCode = code;
  } finally {
    server.stop();
  }
} catch (error) {
  if (!(error instanceof ServerUnavailable)) throw error;
  await reportUnavailable('stores', error);
} finally {
  await rm(data, { recursive: true, force: true });
}

/** @returns undefined when this build ends at once */
async function startServer(folder) {
  const port = await freePort();
  const cli = join(folder, 'node_modules/chromadb/dist/cli.mjs');
  const args = [cli, 'run', '--path', data, '--host', '127.0.0.1', '--port', String(port)];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  const stop = () => child.kill('SIGKILL');
  process.once('exit', stop);
  const url = `http://127.0.0.1:${port}`;
  const until = Date.now() + startMs;
  while (Date.now() < until && child.exitCode === null) {
    const answer = await fetch(`${url}/api/v2/heartbeat`).catch(() => undefined);
    if (answer?.ok) return { url, stop };
    await sleep(100);
  }
  stop();
  return undefined;
}

/** What an interrupted installation left is never taken for a whole one. */
async function installOlder() {
  const folder = join(root, '.cache', 'chroma');
  if (existsSync(join(folder, 'node_modules/chromadb/dist/cli.mjs'))) return folder;
  const partial = `${folder}.partial`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true });
  const manifest = { private: true, dependencies: { chromadb: '3.5.0' }, overrides: oldBinding };
  await writeFile(join(partial, 'package.json'), JSON.stringify(manifest));
  const args = ['install', '--prefix', partial, '--ignore-scripts', '--no-audit', '--no-fund'];
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { code, timedOut } = await run(npm, args, { timeoutMs: installMs });
  if (code !== 0) {
    const reason = timedOut ? `did not arrive within ${installMs / 1000} s` : 'cannot be installed';
    throw new ServerUnavailable(`the Chroma server from npm ${reason}`);
  }
  await rename(partial, folder);
  return folder;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
