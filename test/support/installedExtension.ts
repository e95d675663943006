// One real editor with the built .vsix in it and a copy of the fixture folder open: what every ui test starts from.
// Each gets a profile, a server and a browser of its own, and `close` leaves nothing of them behind.

import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { launchBrowser } from './browser.js';
import {
  createProfile,
  editorInstallation,
  installExtension,
  removeProfile,
  startServer,
  type EditorServer,
  type Profile,
} from './codeServer.js';
import { openWorkbench, type Workbench } from './workbench.js';

const fixture = fileURLToPath(new URL('../../../test/fixtures/ledger', import.meta.url));

export interface InstalledExtension extends Workbench {
  /** The copy of the fixture that the window has open. */
  readonly folder: string;
  readonly profile: Profile;
  readonly server: EditorServer;
  close(): Promise<void>;
}

export interface InstalledExtensionOptions {
  /** The editor asks whether the folder is trusted, and it is not. */
  readonly untrusted?: boolean;
  /** More files in the folder, by their path in it. */
  readonly files?: Readonly<Record<string, string>>;
  /** Settings of the person who owns the machine. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export async function openInstalledExtension(
  options: InstalledExtensionOptions = {},
): Promise<InstalledExtension> {
  const editor = editorInstallation();
  const vsix = process.env['AMK_VSIX'];
  if (vsix === undefined) throw new Error('AMK_VSIX does not name the extension under test');
  const untrusted = options.untrusted ?? false;
  const profile = await createProfile(
    untrusted ? { 'security.workspace.trust.startupPrompt': 'never' } : {},
    options.settings,
  );
  const folder = await copyFixture(options.files ?? {});
  await installExtension(editor, profile, vsix);
  const server = await startServer(editor, profile, { workspaceTrust: untrusted });
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    await server.stop();
    await removeProfile(profile);
    await rm(dirname(folder), { recursive: true, force: true });
  };
  try {
    browser = await launchBrowser(editor);
    return { ...(await openWorkbench(browser, server, folder)), folder, profile, server, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function copyFixture(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), 'ui-tests-')), 'ledger');
  await cp(fixture, folder, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}
