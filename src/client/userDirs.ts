/**
 * The folders of this user that several of our processes meet in. Pure but for one look at the system; it makes no
 * folder. A folder that others can reach is never named where it was the environment that proposed it.
 */

import { createHash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';

/** What the answer depends on. */
export interface UserFacts {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  readonly uid: number | undefined;
  /** Whether it is a folder that belongs to this user and is closed to all others. */
  readonly isPrivateFolder: (path: string) => boolean;
}

const below = ['agentic-microkernel', 'kernels'] as const;

/**
 * Where running kernels leave their descriptors. A kernel writes into the first; who looks for kernels reads all,
 * since a kernel that the editor started may not have had the environment of a login.
 */
export function kernelFolders(facts: UserFacts = systemFacts()): readonly [string, ...string[]] {
  const { platform, env, home } = facts;
  const forced = set(env['AMK_RUNTIME_DIR']);
  if (forced !== undefined) return [forced];
  if (platform === 'win32') {
    return [win32.join(localAppData(facts), ...below)];
  }
  if (platform === 'darwin') return [posix.join(home, 'Library', 'Application Support', ...below)];
  const state = absolute(env['XDG_STATE_HOME']) ?? posix.join(home, '.local', 'state');
  const given = absolute(env['XDG_RUNTIME_DIR']);
  const usual = facts.uid === undefined ? undefined : `/run/user/${facts.uid}`;
  const [first = state, ...others] = new Set(
    [given, state, usual]
      .filter((path) => path !== undefined)
      .filter((path) => path === state || facts.isPrivateFolder(path)),
  );
  const own = (path: string): string => posix.join(path, ...below);
  return [own(first), ...others.map(own)];
}

/**
 * Where a kernel that the command line starts for a workspace keeps its agents.
 * @param workspace real path
 */
export function workspaceStateFolder(workspace: string, facts: UserFacts = systemFacts()): string {
  const name = createHash('sha256').update(workspace).digest('hex').slice(0, 32);
  const { platform, env, home } = facts;
  const paths = platform === 'win32' ? win32 : posix;
  const forced = set(env['AMK_STATE_DIR']);
  if (forced !== undefined) return paths.join(forced, name);
  if (platform === 'win32') return paths.join(localAppData(facts), 'agentic-microkernel', 'workspaces', name);
  const state =
    platform === 'darwin'
      ? paths.join(home, 'Library', 'Application Support')
      : (absolute(env['XDG_STATE_HOME']) ?? paths.join(home, '.local', 'state'));
  return paths.join(state, 'agentic-microkernel', 'workspaces', name);
}

/** Where models are that a person had downloaded. */
export function modelsFolder(facts: UserFacts = systemFacts()): string {
  const { platform, env, home } = facts;
  if (platform === 'win32') return win32.join(localAppData(facts), 'agentic-microkernel', 'models');
  const data =
    platform === 'darwin'
      ? posix.join(home, 'Library', 'Application Support')
      : (absolute(env['XDG_DATA_HOME']) ?? posix.join(home, '.local', 'share'));
  return posix.join(data, 'agentic-microkernel', 'models');
}

const localAppData = ({ env, home }: UserFacts): string =>
  set(env['LOCALAPPDATA']) ?? win32.join(home, 'AppData', 'Local');

/** An empty variable is as good as none. */
const set = (value: string | undefined): string | undefined => (value === '' ? undefined : value);

/** The base directory specification has a relative path ignored. */
const absolute = (path: string | undefined): string | undefined =>
  path !== undefined && posix.isAbsolute(path) ? path : undefined;

function systemFacts(): UserFacts {
  const uid = process.getuid?.();
  return {
    platform: process.platform,
    env: process.env,
    home: homedir(),
    uid,
    isPrivateFolder: (path) => {
      try {
        const facts = lstatSync(path);
        return facts.isDirectory() && facts.uid === uid && (facts.mode & 0o077) === 0;
      } catch {
        // Missing, or where we may not look.
        return false;
      }
    },
  };
}
