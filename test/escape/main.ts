// Runs every hostile case and prints what stopped it. `npm run test:escape`; exit status 1 when anything got through.
import { fileCases } from './files.js';
import { moduleCases } from './modules.js';
import { rightCases } from './rights.js';
import { createWorld, deny, Escape, type Case, type World } from './world.js';

/** No single case may hold the kernel's thread, or take much longer than its limits. */
const mostMs = 10_000;

interface Result {
  readonly case: Case;
  readonly stopped: string;
  readonly ms: number;
  readonly isEscape: boolean;
}

async function attempt(each: Case, world: World, hostDigest: string): Promise<Result> {
  const start = performance.now();
  world.answer = deny;
  let stopped: string;
  let isEscape = false;
  try {
    stopped = await each.run(world);
  } catch (error) {
    isEscape = true;
    stopped = `${error instanceof Escape ? 'ESCAPE' : 'FAULT'}: ${error instanceof Error ? error.message : String(error)}`;
  }
  const ms = performance.now() - start;
  if (ms > mostMs) return { case: each, stopped: `ESCAPE: it took ${Math.round(ms)} ms`, ms, isEscape: true };
  if (world.hostDigest() !== hostDigest)
    return { case: each, stopped: 'ESCAPE: the host was changed', ms, isEscape: true };
  return { case: each, stopped, ms, isEscape };
}

const visible = (text: string): string => JSON.stringify(text).slice(1, -1);
const column = (text: string, width: number): string => visible(text).slice(0, width).padEnd(width);

async function main(): Promise<number> {
  await using world = await createWorld();
  const hostDigest = world.hostDigest();
  const results: Result[] = [];
  console.log(`${column('class', 34)} ${column('attempt', 48)} ${'ms'.padStart(6)}  stopped by`);
  for (const each of [...fileCases(world), ...rightCases(world), ...moduleCases(world)]) {
    const result = await attempt(each, world, hostDigest);
    results.push(result);
    const ms = result.ms.toFixed(1).padStart(6);
    console.log(
      `${column(each.class, 34)} ${column(each.attempt, 48)} ${ms}  ${visible(result.stopped).slice(0, 100)}`,
    );
  }
  const escapes = results.filter(({ isEscape }) => isEscape).length;
  const alive = await world.call('search', { query: 'parseEntries' });
  const isHostWhole = world.hostDigest() === hostDigest;
  console.log(
    `kernel and agents ${alive.ok ? 'alive' : 'DEAD'}, host ${isHostWhole ? 'undamaged' : 'DAMAGED'}`,
  );
  console.log(`${results.length} cases, ${escapes} escapes`);
  return escapes === 0 && alive.ok && isHostWhole ? 0 : 1;
}

process.exitCode = await main();
