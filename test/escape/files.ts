/** Attempts to reach files: by how a path is written, by links of every kind, by what is no file, and by timing. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Escape, secret, type Case, type World } from './world.js';
import { createDisk } from '../../src/hal/disk.js';

const first = (text: string): string => text.split('\n')[0]?.slice(0, 90) ?? '';

/** Reading must fail or show nothing of what lies outside. */
async function mustNotShow(world: World, tool: string, given: Record<string, string>): Promise<string> {
  const { text, ok } = await world.call(tool, given);
  const told = text.replaceAll(secret, '!');
  if (text.includes(secret) || /root:.*:0:0/.test(text)) throw new Escape(`it was shown: ${first(told)}`);
  if (ok && tool !== 'search') throw new Escape(`it succeeded: ${first(told)}`);
  return first(text);
}

const above = (world: World): readonly string[] => [
  ...[
    '../outside/secret.txt',
    'src/../../outside/secret.txt',
    './././../outside/secret.txt',
    '..//outside//secret.txt',
  ],
  ...[
    'src/../../../../../../../../etc/passwd',
    '/etc/passwd',
    '//etc/passwd',
    '/proc/self/environ',
    '/proc/self/cwd/../outside/secret.txt',
  ],
  ...[
    '/proc/self/root/etc/passwd',
    '/dev/fd/0',
    '/dev/zero',
    '/dev/stdin',
    '~/.ssh/id_rsa',
    '$HOME/.bashrc',
    '${HOME}/.bashrc',
  ],
  ...[
    '../workspace-evil/secret.txt',
    `${world.root}-evil/secret.txt`,
    `${world.root}/../outside/secret.txt`,
    `${world.outside}/secret.txt`,
  ],
  ...[
    'src/tax.ts\0',
    'src/tax.ts\0/../../../outside/secret.txt',
    '\\\\server\\share\\secret.txt',
    '//server/share/secret.txt',
  ],
  ...[
    '\\\\?\\C:\\secret',
    'C:\\Windows\\win.ini',
    'C:secret.txt',
    'file:///etc/passwd',
    '%2e%2e/outside/secret.txt',
    '..%2foutside/secret.txt',
  ],
  ...[
    '..\\outside\\secret.txt',
    '\u2025/outside/secret.txt',
    '\uff0e\uff0e/outside/secret.txt',
    '.\u200b./outside/secret.txt',
  ],
  ...[
    '..\u0301/outside/secret.txt',
    'SRC/../../OUTSIDE/secret.txt',
    '.. /outside/secret.txt',
    '.../outside/secret.txt',
    '',
  ],
  ...[
    'a/'.repeat(5000),
    'x'.repeat(100_000),
    'CON',
    'NUL',
    'aux.txt',
    'src/tax.ts::$DATA',
    'links/slash/etc/passwd',
  ],
];

const links = [
  'file',
  'folder/secret.txt',
  'relative/secret.txt',
  'chain/key.pem',
  'loop',
  'proc/environ',
  'proc/root/etc/passwd',
  'proc/cwd/../outside/secret.txt',
  'zero',
  'tty',
  'etc/passwd',
  'dangling',
];

export function fileCases(world: World): Case[] {
  return [
    ...above(world).map((path): Case => ({
      class: 'path, read',
      attempt: path,
      run: () => mustNotShow(world, 'read_file', { path }),
    })),
    ...above(world)
      .slice(0, 14)
      .map((path): Case => ({
        ...{ class: 'path, change', attempt: path },
        run: () => mustNotShow(world, 'edit_file', { path, find: 'SECRET', replace: 'owned' }),
      })),
    ...[
      '..',
      '../outside',
      '/',
      '/etc',
      '/proc/self',
      'links/folder',
      'links/etc',
      'links/slash',
      'links/proc',
    ].map((path): Case => ({
      class: 'path, list',
      attempt: path,
      run: () => mustNotShow(world, 'list_dir', { path }),
    })),
    ...links.map((name): Case => ({
      class: 'link, read (CVE-2026-25724)',
      attempt: `links/${name}`,
      run: () => mustNotShow(world, 'read_file', { path: `links/${name}` }),
    })),
    ...links.slice(0, 4).map((name): Case => ({
      ...{ class: 'link, change (CVE-2026-25724)', attempt: `links/${name}` },
      run: () => mustNotShow(world, 'edit_file', { path: `links/${name}`, find: 'SECRET', replace: 'owned' }),
    })),
    { class: 'link, search', attempt: 'a search of the whole workspace', run: () => searchMisses(world) },
    { class: 'link, change', attempt: 'a hard link to a file outside', run: () => hardLink(world) },
    ...special(world),
    ...races(world),
    {
      class: 'link, root',
      attempt: 'a workspace that is reached through a link',
      run: () => rootBehindLink(world),
    },
  ];
}

