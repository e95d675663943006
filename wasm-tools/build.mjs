// Compiles each tool to its committed module. `--check` compiles to a temporary folder instead and fails when a
// committed module is not what its source gives, byte for byte. Names on the command line limit it to those tools.
//
// A tool is a folder with `index.ts`, `tool.json` (what the model is told, and the capabilities it may ask for; the
// order of its parameters is the order in which the tool gets them) and the module, named as the folder.
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = 'wasm-tools';
const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');
const processes = 2;

// Fast code first, since a search goes through megabytes. The names of functions are not kept.
const settings = ['-O3', '--shrinkLevel', '1', '--noColors', '--use', `abort=${folder}/lib/host/abort`];

/** Compiles in the project's root, so that no path of this machine gets into the module. */
async function compile(name, target) {
  const source = `${folder}/${name}/index.ts`;
  const child = spawn(process.execPath, [compiler, source, '--outFile', target, ...settings], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stdout.on('data', (text) => (said += text));
  child.stderr.on('data', (text) => (said += text));
  const status = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  if (status !== 0) throw new Error(`${source} does not compile:\n${said.trim()}`);
}

async function isCurrent(name, built) {
  const committed = await readFile(join(root, folder, name, `${name}.wasm`)).catch(() => undefined);
  return committed !== undefined && committed.equals(await readFile(built));
}

async function toolNames() {
  const entries = await readdir(join(root, folder), { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== 'lib');
  return folders.map(({ name }) => name);
}

async function inParallel(names, action) {
  const queue = [...names];
  const work = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) await action(name);
  };
  await Promise.all(Array.from({ length: processes }, work));
}

async function check(names) {
  const temporary = await mkdtemp(join(tmpdir(), 'wasm-tools-'));
  const outdated = [];
  try {
    await inParallel(names, async (name) => {
      const built = join(temporary, `${name}.wasm`);
      await compile(name, built);
      if (!(await isCurrent(name, built))) outdated.push(name);
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  if (outdated.length === 0) return;
  const list = outdated.sort().map((name) => `${folder}/${name}/${name}.wasm`);
  throw new Error(
    `Not what the source gives: ${list.join(', ')}. Run \`npm run build:tools\` and commit the result.`,
  );
}

try {
  const { values, positionals } = parseArgs({
    options: { check: { type: 'boolean' } },
    allowPositionals: true,
  });
  const names = positionals.length > 0 ? positionals : await toolNames();
  if (values.check) await check(names);
  else await inParallel(names, (name) => compile(name, `${folder}/${name}/${name}.wasm`));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
