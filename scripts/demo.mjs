// Three agents at once on a copy of a small real project, on the embedded model: two look something up, one changes
// a file and needs a right for it. Afterwards the answers are compared with the truth, which is read from the files.
// In a terminal the right is asked for; without one it is given on the command line, and said so.
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));
const project = join(repository, 'test/fixtures/ledger');

const wanted = { defined: 'parseEntries', exporting: 'src/money.ts' };
const rename = { file: 'src/report.ts', from: 'calcTotal', to: 'totalOf' };

/** Runs a program of this repository with this terminal; resolves with its status and, where piped, its output. */
function start(args, stdout) {
  const child = spawn(process.execPath, args, { cwd: repository, stdio: ['inherit', stdout, 'inherit'] });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (piece) => (output += piece));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve({ status, output }));
  });
}

const linesOf = (root, path) => readFileSync(join(root, path), 'utf8').split('\n');

const declaration = /^(export\s+)?(?:async\s+)?(?:function|class|const|interface|type)\s+(\w+)/;

/** Where a name is defined, as `path:line`. */
function definitionOf(root, name) {
  for (const file of readdirSync(join(root, 'src'))) {
    const line = linesOf(root, `src/${file}`).findIndex((each) => declaration.exec(each)?.[2] === name);
    if (line >= 0) return `src/${file}:${line + 1}`;
  }
  throw new Error(`${name} is not defined in ${root}`);
}

const exportsOf = (root, path) =>
  linesOf(root, path).flatMap((line) => {
    const [, isExported, name] = declaration.exec(line) ?? [];
    return isExported ? [name] : [];
  });

const unique = (words) => [...new Set(words)].sort();
const isSame = (left, right) => unique(left).join() === unique(right).join();

/** Each task with the check of its answer: what is true, and whether the answer says so and nothing else. */
function tasksFor(root) {
  const definition = definitionOf(root, wanted.defined);
  const names = exportsOf(root, wanted.exporting);
  const before = readFileSync(join(root, rename.file), 'utf8');
  const after = before.replaceAll(new RegExp(`\\b${rename.from}\\b`, 'g'), rename.to);
  return [
    {
      task: `Where is ${wanted.defined} defined?`,
      truth: definition,
      isTrue: (answer) => isSame(answer.match(/[\w/.-]+\.\w+:\d+/g) ?? [], [definition]),
    },
    {
      task: `What does ${wanted.exporting} export?`,
      truth: names.join(', '),
      isTrue: (answer) => isSame(/ exports (.*)/s.exec(answer)?.[1]?.match(/\w+/g) ?? [], names),
    },
    {
      task: `Rename ${rename.from} to ${rename.to} in ${rename.file}.`,
      truth: `every ${rename.from} is ${rename.to}, and nothing else changed`,
      isTrue: () => readFileSync(join(root, rename.file), 'utf8') === after,
    },
  ];
}

/** The lines that differ; a rename moves none. */
function showChange(root, path) {
  const before = linesOf(project, path);
  const after = linesOf(root, path);
  const changed = before.flatMap((line, index) => (line === after[index] ? [] : [index]));
  console.log(changed.length === 0 ? `\n${path} was not changed.` : `\nChanged in ${path}:`);
  for (const index of changed) {
    console.log(`  ${index + 1} - ${before[index]}\n  ${index + 1} + ${after[index] ?? ''}`);
  }
}

function report(tasks, agents) {
  let isAllTrue = agents.length === tasks.length;
  for (const [index, { task, truth, isTrue }] of tasks.entries()) {
    const agent = agents[index];
    const isRight = agent?.state === 'answered' && isTrue(agent.answer);
    isAllTrue &&= isRight;
    console.log(`\n${task}`);
    console.log(
      `  ${agent?.name ?? 'nobody'}: ${(agent?.answer || agent?.error?.message || 'no answer').trim()}`,
    );
    console.log(`  ${isRight ? 'true' : 'NOT TRUE'}, the files say: ${truth}`);
  }
  return isAllTrue;
}

async function demo(root) {
  cpSync(project, root, { recursive: true });
  const tasks = tasksFor(root);
  const isAsked = process.stdin.isTTY && process.stderr.isTTY;
  const grants = ['fs.read:.', ...(isAsked ? [] : [`fs.write:${rename.file}`])];
  console.log(
    `Three agents at once on ${root}, on the embedded model. Granted from the start: ${grants.join(', ')}.`,
  );
  console.log(
    isAsked
      ? 'The third wants to change a file and will ask you: press o to allow it once.\n'
      : 'There is no terminal to ask for the right to change a file, so it is granted beforehand.\n',
  );
  const { status, output } = await start(
    [
      ...['dist/cli.js', 'run', '--json', '--workspace', root],
      ...grants.flatMap((grant) => ['--grant', grant]),
      ...tasks.map(({ task }) => task),
    ],
    'pipe',
  );
  if (output === '') throw new Error(`amk ended with status ${status} and without a document`);
  const { agents, kernel, error } = JSON.parse(output);
  if (error) throw new Error(error.message);
  const isAllTrue = report(tasks, agents);
  showChange(root, rename.file);
  const { model, device, peakRssBytes, ms } = kernel;
  const seconds = (ms.total / 1000).toFixed(1);
  console.log(`\n${model} on ${device}: ${seconds} s in all, ${Math.round(peakRssBytes / 1e6)} MB at most.`);
  console.log(isAllTrue ? 'All three answers are true.' : 'Not every answer is true.');
  return isAllTrue && status === 0 ? 0 : 1;
}

// Building takes a second; what was built before may be of another state of the source.
const { status } = await start(['esbuild.mjs'], 'inherit');
if (status !== 0) process.exit(status ?? 1);

// Ctrl-c goes to the agents as well: they stop and report, and this program cleans up after them.
process.on('SIGINT', () => undefined);
const root = realpathSync(mkdtempSync(join(tmpdir(), 'amk-demo-')));
try {
  process.exitCode = await demo(root);
} finally {
  rmSync(root, { recursive: true, force: true });
}
