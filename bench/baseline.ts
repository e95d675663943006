/**
 * Baselines: bounds that a benchmark's figures must stay within, committed beside the benchmarks. Only ratios have
 * bounds, since machines differ; each has the value that was measured when it was written, for comparison.
 */

import { readFile } from 'node:fs/promises';

/** Both bounds are inclusive. */
interface Bound {
  readonly measured: number;
  readonly least?: number;
  readonly most?: number;
}

/** By path into the figures, as `throughput.kernelOverCeiling`. */
type Baseline = Readonly<Record<string, Bound>>;

/** What is out of bounds, a sentence each. A figure that is missing is out of bounds. */
export async function violationsOf(baselineUrl: URL, figures: unknown): Promise<string[]> {
  const baseline = JSON.parse(await readFile(baselineUrl, 'utf8')) as Baseline;
  return Object.entries(baseline).flatMap(([path, { measured, least, most }]) => {
    const value = valueAt(figures, path);
    if (value === undefined) return [`${path} was not measured`];
    if (least !== undefined && value < least)
      return [`${path} is ${value}, below ${least} (was ${measured})`];
    if (most !== undefined && value > most) return [`${path} is ${value}, above ${most} (was ${measured})`];
    return [];
  });
}

function valueAt(figures: unknown, path: string): number | undefined {
  let value: unknown = figures;
  for (const key of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[key];
  return typeof value === 'number' ? value : undefined;
}
