/**
 * Measures for the pager what an agent attended to: a copy of its state goes to the probe, and what the probe reads of
 * each token becomes what each block received. It takes no longer than its budget and never rejects; where nothing is
 * measured it says why, and the pager does without.
 */

import type { AttentionProbe } from '../hal/attention.js';
import type { Clock } from '../hal/clock.js';
import type { InferenceDriver, Token } from '../hal/driver.js';
import { messageOf } from '../shared/errors.js';
import { attentionBudgetMs, attentionProbeTokens } from '../shared/limits.js';
import type { Pid } from '../shared/protocol.js';
import { TextStream } from './agent/textStream.js';
import { densities } from './context/attentionFold.js';
import type { AttentionByBlock, PagerParts } from './context/pager.js';
import { placesOf, type Shown, type SpeltTokens } from './context/placement.js';
import type { Client } from './scheduler/job.js';
import { copyState, type StateCopy, type StateCopySources } from './stateCopy.js';

export interface MeasuredAttentionParts extends StateCopySources {
  readonly probe: Pick<AttentionProbe, 'read' | 'prepare' | 'unavailable' | 'lastFailure'>;
  readonly driver: Pick<InferenceDriver, 'detokenize'>;
  readonly clock: Clock;
  /** @throws KernelError `notFound` */
  readonly clientOf: (pid: Pid) => Client;
}

export type AttentionMeter = Required<Pick<PagerParts, 'measureAttention' | 'prepareAttention'>>;

export function createAttentionMeter(parts: MeasuredAttentionParts): AttentionMeter {
  let copies = 0;
  return {
    measureAttention: async ({ pid }, shown) => {
      try {
        return await measure(`${++copies}.attended`, pid, shown, parts);
      } catch (error) {
        return messageOf(error);
      }
    },
    prepareAttention: () => parts.probe.prepare(),
  };
}

async function measure(
  name: string,
  pid: Pid,
  shown: Shown,
  parts: MeasuredAttentionParts,
): Promise<AttentionByBlock | string> {
  const { probe, clock, clientOf, files } = parts;
  if (probe.unavailable !== undefined) return probe.unavailable;
  const deadline = clock.now() + attentionBudgetMs;
  const copying = copyState(clientOf(pid), name, parts);
  const copy = await inTime(copying, attentionBudgetMs);
  if (copy === 'late') {
    void copying.then(() => files.remove(name)).catch(() => undefined);
    return 'the device had no time to copy its state';
  }
  if (copy === undefined) return 'nothing that it computed is left';
  try {
    return await read(copy, shown, deadline - clock.now(), parts);
  } finally {
    await files.remove(name);
  }
}

async function read(
  { name, tokens }: StateCopy,
  shown: Shown,
  budgetMs: number,
  { probe, files, driver }: MeasuredAttentionParts,
): Promise<AttentionByBlock | string> {
  const reading = await probe.read(files.path(name), tokens, { probeTokens: attentionProbeTokens, budgetMs });
  if (reading === undefined) return probe.lastFailure ?? 'nothing was read';
  const places = [...placesOf(shown, spelt(tokens, driver))];
  const attended = densities(
    reading.received,
    places.map(([id, range]) => ({
      range,
      // Of these there is nothing to choose, and the beginning receives what no token has a use for.
      isAlways: shown.table.get(id)?.pin === 'rule',
    })),
    tokens.length - reading.probedTokens,
  );
  const known = places.flatMap(([id], index) => {
    const density = attended[index];
    return density === undefined ? [] : [[id, density] as const];
  });
  return known.length === 0 ? 'none of its blocks stands in its state as it was said' : new Map(known);
}

function spelt(tokens: readonly Token[], driver: Pick<InferenceDriver, 'detokenize'>): SpeltTokens {
  const stream = new TextStream((some) => driver.detokenize(some));
  const pieces: string[] = [];
  const ends: number[] = [];
  let length = 0;
  for (const token of tokens) {
    const piece = stream.push(token);
    length += piece.length;
    pieces.push(piece);
    ends.push(length);
  }
  return { text: pieces.join(''), ends };
}

async function inTime<T>(work: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
