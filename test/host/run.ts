// The module that the editor's extension host loads to run the tests that were bundled beside it: mocha in the same
// process as the extension. Promises that `run` rejects when a test failed, which is the exit code the editor reports,
// and that results.json beside it says which.

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import Mocha from 'mocha';
import { recordResults, writeResults, type SuiteResults } from '../support/results.js';

/** The editor calls this once its workbench is up. */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'tdd', timeout: 60_000, reporter: 'spec', color: false, forbidOnly: true });
  for (const name of readdirSync(__dirname).sort()) {
    if (name.endsWith('.test.cjs')) mocha.addFile(join(__dirname, name));
  }
  const results = await new Promise<SuiteResults>((resolve) => {
    const runner = mocha.run(() => resolve(recorded));
    const recorded = recordResults(runner);
  });
  await writeResults(results, join(__dirname, 'results.json'));
  if (results.failed > 0) throw new Error(`${results.failed} tests failed`);
}
