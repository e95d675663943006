// Compiles loops that need SIMD to WebAssembly modules that are committed as text, so that no program has to find a
// file to use them. `--check` writes nothing and fails when what is committed is not what the sources give.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
/** Each with the name of the text, and as many pages of memory as its fixed areas take. */
const modules = [
  { source: 'simd/kvCodec.ts', target: 'src/kernel/kv/simdModule.ts', name: 'simdModule', pages: 4 },
  {
    source: 'simd/nearest.ts',
    target: 'src/kernel/context/store/nearestModule.ts',
    name: 'nearestModule',
    pages: 1,
  },
];
const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');

// A module allocates nothing: no runtime.
const settings = ['-O3', '--enable', 'simd', '--runtime', 'stub', '--noColors'];

/** Compiles in the project's root, so that no path of this machine gets into the module. */
async function compile({ source, pages }) {
  const temporary = await mkdtemp(join(tmpdir(), 'simd-'));
  try {
    const file = join(temporary, 'module.wasm');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [compiler, source, '--outFile', file, '--initialMemory', String(pages), ...settings],
      { cwd: root, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`${source} does not compile:\n${stdout}${stderr}`);
    return await readFile(file);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const textOf = (module, { source, name }) => `/**
 * The WebAssembly module of ${source}, in base64. Written by simd/build.mjs, which also checks that it is what
 * the source gives; never edited by hand.
 */

export const ${name} =
  '${module.toString('base64')}';
`;

try {
  for (const module of modules) {
    const text = textOf(await compile(module), module);
    const path = join(root, module.target);
    if (!process.argv.includes('--check')) await writeFile(path, text);
    else if ((await readFile(path, 'utf8').catch(() => '')) !== text) {
      throw new Error(
        `${module.target} is not what ${module.source} gives. Run \`node simd/build.mjs\` and commit the result.`,
      );
    }
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
