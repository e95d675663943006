// Builds the .vsix of this machine's platform into artifacts/ and prints its path and size. What ships is staged by an
// allow list in .cache/stage: a file that is not named here does not ship. The inference engine and what calls its library
// cannot be bundled; of them and of what they import, only code and one binary go along (a plain install is 700 MB).
// `--variant vulkan` adds the binary that uses a GPU through Vulkan; `--out FILE` names the result.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createVSIX } from '@vscode/vsce';

const root = fileURLToPath(new URL('..', import.meta.url));
const engine = 'node-llama-cpp';
/** Calls the engine's library where the engine's own binding does not. Without its binary attention is not measured. */
const caller = 'koffi';
const callerBinary = `@koromix/${caller}-${process.platform}-${process.arch}`;

/** The engine's binary package of each platform that the Marketplace has a target for. */
const binaries = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'linux-arm': 'linux-armv7l',
  'darwin-x64': 'mac-x64',
  'darwin-arm64': 'mac-arm64-metal',
  'win32-x64': 'win-x64',
  'win32-arm64': 'win-arm64',
};
const shipped = [
  'package.json',
  'README.md',
  'CHANGELOG.md',
  'LICENSE',
  'dist',
  'media',
  'models',
  'wasm-tools',
];
const rules = {
  dist: (path) => extname(path) !== '.map',
  models: (path) => ['.gguf', '.md'].includes(extname(path)),
  'wasm-tools': (path) => extname(path) === '.wasm' || basename(path) === 'tool.json',
};
const runtimeExtensions = [
  '.js',
  '.cjs',
  '.mjs',
  '.json',
  '.node',
  '.so',
  '.dylib',
  '.dll',
  '.wasm',
  '.metal',
];

const { values: options } = parseArgs({
  options: { variant: { type: 'string', default: 'cpu' }, out: { type: 'string' } },
});
if (!['cpu', 'vulkan'].includes(options.variant)) {
  throw new Error(`--variant is cpu or vulkan, not "${options.variant}"`);
}

const stage = join(root, '.cache', `stage-${process.pid}`);
try {
  execFileSync(process.execPath, ['esbuild.mjs', '--production'], { cwd: root, stdio: 'inherit' });
  await stageExtension();
  await stageEngine();
  await pack();
} finally {
  await rm(stage, { recursive: true, force: true });
}

async function stageExtension() {
  for (const name of shipped.filter((name) => existsSync(join(root, name)))) {
    await copyTree(join(root, name), join(stage, name), rules[name] ?? (() => true));
  }
  const manifest = await readJson(join(root, 'package.json'));
  delete manifest.scripts;
  delete manifest.devDependencies;
  await writeFile(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(join(stage, '.vscodeignore'), '# Everything that was staged ships.\n');
}

/** Stages the engine with everything that it imports, as the lock file says it is installed. */
async function stageEngine() {
  const binary = binaries[`${process.platform}-${process.arch}`];
  if (binary === undefined)
    throw new Error(`the engine has no binary for ${process.platform}-${process.arch}`);
  const names = options.variant === 'vulkan' ? [binary, `${binary}-vulkan`] : [binary];
  const { packages } = await readJson(join(root, 'package-lock.json'));
  const folders = [
    ...closure(packages, `node_modules/${engine}`),
    ...names.map((name) => `node_modules/@${engine}/${name}`),
    ...[caller, callerBinary].map((name) => `node_modules/${name}`),
  ];
  for (const folder of folders) {
    await copyTree(join(root, folder), join(stage, folder), (path) => isRuntime(path, join(root, folder)));
  }
}

/** Folders of a package and of all it requires. Optional packages stay behind: they are other platforms' binaries. */
function closure(packages, folder, found = new Set()) {
  if (found.has(folder)) return found;
  found.add(folder);
  for (const name of Object.keys(packages[folder].dependencies ?? {})) {
    closure(packages, resolveFolder(packages, folder, name), found);
  }
  return found;
}

/** Where Node finds a package that is required from `folder`: in its own node_modules, or in one further up. */
function resolveFolder(packages, folder, name) {
  for (let place = folder; ; place = place.slice(0, Math.max(0, place.lastIndexOf('/node_modules/')))) {
    const candidate = place === '' ? `node_modules/${name}` : `${place}/node_modules/${name}`;
    if (packages[candidate] !== undefined) return candidate;
    if (place === '') throw new Error(`package-lock.json has no ${name}, which ${folder} requires`);
  }
}

function isRuntime(path, folder) {
  const inside = path.slice(folder.length + 1);
  if (inside.split(sep).includes('node_modules')) return false; // a nested package is staged by its own name
  if (basename(folder) === engine && /^(templates|llama[\\/].*[\\/])/.test(inside)) return false; // sources to build from
  if (folder.endsWith(callerBinary) && inside.startsWith('musl')) return false; // the engine has no such build
  return /^(licen[cs]e|notice)/i.test(basename(path)) || runtimeExtensions.includes(extname(path));
}

async function copyTree(from, to, keep) {
  if (!(await stat(from)).isDirectory()) {
    if (!keep(from)) return;
    await mkdir(dirname(to), { recursive: true });
    await cp(from, to);
    return;
  }
  for (const name of await readdir(from)) await copyTree(join(from, name), join(to, name), keep);
}

async function pack() {
  const { name, version } = await readJson(join(stage, 'package.json'));
  const target = `${process.platform}-${process.arch === 'arm' ? 'armhf' : process.arch}`;
  const suffix = options.variant === 'cpu' ? '' : `-${options.variant}`;
  const file = options.out ?? join(root, 'artifacts', `${name}-${version}-${target}${suffix}.vsix`);
  await mkdir(dirname(file), { recursive: true });
  const partial = join(stage, '..', `package-${process.pid}.vsix`);
  await createVSIX({
    cwd: stage,
    target,
    packagePath: partial,
    allowMissingRepository: true,
    rewriteRelativeLinks: false,
  });
  await rename(partial, file);
  const { size } = await stat(file);
  console.log(`${file} (${(size / 1e6).toFixed(1)} MB)`);
}

async function readJson(path) {
  return JSON.parse(await readFile(path, 'utf8'));
}
