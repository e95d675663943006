// A real editor for the tests, installed once into .cache/editor: VS Code's own server and workbench (code-server, with
// the Node it was built for, both from npm) and a Chromium that shows it. Promises that an installation which is there
// is whole: it is built beside and renamed into place, under a lock, so that two test runs never see half of one.
// Never touches anything outside .cache/editor, except that root on Debian or Ubuntu gets Chromium from apt.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { copyFile, link, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** `recipe` rises when something else is done to the same download. */
const versions = { codeServer: '4.139.1', node: '24.21.0', recipe: 2 };
export const cacheFolder = fileURLToPath(new URL('../../.cache/editor/', import.meta.url));

/** Why there is no editor on this machine. `code` is for programs, `message` for the person who reads the test's output. */
export class EditorUnavailable extends Error {
  constructor(code, message, options) {
    super(message, options);
    this.name = 'EditorUnavailable';
    this.code = code;
  }
}

/**
 * Installs what is missing; a second call only looks.
 * @returns {Promise<{ node: string, entry: string, chromium: string, version: string }>}
 * @throws {EditorUnavailable} `unsupportedPlatform`, `downloadFailed` or `noBrowser`
 */
export async function installEditor() {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch)) {
    throw new EditorUnavailable(
      'unsupportedPlatform',
      `code-server is installed on linux-x64 and linux-arm64 only, and this is ${process.platform}-${process.arch}`,
    );
  }
  await mkdir(cacheFolder, { recursive: true });
  return withLock(join(cacheFolder, 'lock'), async () => {
    const chromium = findChromium() ?? (await installChromium());
    return { ...(await installCodeServer()), chromium };
  });
}

async function installCodeServer() {
  const { codeServer, node: nodeVersion, recipe } = versions;
  const folder = join(cacheFolder, `code-server-${codeServer}-node-${nodeVersion}-recipe-${recipe}`);
  const stamp = join(folder, 'installed.json');
  if (!existsSync(stamp)) {
    const staging = `${folder}.incomplete`;
    await rm(staging, { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
    try {
      await download(staging);
    } catch (error) {
      throw new EditorUnavailable('downloadFailed', `code-server could not be installed: ${error.message}`, {
        cause: error,
      });
    }
    await rename(staging, folder);
  }
  const { entry, node, version } = JSON.parse(await readFile(stamp, 'utf8'));
  return { entry: join(folder, entry), node: join(folder, node), version };
}

/** What code-server's own post-install script does, minus the compiling: its two native modules are stood in for. */
async function download(folder) {
  const nodePackage = `node-linux-${process.arch}`;
  const node = `node_modules/${nodePackage}/bin/node`;
  const entry = 'node_modules/code-server/out/node/entry.js';
  const workbench = join(folder, 'node_modules/code-server/lib/vscode');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "name": "editor-for-tests", "private": true }\n');
  const npm = (prefix, ...args) =>
    run('npm', ['install', '--prefix', prefix, '--ignore-scripts', '--no-audit', '--no-fund', ...args], {
      cwd: prefix,
      env: { ...process.env, PATH: `${join(folder, node, '..')}:${process.env.PATH ?? ''}` },
    });
  await npm(folder, `code-server@${versions.codeServer}`, `${nodePackage}@${versions.node}`);
  await npm(workbench, '--omit=dev');
  await npm(join(workbench, 'extensions'), '--omit=dev');
  await symlink('code-linux.sh', join(workbench, 'bin/remote-cli/code-server')).catch(ignoreExisting);
  await symlink('browser-linux.sh', join(workbench, 'bin/helpers/browser.sh')).catch(ignoreExisting);
  for (const name of ['spdlog', 'native-watchdog']) {
    const substitute = fileURLToPath(new URL(`substitutes/${name}.cjs`, import.meta.url));
    await copyFile(substitute, join(workbench, 'node_modules/@vscode', name, 'index.js'));
  }
  const { version } = JSON.parse(readFileSync(join(workbench, 'package.json'), 'utf8'));
  await run(join(folder, node), [join(folder, entry), '--config', '/dev/null', '--version'], { cwd: folder });
  await writeFile(
    join(folder, 'installed.json'),
    `${JSON.stringify({ ...versions, version, node, entry }, null, 2)}\n`,
  );
}

function findChromium() {
  const named = process.env['CHROMIUM_EXECUTABLE'];
  if (named !== undefined) {
    if (existsSync(named)) return named;
    throw new EditorUnavailable('noBrowser', `CHROMIUM_EXECUTABLE names "${named}", which does not exist`);
  }
  const folders = (process.env['PATH'] ?? '').split(':');
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  return names
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find((path) => existsSync(path));
}

async function installChromium() {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new EditorUnavailable(
      'noBrowser',
      'no Chromium or Chrome on the PATH; install one, or name one in CHROMIUM_EXECUTABLE',
    );
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const packages = ['chromium', 'fonts-dejavu-core'];
  try {
    await run('apt-get', ['update', '-qq'], { env });
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env });
  } catch (error) {
    throw new EditorUnavailable('noBrowser', `apt-get could not install Chromium: ${error.message}`, {
      cause: error,
    });
  }
  const installed = findChromium();
  if (installed === undefined) {
    throw new EditorUnavailable('noBrowser', 'apt-get installed chromium, yet it is not on the PATH');
  }
  return installed;
}

/** One installer at a time. The lock holds its owner's pid from the first moment; one whose owner is gone is nobody's. */
async function withLock(path, work) {
  const claim = `${path}.${process.pid}`;
  await writeFile(claim, String(process.pid));
  try {
    for (let told = false; !(await tryLink(claim, path)); told = true) {
      const owner = Number(await readFile(path, 'utf8').catch(() => ''));
      if (owner > 0 && !isAlive(owner)) await rm(path, { force: true });
      else if (!told) console.log(`waiting for process ${owner}, which is installing the editor`);
      await sleep(500);
    }
    return await work().finally(() => rm(path, { force: true }));
  } finally {
    await rm(claim, { force: true });
  }
}

async function tryLink(from, to) {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    ignoreExisting(error);
    return false;
  }
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs a program quietly; what it printed is in the error when it fails. */
function run(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.stderr.on('data', (data) => (output += data));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code ?? signal}: ${output.trim().slice(-600)}`));
    });
  });
}

function ignoreExisting(error) {
  if (error.code !== 'EEXIST') throw error;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(JSON.stringify(await installEditor(), null, 2));
  } catch (error) {
    if (!(error instanceof EditorUnavailable)) throw error;
    console.error(`${error.code}: ${error.message}`);
    process.exitCode = 1;
  }
}
