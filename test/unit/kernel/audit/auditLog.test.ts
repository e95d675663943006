// The audit log: nothing is done that it does not hold, and nothing is done to it that is not found.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DurableFolder } from '../../../../src/hal/durableFolder.js';
import { createManualClock } from '../../../../src/hal/manualClock.js';
import type { AuditEntry } from '../../../../src/kernel/audit/audit.js';
import { AuditLog, readFiles } from '../../../../src/kernel/audit/auditLog.js';
import type { Line } from '../../../../src/kernel/audit/chain.js';
import { decodeSeal, encodeSeal, makeSeal, sealName } from '../../../../src/kernel/audit/seal.js';
import { verify, type AuditFile, type Verdict } from '../../../../src/kernel/audit/verify.js';
import { seededRandom, UnreliableDisk } from '../../hal/unreliableDisk.js';

const key = Buffer.alloc(32, 7);
const path = '/state/audit';

interface Bench {
  readonly disk: UnreliableDisk;
  readonly said: string[];
  open(fileBytes?: number): Promise<AuditLog>;
  /** What lies on the disk, as the one who verifies it sees it. */
  look(): Promise<Awaited<ReturnType<typeof readFiles>>>;
}

function createBench(disk = new UnreliableDisk()): Bench {
  const said: string[] = [];
  return {
    disk,
    said,
    open: async (fileBytes = 4096) => {
      const folder = await DurableFolder.open(path, disk.calls);
      const clock = createManualClock(1000);
      const opened = await AuditLog.open({
        folder,
        clock,
        key,
        keyPlace: 'given',
        fileBytes,
        onTrouble: (text) => said.push(text),
      });
      if (opened.fault !== undefined)
        said.push(`${opened.fault.kind} ${opened.fault.file}:${opened.fault.line}`);
      return opened.log;
    },
    look: async () => readFiles(await DurableFolder.open(path, disk.calls)),
  };
}

const entry = (index: number): AuditEntry => ({
  ...{
    kind: 'hostCall',
    phase: 'begin',
    act: index,
    pid: 1 + (index % 5),
    agent: 'scout',
    tool: 'read_file',
  },
  ...{
    what: index % 3 === 0 ? 'fs_write' : 'fs_read',
    scope: `src/größe${index}.ts`,
    digest: 'ab'.repeat(32),
    result: 'granted',
  },
});

async function filled(bench: Bench, entries: number, fileBytes?: number): ReturnType<Bench['look']> {
  const log = await bench.open(fileBytes);
  for (let index = 0; index < entries; index++) await log.record(entry(index));
  await log[Symbol.asyncDispose]();
  return await bench.look();
}

