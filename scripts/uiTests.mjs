// Runs test/ui: the built .vsix, installed into VS Code's server, driven through its page by a headless Chromium as a
// person would. Screenshots are left in artifacts/screenshots. Exit status 0 only when every test passed. `--built`
// says that out/ is fresh.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { EditorUnavailable, installEditor } from './editor/install.mjs';
import { compile, endOnSignals, reportUnavailable, root, run, runOrThrow } from './suite.mjs';

endOnSignals();
try {
  const editor = await installEditor();
  if (!process.argv.includes('--built')) await compile();
  const vsix = join(root, 'artifacts', 'under-test.vsix');
  const screenshots = join(root, 'artifacts', 'screenshots');
  await runOrThrow(process.execPath, ['scripts/package.mjs', '--out', vsix]);
  await rm(screenshots, { recursive: true, force: true });
  await mkdir(screenshots, { recursive: true });
  const { code } = await run(
    process.execPath,
    ['out/test/support/runMocha.js', '--reporter', 'spec', '--timeout', '120000', 'out/test/ui'],
    { env: { AMK_EDITOR: JSON.stringify(editor), AMK_VSIX: vsix, AMK_SCREENSHOTS: screenshots } },
  );
  process.exitCode = code;
} catch (error) {
  if (!(error instanceof EditorUnavailable)) throw error;
  await reportUnavailable('ui', error);
}
