// Compiles the SIMD loops of the KV state codec to a WebAssembly module that is committed as text, so that no program
// has to find a file to use it. `--check` writes nothing and fails when what is committed is not what the source gives.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = 'simd/kvCodec.ts';
const target = 'src/kernel/kv/simdModule.ts';
const compiler = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');

// The module allocates nothing: no runtime, and as many pages as its fixed areas take.
const settings = ['-O3', '--enable', 'simd', '--runtime', 'stub', '--initialMemory', '4', '--noColors'];

/** Compiles in the project's root, so that no path of this machine gets into the module. */
async function compile() {
  const temporary = await mkdtemp(join(tmpdir(), 'simd-'));
  try {
    const file = join(temporary, 'module.wasm');
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [compiler, source, '--outFile', file, ...settings],
      { cwd: root, encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`${source} does not compile:\n${stdout}${stderr}`);
    return await readFile(file);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

const textOf = (module) => `/**
 * The WebAssembly module of simd/kvCodec.ts, in base64. Written by simd/build.mjs, which also checks that it is what
 * the source gives; never edited by hand.
 */

export const simdModule =
  '${module.toString('base64')}';
`;

try {
  const text = textOf(await compile());
  if (!process.argv.includes('--check')) await writeFile(join(root, target), text);
  else if ((await readFile(join(root, target), 'utf8').catch(() => '')) !== text) {
    throw new Error(
      `${target} is not what ${source} gives. Run \`node simd/build.mjs\` and commit the result.`,
    );
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
