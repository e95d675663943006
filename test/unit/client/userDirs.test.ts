// Where kernels are looked for, system by system; nothing of this machine is asked.

import assert from 'node:assert/strict';
import {
  kernelFolders,
  modelsFolder,
  workspaceStateFolder,
  type UserFacts,
} from '../../../src/client/userDirs.js';

const facts = (differences: Partial<UserFacts>, ...privateFolders: string[]): UserFacts => ({
  platform: 'linux',
  env: {},
  home: '/home/me',
  uid: 1000,
  isPrivateFolder: (path) => privateFolders.includes(path),
  ...differences,
});
const state = '/home/me/.local/state/agentic-microkernel/kernels';

suite('the folders where kernels are found', () => {
  test('the runtime folder of a login comes first, and the state folder is searched as well', () => {
    const env = { XDG_RUNTIME_DIR: '/run/user/1000' };
    assert.deepEqual(kernelFolders(facts({ env }, '/run/user/1000')), [
      '/run/user/1000/agentic-microkernel/kernels',
      state,
    ]);
  });

  test('a runtime folder that is not private is not used', () => {
    assert.deepEqual(kernelFolders(facts({ env: { XDG_RUNTIME_DIR: '/tmp/shared' } })), [state]);
  });

  test('relative paths in the environment are ignored', () => {
    const env = { XDG_RUNTIME_DIR: 'run', XDG_STATE_HOME: 'state' };
    assert.deepEqual(kernelFolders(facts({ env }, 'run')), [state]);
  });

  test('without the environment of a login a kernel uses the state folder, and the usual runtime folder is searched', () => {
    assert.deepEqual(kernelFolders(facts({ env: { XDG_STATE_HOME: '/state' } }, '/run/user/1000')), [
      '/state/agentic-microkernel/kernels',
      '/run/user/1000/agentic-microkernel/kernels',
    ]);
  });

  test('macOS', () => {
    assert.deepEqual(kernelFolders(facts({ platform: 'darwin', home: '/Users/me' })), [
      '/Users/me/Library/Application Support/agentic-microkernel/kernels',
    ]);
  });

  test('Windows', () => {
    const local = 'C:\\Users\\me\\AppData\\Local';
    const expected = [`${local}\\agentic-microkernel\\kernels`];
    const windows = { platform: 'win32', home: 'C:\\Users\\me', uid: undefined } as const;
    assert.deepEqual(kernelFolders(facts(windows)), expected);
    assert.deepEqual(kernelFolders(facts({ ...windows, env: { LOCALAPPDATA: local } })), expected);
  });

  test('AMK_RUNTIME_DIR stands for all of them', () => {
    assert.deepEqual(kernelFolders(facts({ env: { AMK_RUNTIME_DIR: '/here' } })), ['/here']);
  });

  test('this machine has at least one', () => {
    assert.ok(kernelFolders()[0].length > 0);
  });
});

suite('the folder of downloaded models', () => {
  test('is where the system keeps the data of programs', () => {
    assert.equal(modelsFolder(facts({})), '/home/me/.local/share/agentic-microkernel/models');
    assert.equal(
      modelsFolder(facts({ env: { XDG_DATA_HOME: '/data' } })),
      '/data/agentic-microkernel/models',
    );
    assert.equal(
      modelsFolder(facts({ platform: 'darwin', home: '/Users/me' })),
      '/Users/me/Library/Application Support/agentic-microkernel/models',
    );
    assert.equal(
      modelsFolder(facts({ platform: 'win32', env: { LOCALAPPDATA: 'C:\\data' } })),
      'C:\\data\\agentic-microkernel\\models',
    );
  });
});

suite('the folder where a workspace keeps its agents', () => {
  const folder = (workspace: string, differences: Partial<UserFacts> = {}): string =>
    workspaceStateFolder(workspace, facts(differences));

  test('is one for each workspace, below the state folder of this user', () => {
    const [one, other] = [folder('/code/a'), folder('/code/b')];
    assert.match(one, /^\/home\/me\/\.local\/state\/agentic-microkernel\/workspaces\/[0-9a-f]{32}$/);
    assert.notEqual(one, other);
    assert.equal(folder('/code/a'), one);
  });

  test('follows the environment, where that names an absolute path', () => {
    assert.match(
      folder('/a', { env: { XDG_STATE_HOME: '/state' } }),
      /^\/state\/agentic-microkernel\/workspaces\//,
    );
    assert.equal(folder('/a', { env: { XDG_STATE_HOME: 'state' } }), folder('/a'));
  });

  test('AMK_STATE_DIR holds those of all workspaces', () => {
    const env = { AMK_STATE_DIR: '/here', XDG_STATE_HOME: '/state' };
    assert.match(folder('/a', { env }), /^\/here\/[0-9a-f]{32}$/);
    assert.notEqual(folder('/a', { env }), folder('/b', { env }));
    assert.equal(folder('/a', { env: { AMK_STATE_DIR: '' } }), folder('/a'));
  });

  test('macOS and Windows', () => {
    assert.match(
      folder('/a', { platform: 'darwin', home: '/Users/me' }),
      /^\/Users\/me\/Library\/Application Support\/agentic-microkernel\/workspaces\/[0-9a-f]{32}$/,
    );
    assert.match(
      folder('C:\\a', { platform: 'win32', home: 'C:\\Users\\me' }),
      /^C:\\Users\\me\\AppData\\Local\\agentic-microkernel\\workspaces\\[0-9a-f]{32}$/,
    );
  });
});