suite('audit log', () => {
  test('holds every entry in order, through rotations, and is found whole', async () => {
    const bench = createBench();
    const { files, seal } = await filled(bench, 100);
    assert.ok(files.length > 5, `${files.length} files`);
    const lines: Line[] = [];
    const verdict = verify(files, seal, key, (line) => lines.push(line));
    assert.equal(verdict.fault, undefined);
    assert.equal(verdict.unsealed, 0);
    assert.deepEqual(
      lines.flatMap((line) => (line.kind === 'hostCall' ? [line.act] : [])),
      Array.from({ length: 100 }, (_, index) => index),
    );
  });

  test('goes on where the kernel before it ended', async () => {
    const bench = createBench();
    await filled(bench, 30);
    const { files, seal } = await filled(bench, 30);
    const verdict = verify(files, seal, key);
    assert.equal(verdict.fault, undefined);
    assert.ok(verdict.lines > 60);
    assert.deepEqual(bench.said, []);
  });

  test('those who record at once share a flush, and each is there when told so', async () => {
    const bench = createBench();
    const log = await bench.open(1e6);
    const before = bench.disk.log.filter((call) => call === 'sync').length;
    await Promise.all(Array.from({ length: 500 }, (_, index) => log.record(entry(index))));
    const syncs = bench.disk.log.filter((call) => call === 'sync').length - before;
    assert.ok(syncs <= 4, `${syncs} flushes`);
    const { files, seal } = await bench.look();
    assert.ok(verify(files, seal, key).lines > 500);
    await log[Symbol.asyncDispose]();
  });

  test('a full disk refuses, says so once, and the log goes on whole when there is room again', async () => {
    const bench = createBench();
    const log = await bench.open(1e6);
    await log.record(entry(0));
    bench.disk.capacityBytes = bench.disk.usedBytes + 10;
    await assert.rejects(log.record(entry(3)), { code: 'storageFull' });
    await assert.rejects(log.record(entry(1)), { code: 'storageFull' });
    bench.disk.capacityBytes = Infinity;
    await log.record(entry(6));
    await log[Symbol.asyncDispose]();
    const { files, seal } = await bench.look();
    const acts: unknown[] = [];
    const verdict = verify(files, seal, key, (line) => line.kind === 'hostCall' && acts.push(line.act));
    assert.equal(verdict.fault, undefined);
    assert.deepEqual(acts, [0, 6]);
    assert.match(bench.said[0] ?? '', /nothing that needs a right is done/);
    assert.match(bench.said[1] ?? '', /written again/);
  });

  test('a folder that is gone refuses', async () => {
    const bench = createBench();
    const log = await bench.open(1e6);
    bench.disk.fail('open', 'ENOENT', 100);
    await assert.rejects(log.record(entry(0)), { code: 'storageFailed' });
    await log[Symbol.asyncDispose]();
  });

  test('a power cut at any moment leaves a log that the next kernel finds whole', async () => {
    for (let cut = 5; cut < 120; cut += 1) {
      const bench = createBench();
      bench.disk.cutBefore = cut;
      const told: number[] = [];
      try {
        const log = await bench.open(1500);
        for (let index = 0; index < 12; index++) {
          await log.record(entry(3 * index));
          told.push(3 * index);
        }
      } catch {
        // The power is gone.
      }
      const next = createBench(bench.disk.restart(seededRandom(cut)));
      await (await next.open(1500))[Symbol.asyncDispose]();
      const { files, seal } = await next.look();
      const acts = new Set<unknown>();
      const verdict = verify(files, seal, key, (line) => line.kind === 'hostCall' && acts.add(line.act));
      assert.equal(verdict.fault, undefined, `cut before call ${cut}: ${JSON.stringify(verdict.fault)}`);
      for (const act of told) assert.ok(acts.has(act), `cut ${cut}: act ${act} was told and is lost`);
    }
  });

  test('what was done to it while no kernel ran is said at the next start, and stays in it', async () => {
    const bench = createBench();
    const { files } = await filled(bench, 20);
    const last = files.at(-1)!;
    bench.disk.plant(join(path, last.name), last.bytes.subarray(0, last.bytes.length - 60));
    await (await bench.open())[Symbol.asyncDispose]();
    assert.match(bench.said[0] ?? '', /^truncated audit-\d+\.jsonl:\d+$/);
    const after = await bench.look();
    assert.equal(verify(after.files, after.seal, key).fault?.kind, 'truncated');
  });
});

