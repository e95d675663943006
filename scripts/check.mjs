// `npm run check`, the gate: types first, since everything else reads them, then lint and format beside unit tests and
// build. Prints each part's output when it ends, in one piece, and fails when any part did.
import { spawn } from 'node:child_process';

const lanes = [
  ['lint', 'format:check', 'deadcode'],
  ['test:unit', 'build'],
];

/** Runs an npm script; resolves to whether it succeeded. */
function script(name) {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const child = spawn('npm', ['run', '--silent', name], { shell: process.platform === 'win32' });
    const output = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => output.push(piece));
    child.on('error', (error) => output.push(Buffer.from(error.message)));
    child.on('close', (code) => {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      process.stdout.write(Buffer.concat(output));
      console.log(`${code === 0 ? 'ok' : 'FAILED'}  ${name}  ${seconds} s`);
      resolve(code === 0);
    });
  });
}

async function lane(names) {
  let ok = true;
  for (const name of names) ok = (await script(name)) && ok;
  return ok;
}

const ok = (await lane(['typecheck'])) && (await Promise.all(lanes.map(lane))).every(Boolean);
process.exitCode = ok ? 0 : 1;
