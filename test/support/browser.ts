// A headless Chromium with the editor's page in it. What the page logs is kept, so that a failed test can say what the
// editor said. Chromium's own sandbox is off: as root, as in most containers, it cannot start with it, and the only
// pages it ever opens come from this machine.

import { chromium, type Browser, type Page } from 'playwright-core';
import type { EditorInstallation } from './codeServer.js';

export interface EditorPage {
  readonly page: Page;
  /** What the page and its extension hosts logged: the first line of each of the last 500 messages. */
  readonly log: readonly string[];
}

export function launchBrowser(editor: EditorInstallation): Promise<Browser> {
  return chromium.launch({
    executablePath: editor.chromium,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}

export async function openPage(browser: Browser): Promise<EditorPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();
  const log: string[] = [];
  const keep = (text: string) => {
    const [line = ''] = text.split('\n', 1);
    log.push(line.slice(0, 300));
    if (log.length > 500) log.shift();
  };
  page.on('console', (message) => keep(`[${message.type()}] ${message.text()}`));
  page.on('pageerror', (error) => keep(`[pageerror] ${error.message}`));
  return { page, log };
}
