/** Attempts to do more than was granted: programs that run programs, files that decide what runs, worn-out rights. */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createManualClock } from '../../src/hal/manualClock.js';
import { Broker, createInvocation, type Invocation } from '../../src/kernel/sandbox/broker.js';
import { covers, type Access } from '../../src/shared/capability.js';
import { KernelError } from '../../src/shared/errors.js';
import type { PermissionAnswer } from '../../src/shared/protocol.js';
import { Escape, never, type Case, type World } from './world.js';

/** Each under an open scope of its own program, and under `*`. */
const commands: readonly string[][] = [
  ...[
    ['git', '-c', 'core.pager=touch owned', 'log'],
    ['git', '-ccore.sshCommand=x', 'fetch'],
    ['git', '--config-env=core.pager=X', 'log'],
  ],
  ...[
    ['git', '--exec-path=/tmp', 'x'],
    ['git', 'fetch', '--upload-pack=touch owned'],
    ['git', 'fetch', '--upload-pa=touch owned', '.'],
  ],
  ...[
    ['git', 'clone', 'ext::sh -c id'],
    ['git', 'rebase', '-x', 'touch owned', 'HEAD'],
    ['git', 'rebase', '--exec', 'id'],
    ['git', 'grep', '-Otouch', 'x'],
  ],
  ...[
    ['git', 'bisect', 'run', 'sh'],
    ['git', 'config', 'core.hooksPath', '/tmp'],
    ['git', 'submodule', 'foreach', 'id'],
    ['git', 'difftool', '-x', 'id'],
  ],
  ...[
    ['git', '-C', '/tmp/evil', 'status'],
    ['git', '--git-dir=/tmp/evil', 'status'],
    ['git', 'diff', '--ext-diff'],
    ['git', 'log', '--output=.git/hooks/x'],
  ],
  ...[
    ['find', '.', '-exec', 'rm', '{}', '+'],
    ['find', '.', '-execdir', 'sh', '-c', 'id', ';'],
    ['find', '.', '-ok', 'id', ';'],
    ['find', '.', '-delete'],
    ['find', '.', '-fprintf', '/tmp/x', 'y'],
  ],
  ...[
    ['tar', '-cf', 'x', '--to-command=id', '.'],
    ['tar', 'xf', 'a', '--to-com', 'id'],
    ['tar', 'cf', 'x', '-I', 'touch owned', '.'],
    ['tar', 'cf', 'x', '--use-compress-program=id'],
    ['tar', 'cf', 'a', '--checkpoint=1', '--checkpoint-action=exec=id', '.'],
  ],
  ...[
    ['ssh', '-o', 'ProxyCommand=id', 'x'],
    ['scp', '-S', 'id', 'a', 'b:c'],
    ['rsync', '-e', 'sh -c id', 'a', 'b:c'],
    ['rsync', '--rsh=id', 'a', 'b:c'],
  ],
  ...[
    ['npm', '--script-shell=/tmp/evil', 'test'],
    ['npm', 'exec', 'evil'],
    ['npm', '--silent', 'exec', 'evil'],
    ['npm', 'config', 'set', 'script-shell', 'x'],
    ['npx', 'evil'],
  ],
  ...[
    ['env', 'sh', '-c', 'id'],
    ['xargs', 'rm'],
    ['sh', '-c', 'id'],
    ['bash', '-lc', 'id'],
    ['busybox', 'sh'],
    ['sudo', 'id'],
    ['nohup', 'id'],
    ['timeout', '1', 'id'],
  ],
  ...[
    ['node', '-e', 'process.exit()'],
    ['node', '--eval=1'],
    ['node', '-pe', '1'],
    ['node', '--require', './evil.cjs', 'a.js'],
    ['node', '--import=data:text/javascript,1', 'a.js'],
  ],
  ...[
    ['python3', '-c', 'print(1)'],
    ['python3.11', '-c', 'print(1)'],
    ['perl', '-e', '1'],
    ['ruby', '-e', '1'],
    ['php', '-r', '1'],
    ['awk', 'BEGIN{system("id")}'],
    ['sed', '1e id'],
  ],
  ...[
    ['make', 'SHELL=/tmp/evil'],
    ['make', '--eval=$(shell id)'],
    ['vim', '-c', ':!id'],
    ['less', 'a'],
    ['zip', '-T', '-TT', 'id', 'a', 'b'],
    ['sort', '--compress-program=id'],
    ['split', '--filter=id', 'a'],
  ],
  ...[
    ['curl', '-K', 'x'],
    ['curl', '-o', '.git/hooks/x', 'u'],
    ['wget', '-O', '.bashrc', 'u'],
    ['rg', '--pre', 'id', 'x'],
    ['go', 'test', '-exec', 'id'],
    ['gcc', '-wrapper', 'id', 'a.c'],
    ['docker', 'run', '-v', '/:/h', 'x'],
  ],
];

