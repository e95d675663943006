// Runs compiled test files with mocha in this process: `runMocha.js [--timeout MS] FOLDER…`. Promises to leave the
// results in the file that AMK_TEST_RESULTS names. It never forces the process to end: a test that leaves something
// open must be seen, and is, by whoever waits for this process.

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Mocha from 'mocha';
import { recordResults, writeResults, type SuiteResults } from './results.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { timeout: { type: 'string', default: '5000' }, reporter: { type: 'string', default: 'dot' } },
});

// Ended from outside, it ends by `exit`, so that what the tests started goes with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));

const mocha = new Mocha({
  ui: 'tdd',
  timeout: Number(values.timeout),
  reporter: values.reporter,
  forbidOnly: true,
});
for (const folder of positionals) {
  const names = await readdir(folder, { recursive: true });
  for (const name of names.sort()) if (name.endsWith('.test.js')) mocha.addFile(join(folder, name));
}
await mocha.loadFilesAsync();
const results = await run(mocha);
const file = process.env['AMK_TEST_RESULTS'];
if (file !== undefined) await writeResults(results, file);
process.exitCode = results.failed === 0 ? 0 : 1;

function run(suites: Mocha): Promise<SuiteResults> {
  return new Promise((resolve) => {
    const runner = suites.run(() => resolve(recorded));
    const recorded = recordResults(runner);
  });
}
