/** Hostile modules, requests that lie, texts that imitate a prompt, and floods of all of them. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describeWish } from '../../src/cli/permissionDialog.js';
import { wishOf } from '../../src/extension/permissionText.js';
import { compileConfined } from '../../src/kernel/sandbox/confine.js';
import { decodeFields, encodeFields, textOf } from '../../src/kernel/sandbox/fields.js';
import { Sandbox } from '../../src/kernel/sandbox/sandbox.js';
import { KernelError } from '../../src/shared/errors.js';
import { sandboxLimits } from '../../src/shared/limits.js';
import { Escape, never, type Case, type World } from './world.js';

const folder = fileURLToPath(new URL('../../../test/fixtures/hostile/', import.meta.url));
const workerUrl = new URL('../../src/kernel/sandbox/worker.js', import.meta.url);
const limits = {
  ...sandboxLimits,
  memoryPages: 64,
  deadlineMs: 300,
  startMs: 1500,
  outputBytes: 65_536,
  hostCalls: 1000,
};

/** Fixtures that end by themselves, having got no more than everybody may have. */
const harmless: ReadonlySet<string> = new Set(['oneHostCall', 'memoryOfCalls']);
/** What is refused more goes on with what it has; so the growth of this process is what is judged. */
const bombs: ReadonlySet<string> = new Set(['memoryBomb', 'tableBomb', 'negativeAllocation']);

const names = readdirSync(folder)
  .filter((name) => name.endsWith('.wasm'))
  .map((name) => name.slice(0, -5))
  .filter((name) => !harmless.has(name));

export function moduleCases(world: World): Case[] {
  return [
    ...names.map((name): Case => ({ class: 'module', attempt: name, run: () => runModule(name) })),
    {
      class: 'module',
      attempt: 'any bytes as a module',
      run: () => refuses(() => compileConfined(Buffer.from('MZ'.repeat(99)), [], limits)),
    },
    {
      class: 'module',
      attempt: 'a module of 2 MB',
      run: () => refuses(() => compileConfined(new Uint8Array(2 ** 21), [], limits)),
    },
    ...requests(),
    ...imitations(),
    {
      class: 'flood',
      attempt: '12 hostile modules at once beside 3 agents at work',
      run: () => manyAtOnce(world),
    },
    { class: 'flood', attempt: '200 calls of denied agents at once', run: () => deniedFlood(world) },
  ];
}

async function runModule(name: string): Promise<string> {
  const before = process.memoryUsage.rss();
  let sandbox: Sandbox | undefined;
  try {
    const module = await compileConfined(readFileSync(`${folder}${name}.wasm`), ['fs_read'], limits);
    sandbox = new Sandbox({ workerUrl, name, module, hostFunctions: ['fs_read'], limits });
    await sandbox.ready();
    const { ok, output } = await sandbox.call(
      new Uint8Array(8),
      () => Promise.resolve(Buffer.from('\u0001no')),
      never,
    );
    const grown = process.memoryUsage.rss() - before;
    if (grown > 256e6) throw new Escape(`${Math.round(grown / 1e6)} MB more`);
    if (ok && !bombs.has(name) && output.length > limits.outputBytes)
      throw new Escape('more output than allowed');
    return bombs.has(name)
      ? `refused more, at ${Math.round(grown / 1e6)} MB`
      : `within its limits, ${output.length} bytes out`;
  } catch (error) {
    if (error instanceof KernelError && error.code !== 'bug')
      return `${error.code}: ${error.message}`.slice(0, 90);
    throw error;
  } finally {
    await sandbox?.end();
  }
}

async function refuses(work: () => unknown): Promise<string> {
  try {
    await work();
  } catch (error) {
    if (error instanceof KernelError && error.code !== 'bug')
      return `${error.code}: ${error.message}`.slice(0, 90);
    throw error;
  }
  throw new Escape('it was taken');
}

