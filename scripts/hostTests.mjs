// Runs test/host inside the extension host of a real VS Code, each of its folders in a window of its own. The editor is
// the desktop program where there is one (editor/desktop.mjs), else VS Code's server with its page in a headless
// Chromium. Exit status 0 only when every test passed. `--built` says that out/ and dist/ are fresh.
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { findDesktopEditor, runInDesktopEditor } from './editor/desktop.mjs';
import { EditorUnavailable, installEditor } from './editor/install.mjs';
import { addResults, compile, endOnSignals, noResults, report, reportUnavailable, root } from './suite.mjs';

/** Folders of test/host whose window has no folder open; every other one works on a copy of the fixture. */
const emptyWindows = ['noFolder'];
const timeoutMs = 240_000;
const extension = root.replace(/[\\/]$/, '');

endOnSignals();
try {
  const openEditor = await chooseEditor();
  if (!process.argv.includes('--built')) await compile();
  const folders = await bundleTests();
  const editor = await openEditor();
  let results = noResults();
  for (const folder of folders) results = addResults(results, await runWindow(editor, folder));
  await editor.close();
  await report(results);
  console.log(`host: ${results.passed} passed, ${results.failed} failed, ${results.skipped} skipped`);
  process.exitCode = results.failed === 0 ? 0 : 1;
} catch (error) {
  if (!(error instanceof EditorUnavailable)) throw error;
  await reportUnavailable('host', error);
}

/** @returns a function that opens the editor; each call of its `runTests` is a window, and resolves when that is gone */
async function chooseEditor() {
  const executable = await findDesktopEditor();
  if (executable !== undefined) {
    console.log(`host: desktop editor ${executable}`);
    return () => ({
      runTests: (tests, folder) => runInDesktopEditor(executable, { extension, tests, folder }),
      close: () => undefined,
    });
  }
  const installation = await installEditor();
  console.log(`host: VS Code ${installation.version} as a server, in ${installation.chromium}`);
  return () => openServer(installation);
}

async function openServer(installation) {
  const { createProfile, removeProfile, startServer } = await import('../out/test/support/codeServer.js');
  const { launchBrowser } = await import('../out/test/support/browser.js');
  const { runInExtensionHost, testServerArgs } = await import('../out/test/support/extensionHost.js');
  const profile = await createProfile();
  const server = await startServer(installation, profile, { args: testServerArgs });
  const browser = await launchBrowser(installation);
  const onLine = (line) => console.log(line);
  return {
    runTests: (tests, folder) =>
      runInExtensionHost(browser, server, { extension, tests, folder, timeoutMs, onLine }),
    close: async () => {
      await browser.close();
      await server.stop();
      await removeProfile(profile);
    },
  };
}

/** Runs one folder of bundled tests in a window; what the window leaves beside them is the result. */
async function runWindow(editor, bundled) {
  const name = basename(bundled);
  const scratch = await mkdtemp(join(tmpdir(), 'host-tests-'));
  const folder = emptyWindows.includes(name) ? undefined : join(scratch, 'ledger');
  if (folder !== undefined) await cp(join(root, 'test/fixtures/ledger'), folder, { recursive: true });
  try {
    const code = await editor.runTests(join(bundled, 'run.cjs'), folder);
    const file = join(bundled, 'results.json');
    if (!existsSync(file)) throw new Error(`the window ended with ${code} and without results`);
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    console.error(error.message);
    const failure = { title: `host window "${name}"`, message: error.message };
    return { ...noResults(), failed: 1, failures: [failure] };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Bundles each folder of tests with the module that runs it: CommonJS, and nothing that the extension host would have
 * to find in this repository but mocha.
 */
async function bundleTests() {
  const source = join(root, 'test/host');
  const target = join(root, 'out/hostTests');
  await rm(target, { recursive: true, force: true });
  const entries = await readdir(source, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  for (const folder of folders) {
    const names = await readdir(join(source, folder));
    const tests = names.filter((name) => name.endsWith('.test.ts')).map((name) => join(source, folder, name));
    await build({
      entryPoints: [join(source, 'run.ts'), ...tests],
      outdir: join(target, folder),
      entryNames: '[name]',
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      outExtension: { '.js': '.cjs' },
      external: ['vscode', 'mocha'],
      sourcemap: 'inline',
      logLevel: 'warning',
    });
  }
  return folders.map((folder) => join(target, folder));
}
