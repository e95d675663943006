// Writes docs/syscalls.md, the reference page of the calls from outside, from their table: `node scripts/syscallPage.mjs`
// after `npx tsc -b`. A unit test fails when the page is not what this writes.
import { mkdir, writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';

const built = (path) => import(new URL(`../out/${path}`, import.meta.url).href);
const { syscallPage } = await built('test/support/syscallPage.js');
const { externalCalls } = await built('src/kernel/gateways/externalCalls.js');
const folder = new URL('../docs/', import.meta.url);
const file = new URL('syscalls.md', folder);

await mkdir(folder, { recursive: true });
const options = await resolveConfig(file.pathname);
await writeFile(file, await format(syscallPage(externalCalls), { ...options, parser: 'markdown' }));
