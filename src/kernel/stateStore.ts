/**
 * What a kernel keeps in a folder, for people: which snapshots, of which agents, and whether all of it is whole. It
 * looks without changing anything, also while a kernel uses the folder, and so never sets aside or clears away what it
 * finds. Only what removes takes the lock. Nothing here loads a model.
 */

import { systemFileCalls } from '../hal/fileCalls.js';
import { hasCode, storageError } from '../hal/fileErrors.js';
import { writeAll } from '../hal/openFile.js';
import { openStorage, viewStorage, type StorageView } from '../hal/storage.js';
import { KernelError, messageOf } from '../shared/errors.js';
import type {
  KeptSnapshot,
  SnapshotDetail,
  StateCalls,
  StateFault,
  StateFinding,
  StateListing,
  StateStore,
} from '../shared/stateCalls.js';
import { describeDamage, readJournal } from './journal/openJournal.js';
import type { JournalState, JournalledAgent } from './journal/replay.js';
import { hashPrefix } from './kv/prefixHash.js';
import { verifySnapshot } from './kv/snapshot.js';
import {
  listSetAside,
  nameSnapshots,
  readSnapshot,
  removeSnapshot,
  surveySnapshots,
  type StoredSnapshot,
  type Survey,
} from './kv/snapshotFiles.js';
import { stateInvalid } from './kv/stateErrors.js';

type Folder = ReturnType<StorageView['folder']>;

/** What lies in the folder at one moment. */
interface Sight {
  readonly usedBy: number | undefined;
  readonly folder: Folder;
  readonly survey: Survey;
  readonly aside: readonly string[];
  readonly journal: Awaited<ReturnType<typeof readJournal>>;
}

/** A folder that is not there is one that holds nothing. @throws KernelError `stateInvalid`, `storageFailed` */
export async function listState(store: StateStore): Promise<StateListing> {
  const { dir } = store;
  const sight = await look(store);
  if (sight === undefined) return { dir, usedBy: null, snapshots: [], agents: [], faults: [] };
  const { survey, journal, aside, usedBy = null } = sight;
  const agents = [...journal.state.agents.values()];
  const faults: StateFault[] = [
    ...aside.map((file) => ({ file, reason: 'it was found damaged and is kept for you to look at' })),
    ...survey.faults.map(({ names, reason }) => ({ file: names.join(', '), reason })),
    ...broken(journal.damage).map((damage) => ({ file: damage.file, reason: describeDamage(damage) })),
  ];
  return {
    ...{ dir, usedBy, faults },
    snapshots: survey.snapshots
      .toSorted((a, b) => b.lastUsed - a.lastUsed)
      .map((stored) => keptOf(stored, journal.state)),
    agents: agents.map(({ pid, definition, task, snapshot }) => {
      const isThere = survey.snapshots.some(({ record }) => record.key === snapshot?.key);
      return { pid, name: definition.name, task, snapshot: isThere ? (snapshot?.key ?? null) : null };
    }),
  };
}

/** @throws KernelError `notFound`, `badRequest` when several begin like that, `stateInvalid` when it is damaged */
export async function showState({ key, ...store }: StateCalls['show']['in']): Promise<SnapshotDetail> {
  const sight = await look(store);
  const stored = pick(sight?.survey.snapshots ?? [], ({ record }) => record.key, key);
  const { sha256, facts, quantisation } = await check(stored, sight, store);
  const state = sight?.journal.state;
  const owner = ownerOf(stored.record.key, state);
  return {
    snapshot: keptOf(stored, state),
    sha256,
    facts: { ...facts, quantisation },
    conversation: owner === undefined ? null : owner.messages.map(textOf),
  };
}

/** Every file on its own: one that is damaged keeps no other from being read. */
export async function verifyState(store: StateStore): Promise<readonly StateFinding[]> {
  const view = await viewStorage(store.dir);
  if (view === undefined) return [];
  const findings = await verifySnapshots(view, store);
  return [...findings, ...(await verifyJournal(view, store))];
}

