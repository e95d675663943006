// The editor's workbench as a person uses it: palette, pick lists, notifications, output view, task manager, status bar.
// It knows the editor's own page structure, so that no test does. It waits for what it is asked for and fails by name;
// it never reaches into the extension.

import { join } from 'node:path';
import type { Browser, FrameLocator, Locator, Page } from 'playwright-core';
import { openPage } from './browser.js';
import type { EditorServer } from './codeServer.js';

export interface Workbench {
  readonly page: Page;
  /** What the page logged, for a test that failed. */
  readonly log: readonly string[];
}

const startTimeoutMs = 60_000;
const paletteTimeoutMs = 4_000;
const paletteAttempts = 8;

export async function openWorkbench(
  browser: Browser,
  server: EditorServer,
  folder: string,
): Promise<Workbench> {
  const { page, log } = await openPage(browser);
  page.setDefaultTimeout(30_000);
  await page.goto(`${server.url}?folder=${encodeURIComponent(folder)}`);
  await waitForWorkbench(page);
  return { page, log };
}

export async function waitForWorkbench(page: Page): Promise<void> {
  await page.locator('.monaco-workbench').waitFor({ timeout: startTimeoutMs });
  await statusBar(page).first().waitFor({ timeout: startTimeoutMs });
}

/**
 * Runs a command from the palette by its title, as `Category: Title`. The palette lists what is registered when it is
 * opened, so while the extension is still starting it is opened again.
 */
export async function runCommand(page: Page, title: string): Promise<void> {
  const row = rows(page).filter({ hasText: title }).first();
  for (let attempt = 1; ; attempt++) {
    await page.keyboard.press('F1');
    await quickInput(page).fill(`>${title}`);
    try {
      await row.click({ timeout: paletteTimeoutMs });
      return;
    } catch (error) {
      if (attempt === paletteAttempts) throw error;
      await page.keyboard.press('Escape');
    }
  }
}

/** In the pick list of this title, which takes many, leaves exactly these ticked and accepts. */
export async function pickMany(page: Page, title: string, wanted: readonly string[]): Promise<void> {
  await quickTitle(page, title).waitFor();
  await rows(page).first().waitFor();
  for (const row of await rows(page).all()) {
    const box = row.getByRole('checkbox');
    const isTicked = (await box.getAttribute('aria-checked')) === 'true';
    const isWanted = wanted.includes((await box.getAttribute('aria-label')) ?? '');
    if (isTicked !== isWanted) await box.click();
  }
  // The box that was ticked last has the focus, where Enter would tick it again.
  await page.locator('.quick-input-widget').getByRole('button', { name: 'OK' }).click();
}

/** Takes one row of the pick list of this title. */
export async function pick(page: Page, title: string, label: string): Promise<void> {
  await quickTitle(page, title).waitFor();
  await rows(page).filter({ hasText: label }).first().click();
}

/** Types into the input box of this title and accepts. */
export async function type(page: Page, title: string, text: string): Promise<void> {
  await quickTitle(page, title).waitFor();
  await quickInput(page).fill(text);
  await page.keyboard.press('Enter');
}

export function notification(page: Page, text: string | RegExp): Locator {
  return page.locator('.notification-toast').filter({ hasText: text });
}

/** Clicks a button of the notification that says `text`. */
export async function answer(page: Page, text: string | RegExp, button: string): Promise<void> {
  await notification(page, text).getByRole('button', { name: button, exact: true }).click();
}

export function statusBar(page: Page): Locator {
  return page.locator('.part.statusbar .statusbar-item');
}

/** Everything that the output view shows, with plain blanks. */
export async function outputText(page: Page): Promise<string> {
  const lines = await page.locator('.part.panel .view-lines .view-line').allInnerTexts();
  return lines.join('\n').replaceAll('\u00a0', ' ');
}

/** The page inside the task manager's panel. */
export function taskManager(page: Page): FrameLocator {
  return page.frameLocator('iframe.webview').frameLocator('iframe#active-frame');
}

/** Leaves a picture of the page for people to look at. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env['AMK_SCREENSHOTS'];
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) });
}

function quickInput(page: Page): Locator {
  return page.locator('.quick-input-widget input[type=text]');
}

function quickTitle(page: Page, title: string): Locator {
  return page.locator('.quick-input-widget .quick-input-title').filter({ hasText: title });
}

function rows(page: Page): Locator {
  return page.locator('.quick-input-widget .quick-input-list .monaco-list-row');
}
