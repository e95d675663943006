// What a suite reports to the script that started it: counts and the failures' messages, as one JSON file. Every
// suite writes the same shape, whether it ran in Node, in the extension host or beside a browser.
// The file is written once, at the end: a suite that crashed leaves none, and its absence is the failure.

import { writeFile } from 'node:fs/promises';

export interface TestFailure {
  readonly title: string;
  readonly message: string;
}

export interface SuiteResults {
  passed: number;
  failed: number;
  skipped: number;
  failures: TestFailure[];
}

/** Counts what happens from now on. A hook that fails is a failure like a test's. */
export function recordResults(runner: Mocha.Runner): SuiteResults {
  const results: SuiteResults = { passed: 0, failed: 0, skipped: 0, failures: [] };
  runner.on('pass', () => (results.passed += 1));
  runner.on('pending', () => (results.skipped += 1));
  runner.on('fail', (test, error) => {
    results.failed += 1;
    results.failures.push({ title: test.fullTitle(), message: describe(error) });
  });
  return results;
}

export async function writeResults(results: SuiteResults, file: string): Promise<void> {
  await writeFile(file, JSON.stringify(results));
}

/** The error's own words and the first place in the stack: enough to find it, short enough to read at the end. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const place = error.stack
    ?.split('\n')
    .find((line) => /^\s+at /.test(line) && !/node:internal|node_modules/.test(line));
  return place === undefined ? error.message : `${error.message}\n${place}`;
}
