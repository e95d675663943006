/**
 * Where the hostile cases run: a real folder with secrets beside it, real tools in real worker threads, a broker that
 * holds wide rights, and a person who says no to everything and counts how often. What lies outside is hashed, so that
 * any damage shows.
 */

import { createHash } from 'node:crypto';
import {
  cpSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/hal/clock.js';
import { createDisk, type Workspace } from '../../src/hal/disk.js';
import { createProcesses, type Processes } from '../../src/hal/process.js';
import { MemoryAudit } from '../../src/kernel/audit/memoryAudit.js';
import { Broker } from '../../src/kernel/sandbox/broker.js';
import { createToolbox, type Toolbox, type ToolOutcome } from '../../src/kernel/sandbox/toolbox.js';
import type { PermissionAnswer, PermissionRequest } from '../../src/shared/protocol.js';

export const secret = 'TOP-SECRET-7c1e';
const repository = fileURLToPath(new URL('../../../', import.meta.url));
const workerUrl = new URL('../../src/kernel/sandbox/worker.js', import.meta.url);
const reaperPath = fileURLToPath(new URL('../../src/hal/reaper.js', import.meta.url));
export const never = new AbortController().signal;

/** One attempt. It returns what stopped it, in words, or throws: then it was an escape. */
export interface Case {
  readonly class: string;
  readonly attempt: string;
  readonly run: (world: World) => Promise<string> | string;
}

export class Escape extends Error {}

export interface World extends AsyncDisposable {
  readonly root: string;
  readonly outside: string;
  readonly toolbox: Toolbox;
  readonly broker: Broker;
  readonly audit: MemoryAudit;
  readonly processes: Processes;
  readonly workspace: Workspace;
  readonly asked: PermissionRequest[];
  /** What the person says; a case that changes it is alone with it. */
  answer: (request: PermissionRequest) => PermissionAnswer | Promise<PermissionAnswer>;
  /** A call of agent 1, who may read and change everything in the workspace and run a few programs. */
  call(tool: string, given: Record<string, string>, pid?: number): Promise<ToolOutcome>;
  /** Digest of everything beside the workspace. */
  hostDigest(): string;
}

export const deny = (): PermissionAnswer => ({ kind: 'deny', reason: '' });

export async function createWorld(): Promise<World> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'escape-')));
  const root = join(folder, 'workspace');
  const outside = join(folder, 'outside');
  plant(root, outside);
  const processes = createProcesses({ reaperPath });
  const audit = new MemoryAudit();
  const asked: PermissionRequest[] = [];
  const ask = async (request: PermissionRequest): Promise<PermissionAnswer> => {
    asked.push(request);
    return await world.answer(request);
  };
  const broker = new Broker({ prompter: { ask }, clock: systemClock, audit });
  const disk = createDisk();
  const toolbox = await createToolbox({
    ...{ toolsDir: join(repository, 'wasm-tools'), workerUrl, disk, processes, broker, audit },
    log: () => undefined,
  });
  for (const capability of ['fs.read', 'fs.write'] as const) {
    broker.grant({ capability, scope: '.' }, { pid: 1, lifetime: 'run' });
  }
  broker.grant({ capability: 'fs.read', scope: 'src' }, { pid: 2, lifetime: 'run' });
  for (const scope of ['git *', 'find *', 'tar *', 'node *', 'sh *', 'env *', 'xargs *', 'ls *', 'cat *']) {
    broker.grant({ capability: 'process.run', scope }, { pid: 1, lifetime: 'run' });
  }
  const world: World = {
    ...{ root, outside, toolbox, broker, audit, processes, asked, answer: deny },
    workspace: await disk.openWorkspace(root),
    call: (tool, given, pid = 1) =>
      toolbox.invoke(
        {
          pid,
          agent: 'mallory',
          task: 'escape',
          tool,
          arguments: given,
          workspaceRoot: root,
          resultBytes: 65_536,
        },
        never,
      ),
    hostDigest: () => digestOf(outside),
    [Symbol.asyncDispose]: async () => {
      await toolbox[Symbol.asyncDispose]();
      await processes[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return world;
}

function plant(root: string, outside: string): void {
  cpSync(join(repository, 'test/fixtures/ledger'), root, { recursive: true });
  mkdirSync(join(outside, 'deep'), { recursive: true });
  writeFileSync(join(outside, 'secret.txt'), `${secret}\n`);
  writeFileSync(join(outside, 'deep/key.pem'), `${secret}\n`);
  mkdirSync(`${root}-evil`);
  writeFileSync(join(`${root}-evil`, 'secret.txt'), `${secret}\n`);
  for (const name of [
    '.vscode',
    '.git/hooks',
    '.github/workflows',
    '.husky',
    '.devcontainer',
    'links',
    'sub/.git',
  ]) {
    mkdirSync(join(root, name), { recursive: true });
  }
  symlinkSync(join(outside, 'secret.txt'), join(root, 'links/file'));
  symlinkSync(outside, join(root, 'links/folder'));
  symlinkSync('../../outside', join(root, 'links/relative'));
  symlinkSync('folder/deep', join(root, 'links/chain'));
  symlinkSync('loop', join(root, 'links/loop'));
  symlinkSync('/proc/self', join(root, 'links/proc'));
  symlinkSync('/dev/zero', join(root, 'links/zero'));
  symlinkSync('/dev/tty', join(root, 'links/tty'));
  symlinkSync('/etc', join(root, 'links/etc'));
  symlinkSync('/', join(root, 'links/slash'));
  symlinkSync(join(outside, 'not-there'), join(root, 'links/dangling'));
  linkSync(join(outside, 'secret.txt'), join(root, 'links/hard'));
  symlinkSync(root, join(outside, 'way-in'));
}

/** Names, kinds and contents. */
function digestOf(folder: string): string {
  const hash = createHash('sha256');
  const visit = (path: string): void => {
    for (const name of readdirSync(path).sort()) {
      const stats = lstatSync(join(path, name));
      hash.update(`${name} ${stats.mode} ${stats.isFile() ? readFileSync(join(path, name), 'hex') : ''}\n`);
      if (stats.isDirectory()) visit(join(path, name));
    }
  };
  visit(folder);
  return hash.digest('hex');
}
