// `npm test`: builds everything, runs every suite in turn with its output as it comes, and ends with one line that
// counts them all: `N passed, N failed`, and `N skipped` when there is something to say. Promises that this line is the
// last, that a suite which crashed, hung or left no results counts as a failure, and that the exit status is 0 only
// when nothing failed. A suite that this machine cannot run is named just above the count; with CI=true it is a failure.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addResults, compile, endOnSignals, noResults, run } from './suite.mjs';

const minutes = 60_000;
const mocha = (folder, timeoutMs) => [
  'out/test/support/runMocha.js',
  ...['--timeout', String(timeoutMs)],
  `out/test/${folder}`,
];
const suites = [
  { name: 'wasm tools', args: ['wasm-tools/build.mjs', '--check'], limitMs: 3 * minutes, isCheck: true },
  { name: 'simd', args: ['simd/build.mjs', '--check'], limitMs: minutes, isCheck: true },
  { name: 'unit', args: mocha('unit', 5_000), limitMs: 6 * minutes },
  { name: 'escape', args: ['out/test/escape/main.js'], limitMs: 3 * minutes, isCheck: true },
  { name: 'model', args: mocha('model', 120_000), limitMs: 10 * minutes },
  { name: 'interop', args: mocha('interop', 120_000), limitMs: 6 * minutes },
  { name: 'stores', args: ['scripts/storeTests.mjs', '--built'], limitMs: 5 * minutes },
  { name: 'host', args: ['scripts/hostTests.mjs', '--built'], limitMs: 9 * minutes },
  { name: 'ui', args: ['scripts/uiTests.mjs', '--built'], limitMs: 9 * minutes },
];

endOnSignals();
const scratch = await mkdtemp(join(tmpdir(), 'test-results-'));
const unavailable = [];
let sum = noResults();
try {
  await timed('build', compile);
  for (const suite of suites) {
    const results = await timed(suite.name, () => runSuite(suite));
    sum = addResults(sum, results);
    if (results.unavailable !== undefined)
      unavailable.push({ name: suite.name, reason: results.unavailable });
  }
} catch (error) {
  sum = addResults(sum, failure('build', error.message));
}
await rm(scratch, { recursive: true, force: true });
conclude();

async function timed(name, work) {
  console.log(`\n=== ${name}`);
  const startedAt = performance.now();
  try {
    return await work();
  } finally {
    console.log(`=== ${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  }
}

/** Runs one suite and believes its results file; what the process itself says only adds to it. */
async function runSuite({ name, args, limitMs, isCheck = false }) {
  const file = join(scratch, `${name.replace(' ', '-')}.json`);
  const { code, timedOut } = await run(process.execPath, args, {
    env: { AMK_TEST_RESULTS: file },
    timeoutMs: limitMs,
  });
  if (isCheck && code === 0) return { ...noResults(), passed: 1 };
  const results = existsSync(file) ? JSON.parse(await readFile(file, 'utf8')) : noResults();
  if (timedOut) return addResults(results, failure(name, `did not end within ${limitMs / 1000} s`));
  const explained = results.failed > 0 || results.unavailable !== undefined;
  if (code !== 0 && !explained) return addResults(results, failure(name, `ended with exit status ${code}`));
  if (!existsSync(file)) return failure(name, 'left no results');
  return results;
}

function failure(title, message) {
  return { ...noResults(), failed: 1, failures: [{ title, message }] };
}

function conclude() {
  if (process.env['CI'] === 'true') {
    for (const { name, reason } of unavailable) sum = addResults(sum, failure(`${name} suite`, reason));
  }
  for (const { title, message } of sum.failures)
    console.log(`\nFAILED ${title}\n  ${message.replaceAll('\n', '\n  ')}`);
  console.log('');
  for (const { name, reason } of unavailable) console.log(`skipped suite ${name}: ${reason}`);
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : '';
  console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`);
  process.exitCode = sum.failed === 0 ? 0 : 1;
}