/** CVE-2026-110206: what an allow list lets through because a shell would make something else of it. */
const substitutions: readonly string[][] = [
  ...[
    ['git', 'log', '$(touch owned)'],
    ['git', 'log', '`touch owned`'],
    ['ls', '${IFS}owned'],
    ['ls', 'a\nrm -rf .'],
    ['ls', 'a\r\nrm'],
    ['cat', '\u001b]0;x\u0007'],
    ['ls', '$(cat /etc/passwd)'],
  ],
];

const guarded = [
  ...[
    '.vscode/settings.json',
    '.vscode/tasks.json',
    '.vscode/launch.json',
    'evil.code-workspace',
    '.git/config',
    '.git/hooks/pre-commit',
  ],
  ...[
    'sub/.git/config',
    '.github/workflows/ci.yml',
    '.husky/pre-push',
    '.devcontainer/devcontainer.json',
    'package.json',
    '.npmrc',
    '.envrc',
    '.gitattributes',
  ],
];

export function rightCases(world: World): Case[] {
  return [
    ...commands.map((argv): Case => ({
      class: 'argv that runs programs',
      attempt: argv.join(' '),
      run: () => notOpen(argv),
    })),
    ...substitutions.map((argv): Case => ({
      class: 'substitution (CVE-2026-110206)',
      attempt: JSON.stringify(argv),
      run: () => notOpen(argv),
    })),
    {
      class: 'argv that runs programs',
      attempt: 'sh under the name of a harmless link',
      run: () => renamed(),
    },
    ...[
      'git -c core.pager=touch\\ owned log',
      'find . -exec touch owned {} +',
      'sh -c id',
      'env sh',
      'xargs id',
      'node -e 1',
      'tar cf x --to-command=id .',
    ].map((command): Case => ({
      ...{ class: 'argv, really called', attempt: command },
      run: () => refusedCall(world, command),
    })),
    ...[
      'ls; id',
      'ls | sh',
      'ls && id',
      'ls > owned',
      'ls & id',
      'cat < /etc/passwd',
      'ls $(id)',
      'ls `id`',
      'ls "unclosed',
    ].map((command): Case => ({
      ...{ class: 'shell syntax, really called', attempt: command },
      run: () => refusedCall(world, command),
    })),
    ...guarded.map((path): Case => ({
      class: 'own approval (CVE-2025-53773)',
      attempt: path,
      run: () => asksForGuarded(world, path),
    })),
    ...worn(),
  ];
}

function notOpen(argv: readonly string[]): string {
  const access: Access = { capability: 'process.run', argv };
  for (const scope of [`${argv[0] ?? ''} *`, '*']) {
    if (covers({ capability: 'process.run', scope }, access)) throw new Escape(`${scope} covers it`);
  }
  return 'no open scope covers it';
}

function renamed(): string {
  const access: Access = {
    capability: 'process.run',
    argv: ['./list', '-c', 'id'],
    executable: '/usr/bin/dash',
  };
  if (covers({ capability: 'process.run', scope: './list *' }, access))
    throw new Escape('./list * covers it');
  return 'judged by the file it names';
}

async function refusedCall(world: World, command: string): Promise<string> {
  const { text, ok } = await world.call('run', { command });
  const isOwned = await world.workspace.resolve('owned').then(
    () => true,
    () => false,
  );
  if (isOwned || (ok && !text.startsWith('denied'))) throw new Escape(text.slice(0, 80));
  return text.split('\n')[0]?.slice(0, 90) ?? '';
}

/** Agent 1 may change `.`, which is not enough: a person is asked, says no, and the file stays. */
async function asksForGuarded(world: World, path: string): Promise<string> {
  const real = join(world.root, path);
  mkdirSync(dirname(real), { recursive: true });
  writeFileSync(real, 'approve: never');
  const before = world.asked.length;
  const { ok } = await world.call('edit_file', { path, find: 'never', replace: 'always' });
  if (ok || readFileSync(real, 'utf8') !== 'approve: never') throw new Escape('it was changed unasked');
  if (world.asked.length === before) throw new Escape('nobody was asked');
  return 'asked, and denied';
}

const access: Access = { capability: 'fs.write', path: 'src/a.ts' };
const allow = (lifetime: 'once' | 'run' | 'workspace', scope: string): PermissionAnswer => ({
  kind: 'allow',
  lifetime,
  scope,
});

