/**
 * Finds out where every agent was, and makes the journal ready to go on. Damage never stops a start: what is good
 * before it counts, what is lost is told, and the damaged file is kept. A journal that this kernel does not
 * understand stops the start before anything is touched, since going on would lose what it says.
 */

import type { Clock } from '../../hal/clock.js';
import type { DurableFolder } from '../../hal/durableFolder.js';
import type { Pid } from '../../shared/protocol.js';
import {
  fileOf,
  listGenerations,
  readGeneration,
  retireGeneration,
  writeGeneration,
  type Generation,
  type GenerationParts,
  type ReadingParts,
} from './generations.js';
import { Journal } from './journal.js';
import type { JournalContent } from './journalFile.js';
import { LiveBytes } from './liveBytes.js';
import { ReplayedState, type JournalState } from './replay.js';

export interface OpenJournalOptions {
  readonly folder: DurableFolder;
  readonly clock: Clock;
  /** 32 bytes: the journal is encrypted, at the next start where it was not. */
  readonly encryptionKey?: Uint8Array | undefined;
}

/** What was lost. */
export interface JournalDamage {
  /**
   * `torn`: the end was being written when the kernel died; nothing that was acknowledged is lost. `broken`: the
   * file is damaged in the middle, and what came after is lost. `unreadable`: the whole file is.
   */
  readonly kind: 'torn' | 'broken' | 'unreadable';
  readonly file: string;
  readonly atByte: number;
  readonly lostBytes: number;
  /** Records behind the damage that are good in themselves. */
  readonly lostRecords: number;
  /** Agents that these speak of: they are older than they were. */
  readonly lostPids: readonly Pid[];
}

export interface JournalRecovery {
  readonly records: number;
  readonly bytes: number;
  readonly damage: readonly JournalDamage[];
  /** Files that are kept for a person to look at. */
  readonly setAside: readonly string[];
}

interface Found {
  readonly number: number;
  readonly content: JournalContent;
}

/**
 * @throws KernelError `stateInvalid` when a newer kernel wrote it, or it is encrypted and the key is missing or
 *   another; `storageFull`, `storageFailed`
 */
export async function openJournal(
  options: OpenJournalOptions,
): Promise<{ readonly journal: Journal; readonly recovery: JournalRecovery }> {
  const { folder, clock, encryptionKey } = options;
  const parts = { folder, encryptionKey };
  const numbers = await listGenerations(folder);
  const { found, damage } = await readNewest(numbers, parts);
  const { state, live } = replayed(found?.content.records ?? []);
  const newest = numbers[0] ?? 0;
  const isGood = found?.number === newest && isReusable(found.content, live, encryptionKey);
  const generation = isGood
    ? { number: newest, format: found.content.format, bytes: found.content.goodBytes, live }
    : await writeGeneration(newest + 1, state, parts);
  const setAside = await retireOthers(numbers, generation.number, parts);
  const journal = await begin(generation, state, { ...parts, clock });
  return { journal, recovery: { ...sizeOf(found), damage, setAside } };
}

/** What a journal says, for whoever only looks: nothing is changed. @throws KernelError as {@link openJournal} */
export async function readJournal(
  parts: ReadingParts,
): Promise<{ readonly state: JournalState; readonly damage: readonly JournalDamage[] }> {
  const { found, damage } = await readNewest(await listGenerations(parts.folder), parts);
  return { state: replayed(found?.content.records ?? []).state, damage };
}

export function describeDamage({ kind, lostBytes, lostPids }: JournalDamage): string {
  const behind = lostPids.length === 0 ? '' : `; agents ${lostPids.join(', ')} are older than they were`;
  return `a ${kind} part of ${lostBytes} bytes${behind}`;
}

function sizeOf(found: Found | undefined): Pick<JournalRecovery, 'records' | 'bytes'> {
  return { records: found?.content.records.length ?? 0, bytes: found?.content.goodBytes ?? 0 };
}

async function retireOthers(
  numbers: readonly number[],
  kept: number,
  parts: GenerationParts,
): Promise<string[]> {
  const setAside: string[] = [];
  for (const number of numbers) {
    const aside = number === kept ? undefined : await retireGeneration(number, parts);
    if (aside !== undefined) setAside.push(aside);
  }
  return setAside;
}

function replayed(records: JournalContent['records']): {
  readonly state: ReplayedState;
  readonly live: LiveBytes;
} {
  const [state, live] = [new ReplayedState(), new LiveBytes()];
  for (const { record, bytes } of records) {
    state.apply(record);
    live.add(record, bytes);
  }
  return { state, live };
}

/** Goes on in this file, after the fact that a kernel came up. */
async function begin(
  generation: Generation,
  state: ReplayedState,
  { folder, clock, encryptionKey }: OpenJournalOptions & GenerationParts,
): Promise<Journal> {
  const log = await folder.openLog(fileOf(generation.number), generation.bytes);
  const journal = new Journal({ folder, encryptionKey, generation, log, state });
  try {
    await journal.append({ type: 'booted', at: clock.wallClock() });
    return journal;
  } catch (error) {
    await journal[Symbol.asyncDispose]();
    throw error;
  }
}

/** For a journal that cannot be understood, when a person chose to begin anew. @returns the names of what is kept */
export async function setAsideJournal(folder: DurableFolder): Promise<readonly string[]> {
  const names: string[] = [];
  for (const number of await listGenerations(folder)) names.push(await folder.setAside(fileOf(number)));
  return names;
}

async function readNewest(
  numbers: readonly number[],
  parts: ReadingParts,
): Promise<{ readonly found: Found | undefined; readonly damage: readonly JournalDamage[] }> {
  const damage: JournalDamage[] = [];
  for (const number of numbers) {
    const content = await readGeneration(number, parts);
    const file = fileOf(number);
    if (content !== undefined) {
      if (content.damage !== undefined) damage.push(damageOf(content, file));
      return { found: { number, content }, damage };
    }
    const lostBytes = (await parts.folder.list()).find(({ name }) => name === file)?.bytes ?? 0;
    damage.push({ kind: 'unreadable', file, atByte: 0, lostBytes, lostRecords: 0, lostPids: [] });
  }
  return { found: undefined, damage };
}

function damageOf({ damage, lostPids }: JournalContent, file: string): JournalDamage {
  const { kind = 'torn', atByte = 0, lostBytes = 0, later = [] } = damage ?? {};
  return { kind, file, atByte, lostBytes, lostRecords: later.length, lostPids };
}

/** Whether records can be appended to the file as it is; a torn end is cut off then. */
function isReusable(
  { format, goodBytes, damage }: JournalContent,
  live: LiveBytes,
  encryptionKey: Uint8Array | undefined,
): boolean {
  const isEncryptedAsAsked = (format.seal !== undefined) === (encryptionKey !== undefined);
  return damage?.kind !== 'broken' && isEncryptedAsAsked && !live.isWorthRewriting(goodBytes);
}