async function verifySnapshots(view: StorageView, store: StateStore): Promise<readonly StateFinding[]> {
  const folder = view.folder('snapshots');
  const { survey, aside } = await lookAtSnapshots(folder, store);
  const findings: StateFinding[] = [];
  for (const stored of survey.snapshots) {
    const file = `snapshots/${stored.record.key}`;
    try {
      await check(stored, { folder }, store);
      findings.push({
        file,
        verdict: 'intact',
        note: `${stored.record.tokens} tokens of ${stored.record.agent}`,
      });
    } catch (error) {
      if (!(error instanceof KernelError) || error.code === 'bug') throw error;
      // A kernel that uses the folder may have removed it meanwhile.
      if (error.code !== 'notFound') findings.push({ file, verdict: 'damaged', note: error.message });
    }
  }
  for (const { names, reason } of survey.faults) {
    for (const name of names) findings.push({ file: `snapshots/${name}`, verdict: 'damaged', note: reason });
  }
  for (const name of aside) {
    findings.push({ file: `snapshots/${name}`, verdict: 'aside', note: 'found damaged before' });
  }
  return findings;
}

async function verifyJournal(view: StorageView, store: StateStore): Promise<readonly StateFinding[]> {
  const folder = view.folder('journal');
  const parts = { folder, encryptionKey: keyIn(store) };
  try {
    const { state, damage } = await whileItChanges(() => orNothing(() => readJournal(parts), noJournal));
    const findings: StateFinding[] = broken(damage).map((each) => ({
      file: `journal/${each.file}`,
      verdict: 'damaged',
      note: describeDamage(each),
    }));
    const note = `${state.agents.size} agents that had not ended`;
    return findings.length > 0 ? findings : [{ file: 'journal', verdict: 'intact', note }];
  } catch (error) {
    if (!(error instanceof KernelError) || error.code !== 'stateInvalid') throw error;
    return [{ file: 'journal', verdict: 'damaged', note: error.message }];
  }
}

/** What was being written when a kernel died, or is being written now, was never acknowledged. */
const broken = (damage: Sight['journal']['damage']): Sight['journal']['damage'] =>
  damage.filter(({ kind }) => kind !== 'torn');

/** @throws KernelError `storeLocked` that names the process which uses the folder; `notFound`, `badRequest` */
export async function removeState({
  keys,
  dir,
}: StateCalls['remove']['in']): Promise<StateCalls['remove']['out']> {
  if ((await viewStorage(dir)) === undefined) {
    if (keys === 'all') return { keys: [], bytes: 0 };
    throw new KernelError('notFound', `there is no store ${dir}`);
  }
  await using storage = await openStorage({ path: dir });
  const folder = await storage.folder('snapshots');
  const present = await nameSnapshots(folder);
  const chosen = keys === 'all' ? present : keys.map((key) => pick(present, (each) => each.key, key));
  const unique = [...new Set(chosen)];
  for (const named of unique) await removeSnapshot(named, folder);
  const aside = keys === 'all' ? await listSetAside(folder) : [];
  for (const { name } of aside) await folder.remove(name);
  const bytes = [...unique, ...aside].reduce((sum, each) => sum + each.bytes, 0);
  return { keys: unique.map(({ key }) => key), bytes };
}

/** @throws KernelError `notFound`, `badRequest` when there is such a file, `stateInvalid`, `storageFull` */
export async function exportState({
  key,
  path,
  ...store
}: StateCalls['export']['in']): Promise<StateCalls['export']['out']> {
  const sight = await look(store);
  const stored = pick(sight?.survey.snapshots ?? [], ({ record }) => record.key, key);
  if (sight === undefined) throw new KernelError('notFound', `there is no store ${store.dir}`);
  const bytes = await readSnapshot(stored, sight.folder, keyIn(store));
  await writeNew(path, bytes);
  return { bytes: bytes.length };
}

/** Whole, or not there. */
async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  try {
    const file = await systemFileCalls.open(path, 'create');
    try {
      await writeAll(file, bytes);
      await file.sync();
    } catch (error) {
      await systemFileCalls.remove(path).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (hasCode(error, 'EEXIST')) throw new KernelError('badRequest', `${path} is there already`);
    throw storageError(error, path);
  }
}

/** Undefined where there is no such folder. */
async function look(store: StateStore): Promise<Sight | undefined> {
  const view = await viewStorage(store.dir);
  if (view === undefined) return undefined;
  const folder = view.folder('snapshots');
  const journalParts = { folder: view.folder('journal'), encryptionKey: keyIn(store) };
  const { survey, aside } = await lookAtSnapshots(folder, store);
  const journal = await whileItChanges(() => orNothing(() => readJournal(journalParts), noJournal));
  return { usedBy: view.usedBy, folder, survey, aside, journal };
}