/** It may find what a hard link names, which no file system can tell from any other file; nothing through a link. */
async function searchMisses(world: World): Promise<string> {
  const { text } = await world.call('search', { query: secret });
  const through = text.split('\n').filter((line) => line.includes(secret) && !line.startsWith('links/hard'));
  if (through.length > 0) throw new Escape(`found: ${through[0] ?? ''}`);
  return 'links are not followed';
}

/** A change makes a new file under the name: the other name keeps the old one. */
async function hardLink(world: World): Promise<string> {
  await world.call('edit_file', { path: 'links/hard', find: secret, replace: 'owned' });
  if (!readFileSync(join(world.outside, 'secret.txt'), 'utf8').includes(secret))
    throw new Escape('changed outside');
  return 'the name got a new file';
}

function special(world: World): Case[] {
  const at = (name: string): string => join(world.root, name);
  const fifo = (): void => void execFileSync('mkfifo', [at('fifo')]);
  return [
    {
      class: 'no file',
      attempt: 'a FIFO, read',
      run: () => {
        fifo();
        return mustNotShow(world, 'read_file', { path: 'fifo' });
      },
    },
    {
      class: 'no file',
      attempt: 'a FIFO, changed',
      run: () => mustNotShow(world, 'edit_file', { path: 'fifo', find: 'a', replace: 'b' }),
    },
    {
      class: 'no file',
      attempt: 'a FIFO in the way of a search',
      run: async () => first((await world.call('search', { query: 'parseEntries' })).text).slice(0, 40),
    },
  ];
}

type Swap = (world: World, name: string) => void;

const swaps: readonly (readonly [string, Swap])[] = [
  [
    'a file becomes a link',
    ({ root, outside }, name) => {
      rmSync(join(root, name, 'secret.txt'));
      symlinkSync(join(outside, 'secret.txt'), join(root, name, 'secret.txt'));
    },
  ],
  [
    'its folder becomes a link',
    ({ root, outside }, name) => {
      renameSync(join(root, name), join(root, `${name}-old`));
      symlinkSync(outside, join(root, name));
    },
  ],
  [
    'its folder is moved away and a link put there',
    ({ root, outside }, name) => {
      rmSync(join(root, name), { recursive: true });
      symlinkSync(outside, join(root, name));
    },
  ],
];

/** The person says yes, and meanwhile the path becomes another one. */
function races(world: World): Case[] {
  const whileAsked = swaps.flatMap(([how, swap], index) =>
    (['read_file', 'edit_file'] as const).map((tool): Case => ({
      ...{ class: 'swapped after the check (TOCTOU)', attempt: `${how}, ${tool}` },
      run: async () => {
        const name = `race${index}${tool}`;
        mkdirSync(join(world.root, name));
        writeFileSync(join(world.root, name, 'secret.txt'), 'harmless SECRET');
        world.answer = ({ access }) => {
          swap(world, name);
          return {
            kind: 'allow',
            lifetime: 'once',
            scope: access.capability === 'process.run' ? '' : access.path,
          };
        };
        const path = `${name}/secret.txt`;
        const given: Record<string, string> =
          tool === 'read_file' ? { path } : { path, find: 'SECRET', replace: 'owned' };
        const { text, ok } = await world.call(tool, given, 3);
        if (ok || text.includes(secret)) throw new Escape(first(text));
        return first(text);
      },
    })),
  );
  const spinning: Case = {
    ...{
      class: 'swapped after the check (TOCTOU)',
      attempt: 'a folder that is a link every other moment, 300 reads',
    },
    run: async () => {
      const path = join(world.root, 'spin');
      mkdirSync(path);
      writeFileSync(join(path, 'secret.txt'), 'harmless');
      const over = new AbortController();
      const spin = (async () => {
        while (!over.signal.aborted) {
          renameSync(path, `${path}-real`);
          symlinkSync(world.outside, path);
          await new Promise((resolve) => setImmediate(resolve));
          rmSync(path);
          renameSync(`${path}-real`, path);
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      let read = 0;
      for (let round = 0; round < 300; round++) {
        try {
          const target = await world.workspace.resolve('spin/secret.txt');
          const text = Buffer.from(await world.workspace.readFile(target, 1000)).toString();
          if (text.includes(secret)) throw new Escape('it was read through the link');
          read += 1;
        } catch (error) {
          if (error instanceof Escape) throw error;
        }
      }
      over.abort();
      await spin;
      return `${read} reads of the real file, no other`;
    },
  };
  return [...whileAsked, spinning];
}

async function rootBehindLink(world: World): Promise<string> {
  const workspace = await createDisk().openWorkspace(join(world.outside, 'way-in'));
  if (workspace.root !== world.root) throw new Escape(`it is ${workspace.root}`);
  for (const path of ['../secret.txt', `${world.outside}/secret.txt`]) {
    const target = await workspace.resolve(path).catch(() => undefined);
    if (target !== undefined) throw new Escape(`${path} was resolved`);
  }
  return 'judged by its real path';
}
