// Bundles the programs of this project into dist/. `--production` minifies, `--watch` rebuilds on change.
// The kernel's bundle does not know `vscode`: an import of it there fails the build.
import { context } from 'esbuild';
import { rm } from 'node:fs/promises';

const production = process.argv.includes('--production');
const watch = process.argv.includes('--watch');

/** Tells the editor's problem matcher when a rebuild begins and when the last bundle of it is done. */
let building = 0;
const announce = {
  name: 'announce',
  setup(build) {
    build.onStart(() => {
      if (building++ === 0) console.log('[watch] build started');
    });
    build.onEnd(() => {
      if (--building === 0) console.log('[watch] build finished');
    });
  },
};

const common = {
  bundle: true,
  plugins: watch ? [announce] : [],
  sourcemap: production ? false : 'linked',
  minify: production,
  logLevel: 'warning',
  outdir: 'dist',
};

const node = { ...common, platform: 'node', target: 'node20' };

/** CommonJS dependencies inside an ES module bundle need a `require` of their own. */
const requireShim = {
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
};

const bundles = [
  // node-llama-cpp finds its binaries beside its own files and is ES modules only: it stays outside. What the kernel
  // loads only when it is needed, the clients of external stores, are files of their own.
  {
    ...node,
    ...requireShim,
    format: 'esm',
    splitting: true,
    entryPoints: { kernel: 'src/kernel/main.ts' },
    external: ['node-llama-cpp'],
  },
  { ...node, ...requireShim, format: 'esm', entryPoints: { sandboxWorker: 'src/kernel/sandbox/worker.ts' } },
  { ...node, ...requireShim, format: 'esm', entryPoints: { codecWorker: 'src/kernel/kv/codecWorker.ts' } },
  // koffi finds its binary beside its own files as well.
  {
    ...node,
    ...requireShim,
    format: 'esm',
    entryPoints: { attentionWorker: 'src/hal/llama/attentionWorker.ts' },
    external: ['koffi'],
  },
  { ...node, ...requireShim, format: 'esm', entryPoints: { reaper: 'src/hal/reaper.ts' } },
  {
    ...node,
    ...requireShim,
    format: 'esm',
    entryPoints: { modelPull: 'src/hal/llama/modelPull.ts' },
    external: ['node-llama-cpp'],
  },
  { ...node, ...requireShim, format: 'esm', entryPoints: { stateTool: 'src/kernel/stateTool.ts' } },
  { ...node, ...requireShim, format: 'esm', entryPoints: { cli: 'src/cli/main.ts' } },
  {
    ...node,
    format: 'cjs',
    entryPoints: { extension: 'src/extension/extension.ts' },
    external: ['vscode'],
    outExtension: { '.js': '.cjs' },
  },
  {
    ...common,
    platform: 'browser',
    target: 'es2022',
    format: 'iife',
    entryPoints: { taskManager: 'webview/taskManager.ts' },
  },
];

await rm('dist', { recursive: true, force: true });
const contexts = await Promise.all(bundles.map((options) => context(options)));
if (watch) {
  await Promise.all(contexts.map((each) => each.watch()));
} else {
  await Promise.all(contexts.map((each) => each.rebuild()));
  await Promise.all(contexts.map((each) => each.dispose()));
}
