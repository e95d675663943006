// VS Code's server, started for one test run in a throw-away profile. Promises that nothing of it outlives the test
// process: the server leads its own process group, and the whole group goes with `stop` or with this process.
// Never writes outside the profile's temporary folder, and never listens anywhere but on the loopback.

import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Where the editor's parts are. `scripts/editor/install.mjs` finds them and passes them on in the environment. */
export interface EditorInstallation {
  readonly node: string;
  readonly entry: string;
  readonly chromium: string;
}

export interface Profile {
  readonly root: string;
  readonly home: string;
  readonly data: string;
  readonly extensions: string;
  readonly config: string;
}

export interface EditorServer {
  readonly url: string;
  /** `host:port`, as remote URIs name it. */
  readonly authority: string;
  /** Leads the process group that the server, its extension hosts and their children belong to. */
  readonly processGroup: number;
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Ask about workspace trust as the editor does by default. Otherwise every folder is trusted. */
  readonly workspaceTrust?: boolean;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly onOutput?: (text: string) => void;
}

const startTimeoutMs = 60_000;
const stopTimeoutMs = 5_000;

/** Settings that keep an editor under test quiet and alone. */
const quietSettings = {
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'telemetry.telemetryLevel': 'off',
  'extensions.autoUpdate': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'update.mode': 'none',
  'git.enabled': false,
  'chat.disableAIFeatures': true,
};

export function editorInstallation(): EditorInstallation {
  const text = process.env['AMK_EDITOR'];
  if (text === undefined) {
    throw new Error('AMK_EDITOR is not set; start this suite with npm run test:host or npm run test:ui');
  }
  return JSON.parse(text) as EditorInstallation;
}

/**
 * @param settings of the user
 * @param machineSettings of the machine that the server runs on: those of machine scope count nowhere else
 */
export async function createProfile(
  settings: Readonly<Record<string, unknown>> = {},
  machineSettings: Readonly<Record<string, unknown>> = {},
): Promise<Profile> {
  const root = await mkdtemp(join(tmpdir(), 'editor-profile-'));
  const profile = {
    root,
    home: join(root, 'home'),
    data: join(root, 'data'),
    extensions: join(root, 'extensions'),
    config: join(root, 'config.yaml'),
  };
  const [user, machine] = [join(profile.data, 'User'), join(profile.data, 'Machine')];
  for (const folder of [profile.home, user, machine, profile.extensions]) {
    await mkdir(folder, { recursive: true });
  }
  await writeFile(profile.config, '{}\n');
  await writeFile(join(user, 'settings.json'), JSON.stringify({ ...quietSettings, ...settings }));
  await writeFile(join(machine, 'settings.json'), JSON.stringify(machineSettings));
  return profile;
}

export async function removeProfile(profile: Profile): Promise<void> {
  await rm(profile.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
}

export async function installExtension(
  editor: EditorInstallation,
  profile: Profile,
  vsix: string,
): Promise<void> {
  const args = [editor.entry, ...profileArgs(profile), '--install-extension', vsix];
  const { stdout, stderr } = await promisify(execFile)(editor.node, args, {
    env: environment(editor, profile),
  });
  if (!stdout.includes('successfully installed')) {
    throw new Error(`${vsix} was not installed: ${stdout}${stderr}`);
  }
}

export async function startServer(
  editor: EditorInstallation,
  profile: Profile,
  options: ServerOptions = {},
): Promise<EditorServer> {
  const args = [
    editor.entry,
    ...profileArgs(profile),
    ...['--auth', 'none', '--bind-addr', '127.0.0.1:0', '--ignore-last-opened'],
    ...['--disable-telemetry', '--disable-update-check', '--disable-getting-started-override'],
    ...(options.workspaceTrust === true ? [] : ['--disable-workspace-trust']),
    ...(options.args ?? []),
  ];
  const child = spawn(editor.node, args, {
    env: { ...environment(editor, profile), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const group = child.pid ?? 0;
  const killGroup = () => signalGroup(group, 'SIGKILL');
  process.once('exit', killGroup);
  const url = await listening(child, options.onOutput).catch((error: unknown) => {
    killGroup();
    throw error;
  });
  return {
    url,
    authority: new URL(url).host,
    processGroup: group,
    stop: async () => {
      await stopGroup(child, group);
      process.off('exit', killGroup);
    },
  };
}

/** Resolves with the address that the server says it listens on. */
function listening(child: ChildProcess, onOutput: ((text: string) => void) | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (reason: string) => reject(new Error(`code-server ${reason}: ${output.slice(-2000)}`));
    const timer = setTimeout(() => fail(`did not start in ${startTimeoutMs} ms`), startTimeoutMs);
    const read = (data: Buffer) => {
      const text = data.toString();
      onOutput?.(text);
      output = (output + text).slice(-20_000);
      const url = /HTTP server listening on (http:\S+)/.exec(output)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', (error) => fail(`could not be started (${error.message})`));
    child.once('exit', (code) => {
      clearTimeout(timer);
      fail(`ended with ${String(code)}`);
    });
  });
}

async function stopGroup(child: ChildProcess, group: number): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const closed = new Promise((resolve) => child.once('close', resolve));
    signalGroup(group, 'SIGTERM');
    const timer = setTimeout(() => signalGroup(group, 'SIGKILL'), stopTimeoutMs);
    await closed;
    clearTimeout(timer);
  }
  signalGroup(group, 'SIGKILL');
}

function signalGroup(group: number, signal: NodeJS.Signals): void {
  try {
    if (group > 0) process.kill(-group, signal);
  } catch {
    // The group is gone, which is what was wanted.
  }
}

function profileArgs(profile: Profile): string[] {
  return [
    '--config',
    profile.config,
    '--user-data-dir',
    profile.data,
    '--extensions-dir',
    profile.extensions,
  ];
}

/** This process's environment without what would turn the server into a child of another editor. */
function environment(editor: EditorInstallation, profile: Profile): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !/^(VSCODE_|ELECTRON_|NODE_OPTIONS$|npm_)/.test(name),
  );
  return {
    ...Object.fromEntries(inherited),
    HOME: profile.home,
    XDG_DATA_HOME: join(profile.home, '.local', 'share'),
    PATH: `${dirname(editor.node)}:${process.env['PATH'] ?? ''}`,
  };
}