/** What a module may send in a host call. */
function requests(): Case[] {
  const of = (attempt: string, run: () => unknown): Case => ({
    class: 'request that lies',
    attempt,
    run: () => refuses(run),
  });
  return [
    of('a length beyond the end', () => decodeFields(Buffer.from([255, 255, 255, 127, 1]))),
    of('a length that is negative as a signed number', () => decodeFields(Buffer.from([255, 255, 255, 255]))),
    of('half a length', () => decodeFields(Buffer.from([1, 0]))),
    of('a path that is no UTF-8', () => textOf(Buffer.from([0x2e, 0xc0, 0xae]))),
    of('an overlong ..', () => textOf(Buffer.from([0xe0, 0x80, 0xae, 0xe0, 0x80, 0xae]))),
    of('a half of a surrogate pair', () => textOf(Buffer.from([0xed, 0xa0, 0x80]))),
    of('no path at all', () => textOf(decodeFields(encodeFields([]))[0])),
  ];
}

const imitating: readonly (readonly [string, string])[] = [
  ['a right-to-left override', 'src/\u202egpj.exe'],
  ['bidi isolates', 'a\u2066b\u2069'],
  ['zero-width characters', 'a\u200b\u200c\u200d\ufeffb'],
  ['a line feed and another prompt', 'a.ts\nscout (1) wants to read b.ts  [o]nce?'],
  ['a carriage return over the line', 'rm -rf /\rread a.ts   '],
  ['terminal escapes', '\u001b[2J\u001b[1;1Hsafe'],
  ['a title of the terminal', '\u001b]0;safe\u0007'],
  ['a command link', '[ok](command:workbench.action.terminal.new)'],
  ['blanks that push the end away', `a${'\u2003'.repeat(200)}b`],
  ['a line separator', 'a\u2028b\u2029c'],
  ['invisible letters', 'a\u3164\u115f\u2800b'],
  ['tag characters', 'a\u{e0061}\u{e007f}b'],
  ['C1 controls', 'a\u009b2Jb'],
  ['a lone surrogate', 'a\ud800b'],
  ['a no-break blank', 'rm\u00a0-rf'],
];

const deceptive = /(?! )[\p{C}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u;

function imitations(): Case[] {
  return imitating.flatMap(([attempt, text]) =>
    (['fs.read', 'process.run'] as const).map((capability): Case => ({
      ...{
        class: 'prompt imitation',
        attempt: `${attempt}, as ${capability === 'fs.read' ? 'a path' : 'an argument'}`,
      },
      run: () => {
        const access =
          capability === 'fs.read' ? { capability, path: text } : { capability, argv: ['ls', text] };
        const request = {
          pid: 1,
          agent: text,
          task: text,
          tool: 'read_file',
          access,
          target: `/w/${text}`,
        } as const;
        const shown = [
          describeWish(request),
          wishOf(request, { nameIsShared: true, showsAbsolutePath: true }).notification,
        ];
        for (const line of shown) {
          if (deceptive.test(line)) throw new Escape(JSON.stringify(line));
        }
        if (shown[1]?.includes('](') === true) throw new Escape('a link');
        return 'escaped';
      },
    })),
  );
}

async function manyAtOnce(world: World): Promise<string> {
  const hostile = ['endlessLoop', 'memoryBomb', 'allocationBomb', 'hugeOutput', 'hostCallFlood', 'tableBomb'];
  const start = performance.now();
  const [work] = await Promise.all([
    Promise.all([1, 2, 3].map(() => world.call('search', { query: 'parseEntries' }))),
    ...[...hostile, ...hostile].map(runModule),
  ]);
  if (!work.every(({ ok }) => ok)) throw new Escape('an agent at work was stopped');
  return `3 agents answered; all stopped after ${Math.round(performance.now() - start)} ms`;
}

async function deniedFlood(world: World): Promise<string> {
  const outcomes = await Promise.all(
    Array.from({ length: 200 }, (_, index) => world.call('read_file', { path: 'README.md' }, 100 + index)),
  );
  if (outcomes.some(({ ok }) => ok)) throw new Escape('one of them read');
  return 'all denied';
}