interface Desk {
  readonly broker: Broker;
  readonly clock: ReturnType<typeof createManualClock>;
  readonly wish: (pid?: number, workspace?: string, of?: Access) => Promise<unknown>;
}

function desk(
  answer: () => PermissionAnswer | Promise<PermissionAnswer> = () => ({ kind: 'deny', reason: '' }),
): Desk {
  const clock = createManualClock(1000);
  const broker = new Broker({ prompter: { ask: async () => await answer() }, clock });
  const invocation = (pid: number, workspace: string): Invocation =>
    createInvocation({ pid, agent: 'mallory', task: '', tool: 'edit_file', workspace });
  return {
    broker,
    clock,
    wish: (pid = 1, workspace = '/w', of = access) =>
      broker.require(invocation(pid, workspace), of, '', never),
  };
}

async function refusedWish(wish: Promise<unknown>): Promise<string> {
  try {
    await wish;
  } catch (error) {
    if (error instanceof KernelError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Escape('it passed');
}

/** Rights that are of another, over, or not what was said. */
function worn(): Case[] {
  const of = (attempt: string, run: () => Promise<string>): Case => ({
    class: 'rights of others, or over',
    attempt,
    run,
  });
  const spec = { capability: 'fs.write', scope: 'src' } as const;
  return [
    of('a right of another agent', async () => {
      const { broker, wish } = desk();
      broker.grant(spec, { pid: 2, lifetime: 'run' });
      return await refusedWish(wish());
    }),
    of('a right of an agent that has ended', async () => {
      const { broker, wish } = desk();
      broker.grant(spec, { pid: 1, lifetime: 'run' });
      broker.endRun(1);
      return await refusedWish(wish());
    }),
    of('a right of another workspace', async () => {
      const { broker, wish } = desk();
      broker.grant(spec, { workspace: '/other', lifetime: 'workspace' });
      return await refusedWish(wish());
    }),
    of('a right that was revoked', async () => {
      const { broker, wish } = desk();
      broker.revoke(broker.grant(spec, { pid: 1, lifetime: 'session' }).id);
      return await refusedWish(wish());
    }),
    of('a right that has expired', async () => {
      const { broker, clock, wish } = desk();
      broker.grant({ ...spec, expiresAt: clock.wallClock() }, { pid: 1, lifetime: 'run' });
      return await refusedWish(wish());
    }),
    of('a right for one use, twice', async () => {
      const { broker, wish } = desk();
      broker.grant({ ...spec, uses: 1 }, { pid: 1, lifetime: 'run' });
      await wish();
      return await refusedWish(wish());
    }),
    of('once, in the next call', async () => {
      let asked = 0;
      const { wish } = desk(() => (asked++ === 0 ? allow('once', 'src/a.ts') : { kind: 'deny', reason: '' }));
      await wish();
      return await refusedWish(wish());
    }),
    of('a yes to something else', async () => await refusedWish(desk(() => allow('run', 'docs')).wish())),
    of('a yes with a scope outside', async () => await refusedWish(desk(() => allow('run', '../..')).wish())),
    of(
      'a person who cannot be asked',
      async () => await refusedWish(desk(() => Promise.reject(new Error('gone'))).wish()),
    ),
    of('reading, used for changing', async () => {
      const { broker, wish } = desk();
      broker.grant({ capability: 'fs.read', scope: '.' }, { pid: 1, lifetime: 'run' });
      return await refusedWish(wish());
    }),
    of('a path that is not resolved', async () => {
      const { broker, wish } = desk();
      broker.grant(spec, { pid: 1, lifetime: 'run' });
      return await refusedWish(wish(1, '/w', { capability: 'fs.write', path: 'src/../x' }));
    }),
    of('a file named like a pattern', async () => {
      const { broker, wish } = desk();
      broker.grant({ capability: 'fs.write', scope: '\\*' }, { pid: 1, lifetime: 'run' });
      return await refusedWish(wish());
    }),
    of('a full disk under the audit log', async () => {
      const audit = { record: () => Promise.reject(new KernelError('storageFull', 'the disk is full')) };
      const broker = new Broker({
        prompter: { ask: () => Promise.resolve(allow('run', '.')) },
        clock: createManualClock(0),
        audit,
      });
      broker.grant({ capability: 'fs.write', scope: '.' }, { pid: 1, lifetime: 'run' });
      const invocation = createInvocation({
        pid: 1,
        agent: 'mallory',
        task: '',
        tool: 'edit_file',
        workspace: '/w',
      });
      return await refusedWish(broker.require(invocation, access, '', never));
    }),
  ];
}