async function lookAtSnapshots(folder: Folder, store: StateStore): Promise<Pick<Sight, 'survey' | 'aside'>> {
  const aside = await orNothing(() => listSetAside(folder), []);
  const survey = await whileItChanges(async () => {
    const names = await orNothing(() => folder.list(), []);
    return names.length === 0 ? noSnapshots : await surveySnapshots(folder, keyIn(store));
  });
  return { survey, aside: aside.map(({ name }) => name) };
}

const noSnapshots: Survey = { snapshots: [], faults: [], unfinished: [] };
const noJournal: Sight['journal'] = {
  state: { agents: new Map(), reports: new Map(), grants: new Map(), lastPid: 0 },
  damage: [],
};

/** A folder that was never made holds nothing. */
async function orNothing<T>(read: () => Promise<T>, nothing: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof KernelError && error.code === 'notFound') return nothing;
    throw error;
  }
}

const maxLooks = 5;

/** A kernel that uses the folder may take a file away between its being listed and its being read. */
async function whileItChanges<T>(read: () => Promise<T>): Promise<T> {
  for (let looks = 1; ; looks++) {
    try {
      return await read();
    } catch (error) {
      if (looks === maxLooks || !(error instanceof KernelError) || error.code !== 'notFound') throw error;
    }
  }
}

const keyIn = ({ encryptionKey }: StateStore): Uint8Array | undefined =>
  encryptionKey === undefined ? undefined : Buffer.from(encryptionKey, 'hex');

/** Reads all of a snapshot, and compares it with what the store says of it. */
async function check(
  stored: StoredSnapshot,
  sight: Pick<Sight, 'folder'> | undefined,
  store: StateStore,
): Promise<ReturnType<typeof verifySnapshot>> {
  if (sight === undefined) throw new KernelError('notFound', `there is no store ${store.dir}`);
  const { record } = stored;
  try {
    const info = verifySnapshot(await readSnapshot(stored, sight.folder, keyIn(store)));
    const hashes = hashPrefix(record.model, [...info.tokens]);
    const isOfRecord = info.tokens.length === record.tokens && hashes.whole === record.whole;
    if (!isOfRecord) throw stateInvalid('its record is of other tokens');
    return info;
  } catch (error) {
    if (!(error instanceof KernelError) || error.code === 'notFound') throw error;
    throw new KernelError(error.code, `snapshot ${record.key.slice(0, 12)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function keptOf(
  { record, isSealed, fileBytes, lastUsed }: StoredSnapshot,
  state: JournalState | undefined,
): KeptSnapshot {
  const { key, agent, tokens, quantisation, created, model } = record;
  const pid = ownerOf(key, state)?.pid ?? null;
  const [fingerprint = ''] = model.split(' ');
  return {
    ...{ key, agent, pid, tokens, quantisation, bytes: fileBytes, isEncrypted: isSealed, model: fingerprint },
    ...{ createdAt: created, usedAt: lastUsed },
  };
}

function ownerOf(key: string, state: JournalState | undefined): JournalledAgent | undefined {
  return [...(state?.agents.values() ?? [])].find(({ snapshot }) => snapshot?.key === key);
}

function textOf(message: JournalledAgent['messages'][number]): { role: string; text: string } {
  if (message.role !== 'assistant' || message.toolCall === undefined) {
    return { role: message.role, text: message.content };
  }
  const { name, arguments: fields } = message.toolCall;
  return { role: message.role, text: `${message.content}${name}(${JSON.stringify(fields)})` };
}

/** The one whose key begins like this. */
function pick<T>(all: readonly T[], keyOf: (each: T) => string, prefix: string): T {
  const [found, another] = all.filter((each) => keyOf(each).startsWith(prefix));
  if (found === undefined) throw new KernelError('notFound', `there is no snapshot ${prefix}`);
  if (another === undefined) return found;
  const count = all.filter((each) => keyOf(each).startsWith(prefix)).length;
  throw new KernelError('badRequest', `${count} snapshots begin with ${prefix}; give more of it`);
}
