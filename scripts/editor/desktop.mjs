// The desktop VS Code, where there is one: named by `VSCODE_EXECUTABLE`, or downloaded by the editor's own test runner
// when there is a display to open it on (on Linux without one, `xvfb-run npm test` gives it one). Promises to say why it
// is not used; it never opens a window over the user's own profile.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { downloadAndUnzipVSCode, runTests, TestRunFailedError } from '@vscode/test-electron';
import { cacheFolder, EditorUnavailable } from './install.mjs';

/**
 * @returns {Promise<string | undefined>} the executable, or nothing where another kind of editor has to do
 * @throws {EditorUnavailable} `notFound` when the named executable does not exist
 */
export async function findDesktopEditor() {
  const named = process.env['VSCODE_EXECUTABLE'];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named;
    throw new EditorUnavailable('notFound', `VSCODE_EXECUTABLE names "${named}", which does not exist`);
  }
  if (!hasDisplay()) return undefined;
  try {
    const cachePath = join(cacheFolder, 'desktop');
    return await downloadAndUnzipVSCode({ version: 'stable', cachePath, timeout: 15_000 });
  } catch (error) {
    console.log(`the desktop editor could not be downloaded: ${error.message}`);
    return undefined;
  }
}

/** @returns {Promise<number>} the tests' exit code */
export async function runInDesktopEditor(executable, { extension, tests, folder }) {
  const profile = await mkdtemp(join(tmpdir(), 'editor-profile-'));
  try {
    return await runTests({
      vscodeExecutablePath: executable,
      extensionDevelopmentPath: extension,
      extensionTestsPath: tests,
      launchArgs: [
        ...(folder === undefined ? [] : [folder]),
        `--user-data-dir=${join(profile, 'data')}`,
        `--extensions-dir=${join(profile, 'extensions')}`,
        '--disable-workspace-trust',
        '--skip-welcome',
        '--disable-gpu',
      ],
    });
  } catch (error) {
    if (error instanceof TestRunFailedError) return error.code ?? 1;
    throw error;
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

function hasDisplay() {
  if (process.platform !== 'linux') return true;
  return ['DISPLAY', 'WAYLAND_DISPLAY'].some((name) => (process.env[name] ?? '') !== '');
}
