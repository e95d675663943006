// Runs a test module inside the extension host of a real editor: the editor's page is told to load an extension from
// its folder and then a module that exports `run()`, as the editor's own test runner does. Promises the module's exit
// code, or an error that says how far it got. In this mode the editor refuses modal dialogs; nothing can be clicked.

import { format } from 'node:util';
import type { Browser } from 'playwright-core';
import { openPage } from './browser.js';
import type { EditorServer } from './codeServer.js';

export interface ExtensionTests {
  /** Folder of the extension. */
  readonly extension: string;
  /** CommonJS module that exports `run(): Promise<void>`. */
  readonly tests: string;
  /** Folder to open; without it the window is empty. */
  readonly folder: string | undefined;
  readonly timeoutMs: number;
  readonly onLine: (line: string) => void;
}

/** The server switch without which the page waits for ever instead of running tests. */
export const testServerArgs = ['--vscode-option', 'enable-smoke-test-driver'] as const;

/** What the editor itself logs in a run without network and without its optional native modules. */
const chatter =
  /^(Resolv(ing|ed) connection|Creating a socket|\[(reconnection|AgentHost|AccountPolicy|Service Worker|lifecycle)|Timed out waiting for authentication|Model is disposed|Updating additional|(getaddrinfo .*: )?Failed: getaddrinfo|(Error: )?(Could not locate the bindings|Cannot find module '\.\/build)|\[uncaught exception\].*Canceled)/;

export async function runInExtensionHost(
  browser: Browser,
  server: EditorServer,
  options: ExtensionTests,
): Promise<number> {
  const { page, log } = await openPage(browser);
  let exit: (code: number) => void = () => undefined;
  let isOver = false;
  await page.exposeFunction('codeAutomationExit', (code: number) => exit(code));
  await page.exposeFunction('codeAutomationLog', (_level: string, args: readonly unknown[]) => {
    const line = format(...args);
    if (!isOver && !chatter.test(line)) options.onLine(line);
  });
  const code = await new Promise<number>((resolve, reject) => {
    const timer = setTimeout(() => {
      const last = log.slice(-20).join('\n');
      reject(new Error(`the extension host's tests did not end in ${options.timeoutMs} ms\n${last}`));
    }, options.timeoutMs);
    exit = (value) => {
      // What the editor logs from here on is about being closed.
      isOver = true;
      clearTimeout(timer);
      resolve(value);
    };
    page.goto(address(server, options)).catch(reject);
  });
  await page.context().close();
  return code;
}

function address(server: EditorServer, options: ExtensionTests): string {
  const remote = (path: string) => `vscode-remote://${server.authority}${encodeURI(path)}`;
  const payload = [
    ['extensionDevelopmentPath', remote(options.extension)],
    ['extensionTestsPath', remote(options.tests)],
    ['skipWelcome', 'true'],
  ];
  const query = new URLSearchParams({
    ...(options.folder === undefined ? { ew: 'true' } : { folder: options.folder }),
    payload: JSON.stringify(payload),
  });
  return `${server.url}?${query.toString()}`;
}
