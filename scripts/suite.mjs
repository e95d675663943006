// What the scripts that run test suites share: how a program is run, how the tests are compiled, and how a suite that
// could not run says why. Results travel as one JSON file a suite, named by AMK_TEST_RESULTS (test/support/results.ts).
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

const graceMs = 5_000;

/**
 * Runs a program with this one's output. With a limit on its time it leads a process group of its own, which is first
 * asked to end, so that it can take along what it started in other groups, and then killed: nothing of it stays.
 * @returns {Promise<{ code: number, timedOut: boolean }>}
 */
export function run(command, args, { env = {}, timeoutMs } = {}) {
  return new Promise((resolve, reject) => {
    const detached = timeoutMs !== undefined;
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: 'inherit',
      detached,
    });
    const signal = (name) => detached && signalGroup(child.pid, name);
    const end = () => signal('SIGTERM');
    process.once('exit', end);
    let timedOut = false;
    const timers = [];
    if (detached) {
      const expire = () => {
        timedOut = true;
        end();
      };
      timers.push(setTimeout(expire, timeoutMs));
      timers.push(setTimeout(() => signal('SIGKILL'), timeoutMs + graceMs));
    }
    child.once('error', reject);
    child.once('close', (code) => {
      timers.forEach(clearTimeout);
      process.off('exit', end);
      signal('SIGKILL');
      resolve({ code: code ?? 1, timedOut });
    });
  });
}

/** Interrupted from the keyboard, a script ends by `exit`, so that what it started goes with it. */
export function endOnSignals() {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));
}

export async function runOrThrow(command, args, options) {
  const { code } = await run(command, args, options);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}`);
}

/** Type-checks everything into out/ and bundles the product into dist/. */
export async function compile() {
  await runOrThrow(process.execPath, ['node_modules/typescript/bin/tsc', '-b']);
  await runOrThrow(process.execPath, ['esbuild.mjs', '--production']);
}

/** Leaves results for whoever started this suite. */
export async function report(results) {
  const file = process.env['AMK_TEST_RESULTS'];
  if (file !== undefined) await writeFile(file, JSON.stringify(results));
}

/** Says that this machine cannot run the suite. That is a failure where somebody counts on it: in CI. */
export async function reportUnavailable(suite, error) {
  console.log(`${suite}: skipped, ${error.message} (${error.code})`);
  await report({ passed: 0, failed: 0, skipped: 0, failures: [], unavailable: error.message });
  process.exitCode = process.env['CI'] === 'true' ? 1 : 0;
}

export const noResults = () => ({ passed: 0, failed: 0, skipped: 0, failures: [] });

export function addResults(sum, results) {
  return {
    passed: sum.passed + results.passed,
    failed: sum.failed + results.failed,
    skipped: sum.skipped + results.skipped,
    failures: [...sum.failures, ...results.failures],
  };
}

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone, which is what was wanted.
  }
}