suite('tampering with the audit log', () => {
  let files: readonly AuditFile[];
  let seal: ReturnType<typeof decodeSeal>;

  suiteSetup(async () => {
    ({ files, seal } = await filled(createBench(), 50, 2048));
  });

  const check = (changed: readonly AuditFile[]): Verdict => verify(changed, seal, key);

  test('1,000 random edits, deletions, swaps and truncations are all found', () => {
    const random = seededRandom(20);
    const below = (limit: number): number => Math.floor(random() * limit);
    const found = new Map<string, number>();
    for (let round = 0; round < 1000; round++) {
      const changed = files.map(({ name, bytes }) => ({ name, bytes: Uint8Array.from(bytes) }));
      const what = tamper(changed, below, round);
      const { fault } = check(changed);
      assert.ok(fault !== undefined, `round ${round}: ${what} was not found`);
      assert.ok(fault.line >= 1 && fault.file.startsWith('audit-'));
      found.set(what, (found.get(what) ?? 0) + 1);
    }
    const kinds = [...found].map(([what, count]) => `${what} ${count}`).join(', ');
    console.log(`      1,000 of 1,000 found over ${files.length} files: ${kinds}`);
  }).timeout(60_000);

  test('the first fault is named with its file, its line and its kind', () => {
    const linesOf = (index: number): string[] => Buffer.from(files[index]!.bytes).toString().split('\n');
    const withLines = (index: number, lines: readonly string[]): AuditFile[] =>
      files.map((file, at) => (at === index ? { ...file, bytes: Buffer.from(lines.join('\n')) } : file));
    const second = linesOf(1);
    const edited = second.map((line, at) => (at === 3 ? line.replace('granted', 'greeted') : line));
    assert.deepEqual(whereOf(check(withLines(1, edited))), ['edited', 'audit-000002.jsonl', 4]);
    const removed = second.filter((_, at) => at !== 3);
    assert.deepEqual(whereOf(check(withLines(1, removed))), ['removed', 'audit-000002.jsonl', 4]);
    const swapped = second.map((line, at) => second[at === 3 ? 4 : at === 4 ? 3 : at] ?? line);
    assert.deepEqual(whereOf(check(withLines(1, swapped))), ['reordered', 'audit-000002.jsonl', 4]);
    const foreign = [...second.slice(0, 3), '{"hello":"world"}', ...second.slice(3)];
    assert.deepEqual(whereOf(check(withLines(1, foreign))), ['edited', 'audit-000002.jsonl', 4]);
    assert.equal(check(files.slice(0, -1)).fault?.kind, 'truncated');
    assert.equal(check(files.slice(1)).fault?.kind, 'removed');
    assert.equal(check([]).fault?.kind, 'removed');
    assert.equal(
      check([...files, { name: 'audit-x.jsonl', bytes: Buffer.from('x\n') }]).fault?.kind,
      'foreign',
    );
  });

  test('a log that was written anew, chain and all, does not pass for the sealed one', async () => {
    const other = await filled(createBench(), 120);
    assert.equal(verify(other.files, other.seal, key).fault, undefined);
    assert.ok(check(other.files).fault !== undefined, 'under the seal of the first');
    assert.equal(verify(other.files, undefined, key).fault?.kind, 'unsealed');
    const forged = makeSeal({ ...other.seal!, key: 'given' }, Buffer.alloc(32, 8));
    assert.equal(verify(other.files, forged, key).fault?.kind, 'unsealed', 'with a key of the forger');
    assert.deepEqual(decodeSeal(encodeSeal(other.seal!)), other.seal);
    assert.equal(decodeSeal(Buffer.from('{"lines":1}')), undefined);
    assert.equal(sealName, 'seal.json');
  });
});

const whereOf = ({ fault }: Verdict): unknown => [fault?.kind, fault?.file, fault?.line];

/** Changes something, and says what. */
function tamper(
  files: { name: string; bytes: Uint8Array }[],
  below: (limit: number) => number,
  round: number,
): string {
  const index = below(files.length);
  const file = files[index]!;
  const text = Buffer.from(file.bytes);
  const lines = text.toString().split('\n').slice(0, -1);
  const set = (changed: readonly string[]): void => {
    file.bytes = Buffer.from(changed.map((line) => `${line}\n`).join(''));
  };
  const at = below(lines.length);
  switch (round % 8) {
    case 0: {
      const byte = below(text.length);
      file.bytes[byte] = (file.bytes[byte]! + 1 + below(255)) % 256;
      return 'byte changed';
    }
    case 1:
      set(lines.filter((_, line) => line !== at));
      return 'line deleted';
    case 2: {
      const other = (at + 1 + below(Math.max(1, lines.length - 1))) % lines.length;
      if (other === at) set(lines.slice(1));
      else set(lines.map((line, each) => lines[each === at ? other : each === other ? at : each] ?? line));
      return 'lines swapped';
    }
    case 3: {
      // The end of the last file, so that nothing but the seal can tell.
      const last = files.at(-1)!;
      last.bytes = last.bytes.subarray(0, below(last.bytes.length));
      return 'end cut off';
    }
    case 4:
      file.bytes = file.bytes.subarray(0, below(file.bytes.length));
      return 'file cut off';
    case 5:
      set([...lines.slice(0, at), lines[at]!, ...lines.slice(at)]);
      return 'line doubled';
    case 6:
      files.splice(index, 1);
      return 'file deleted';
    default: {
      const [one, two] = [file, files[(index + 1) % files.length]!];
      [one.bytes, two.bytes] = [two.bytes, one.bytes];
      return 'files swapped';
    }
  }
}
